package scenarios

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// load reads YAML given inline, with the version written for it.
func load(t *testing.T, content string, set ...string) (*Scenario, error) {
	t.Helper()
	return Load(Source{File: "x.yaml", Content: []byte("version: 1\n" + content), Set: set})
}

func mustLoad(t *testing.T, content string, set ...string) *Scenario {
	t.Helper()
	s, err := load(t, content, set...)
	if err != nil {
		t.Fatalf("unexpected problems:\n%v", err)
	}
	return s
}

// update rewrites the golden files; read what changed before committing it.
var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file under testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

// TestGolden compares the exact problems of every testdata/*.yaml with the
// .txt file beside it.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Load(Source{File: filepath.Base(file), Content: content})
			if err == nil {
				t.Fatal("no problem was found")
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", err.Error()+"\n")
		})
	}
}

// Every setting that net/http's pool cannot honour is refused by its name; its own, and defaults written out, are not.
func TestNetHTTPPoolIsRefusedWhatItLacks(t *testing.T) {
	values := map[string]string{
		"edge.pool.maxAge": "1m", "edge.pool.maxUses": "9", "edge.pool.order": "fifo", "edge.pool.prewarm": "2", "edge.pool.maxWaiting": "3",
		"edge.pool.waitTimeout": "1s", "edge.pool.retries.attempts": "1", "edge.pool.retries.methods": "none",
		"edge.pool.circuit.failures": "2", "edge.protocol": "h2",
	}
	set := []string{"edge.pool.kind=nethttp", "edge.pool.maxIdle=8"}
	for _, lack := range netHTTPLacks {
		value, known := values[lack.path]
		if !known {
			t.Errorf("%s: not tested", lack.path)
		}
		set = append(set, lack.path+"="+value)
	}
	_, err := load(t, "", set...)
	var all []string
	for _, lack := range netHTTPLacks {
		all = append(all, lack.path+" "+values[lack.path]+" ("+lack.instead+")")
	}
	want := "--set edge.pool.maxAge=1m: edge.pool.maxAge: the nethttp pool has no use for " + strings.Join(all, ", ") + "; remove that, or choose kind: own"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	_, err = load(t, "edge: {pool: {kind: nethttp}}\ncompare:\n  - {axis: edge.protocol, values: [h1, h3]}")
	if want := "x.yaml:4: compare[0].values[1]: the nethttp pool has no use for edge.protocol h3 (it is simulated over h1); remove that, or choose kind: own"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	mustLoad(t, "edge: {pool: {kind: nethttp, maxIdle: 8, order: lifo, idleTimeout: 9s, maxConnections: 3, reuse: true}}")
}

func TestProblems(t *testing.T) {
	// Line 1 is the version that load writes.
	tests := []struct{ name, content, want string }{
		{"version of a later release", "---", ""},
		{"misspelt setting", "edge: {tls: {verson: \"1.2\"}}", "x.yaml:2: edge.tls.verson: is an unknown key; did you mean version? Known here: version, group, resumption, helloRetry, early, verify, unasked"},
		{"number for text", "edge: {tls: {version: 1.2}}", `x.yaml:2: edge.tls.version: the number 1.2 stands here, but text is expected; put it in quotes: "1.2"`},
		{"text for truth", "origin: {tickets: yes please}", `x.yaml:2: origin.tickets: the text "yes please" stands here, but true or false is expected`},
		{"text for number", "workload: {trials: many}", `x.yaml:2: workload.trials: the text "many" stands here, but a whole number is expected`},
		{"fraction for number", "workload: {trials: 1.5}", "x.yaml:2: workload.trials: the number 1.5 stands here, but a whole number is expected"},
		{"text for list", "origin: {strategies: mtls}", `x.yaml:2: origin.strategies: the text "mtls" stands here, but a list is expected; write it in brackets: [mtls]`},
		{"list for group", "origin: [a]", "x.yaml:2: origin: a list stands here, but a group of keys is expected; write some of: server, include, certificate, strategies, mtls, header, tickets, response, idleTimeout, audit, refusesAfter, plant"},
		{"nothing", "origin:", "x.yaml:2: origin: nothing stands here, but a group of keys is expected; write a value or remove the key"},
		{"outside the set", "origin: {mtls: {pin: sam}}", `x.yaml:2: origin.mtls.pin: "sam" is not known; did you mean san? Known: none, subject, san, leaf`},
		{"element outside the set", "origin:\n  strategies:\n    - mtls\n    - spell", `x.yaml:5: origin.strategies[1]: "spell" is not known; choose one of allowlist, header, mtls`},
		{"element twice", "origin: {strategies: [mtls, mtls]}", `x.yaml:2: origin.strategies[1]: "mtls" stands twice in this list; remove one of them`},
		{"key twice", "seed: 1\nseed: 2", "x.yaml:3: seed: stands twice, first on line 2; remove one of them"},
		{"negative seed", "seed: -1", "x.yaml:2: seed: -1 does not fit; write a whole number that is neither negative nor larger than 64 bits"},
		{"negative limit", "edge: {pool: {maxConnections: -1}}", "x.yaml:2: edge.pool.maxConnections: -1 is less than 0; choose a value from 0 to 10000"},
		{"not a number", "workload: {objects: {alpha: .nan}}", "x.yaml:2: workload.objects.alpha: .nan is not a number; choose a value from 0 to 5"},
		{"duration without unit", "workload: {duration: 5}", `x.yaml:2: workload.duration: "5" is not a duration; write a number with a unit: 300ms, 5s or 2m`},
		{"too many bytes", "origin: {response: {size: 1GiB}}", "x.yaml:2: origin.response.size: 1GiB is more than 64MiB; choose a value from 0B to 64MiB"},
		{"header name", "origin: {header: {name: \"X Y\"}}", `x.yaml:2: origin.header.name: "X Y" does not fit; a header name is expected`},
		{"reserved header", "origin: {header: {name: Host}}", "x.yaml:2: origin.header.name: Host has a meaning of its own in HTTP or here; choose another name, such as X-Origin-Verify"},
		{"closed with a rate", "workload:\n  arrivals:\n    rate: 5/s", "x.yaml:4: workload.arrivals.rate: a rate needs an open model, but arrivals are closed; add model: poisson (or constant), or remove the rate"},
		{"open without a rate", "workload: {arrivals: {model: poisson}}", "x.yaml:2: workload.arrivals.model: poisson arrivals need a rate; add one to workload.arrivals, for example rate: 400/s"},
		{"warm-up too long", "workload: {warmup: 5s}", "x.yaml:2: workload.warmup: the warm-up (5s) must be shorter than the duration (5s); shorten it or measure longer"},
		{"duration too short", "workload: {duration: 200ms}", "x.yaml:2: workload.duration: the warm-up (300ms) must be shorter than the duration (200ms); shorten it or measure longer"},
		{"trace without a name", "workload: {objects: {model: trace}}", "x.yaml:2: workload.objects.model: the trace model needs a trace; add trace: web07 or web12, or a file of your own"},
		{"unknown trace", "workload: {objects: {model: trace, trace: web7}}", `x.yaml:2: workload.objects.trace: "web7" is not known; did you mean web07? Known: web07, web12; a file of your own is given with its path: ./web7.csv`},
		{"hybrid in 1.2", "edge: {tls: {version: \"1.2\", group: x25519mlkem768}}", "x.yaml:2: edge.tls.group: the group x25519mlkem768 exists only in TLS 1.3, but edge.tls.version is 1.2; choose x25519 or p256, or TLS 1.3 only"},
		{"hybrid in a 1.2 arm", "edge: {tls: {group: x25519mlkem768}}\ncompare:\n  - axis: edge.tls.version\n    values:\n      - \"1.3\"\n      - \"1.2\"", "x.yaml:7: compare[0].values[1]: the group x25519mlkem768 exists only in TLS 1.3, but edge.tls.version is 1.2; choose x25519 or p256, or TLS 1.3 only"},
		{"retry in 1.2", "edge: {tls: {version: \"1.2\", group: p256, helloRetry: true}}", "x.yaml:2: edge.tls.helloRetry: a HelloRetryRequest exists only in TLS 1.3, but edge.tls.version is 1.2; choose 1.3, or helloRetry: false"},
		{"retry with x25519", "edge: {tls: {group: p256, helloRetry: true}}\ncompare:\n  - axis: edge.tls.group\n    values: [p256, x25519]", "x.yaml:5: compare[0].values[1]: a HelloRetryRequest can be forced only with the group p256, because a key share for x25519 is sent first, but edge.tls.group is x25519; choose p256, or helloRetry: false"},
		{"resumption without tickets", "origin: {tickets: false}\ncompare:\n  - {axis: edge.tls.resumption, values: [false, true]}", "x.yaml:4: compare[0].values[1]: resumption needs session tickets, but origin.tickets is false; switch them on, or resumption off"},
		{"padding too small", "origin: {certificate: {chain: 4, bytes: 4KiB}}", "x.yaml:2: origin.certificate.bytes: a chain of 4 padded to 4KiB is too small: use at least 5KiB (1280 bytes for each certificate), or 0 to leave it as it comes"},
		{"padding too large", "origin: {certificate: {bytes: 65KiB}}", "x.yaml:2: origin.certificate.bytes: 65KiB is more than 64KiB; choose a value from 0B to 64KiB"},
		{"ticket too large", "edge: {tls: {resumption: true}}\ncompare:\n  - {axis: origin.certificate.bytes, values: [48KiB, 49KiB]}", "x.yaml:4: compare[0].values[1]: a session ticket carries the client's chain and cannot be larger than 64KiB, so that 49KiB with mtls cannot be resumed; use at most 48KiB, or resumption: false"},
		{"prewarmed and not kept", "edge: {pool: {reuse: false, prewarm: 2}}", "x.yaml:2: edge.pool.prewarm: connections made beforehand are connections kept, but edge.pool.reuse is false; use reuse: true, or prewarm: 0"},
		{"prewarmed beyond the limit", "edge: {pool: {maxConnections: 4}}\ncompare:\n  - {axis: edge.pool.prewarm, values: [4, 5]}", "x.yaml:4: compare[0].values[1]: there is room for 4 connections only; use a prewarm of at most that, or a larger maxConnections"},
		{"prewarmed handshakes", "edge: {pool: {prewarm: 1}}\nworkload: {mode: handshakes}", "x.yaml:2: edge.pool.prewarm: handshakes mode measures making connections, one at a time; use mode: requests, or prewarm: 0"},
		{"a server's own idle timeout", "origin: {server: nginx, idleTimeout: 5s}", "x.yaml:2: origin.idleTimeout: idle connections of nginx are kept as long as its driver says; remove idleTimeout, or choose server: builtin"},
		{"POST to files", "origin: {server: caddy}\nworkload: {method: POST}", "x.yaml:3: workload.method: the objects of caddy are files, which take no POST; choose method: GET, or server: builtin"},
		{"POST in handshakes", "workload: {mode: handshakes, method: POST}", "x.yaml:2: workload.method: POST cannot be honoured in handshakes mode: every request asks for one object of one byte; remove it, or use mode: requests"},
		{"idle connections of the own pool", "edge: {pool: {maxIdle: 3}}", "x.yaml:2: edge.pool.maxIdle: the own pool keeps every idle connection until its time is over; remove maxIdle, or choose kind: nethttp"},
		{"nethttp in handshakes", "edge: {pool: {kind: nethttp}}\nworkload: {mode: handshakes}", "x.yaml:2: edge.pool.kind: handshakes mode measures making connections, with no pool; remove kind: nethttp, or use mode: requests"},
		{"unknown order", "edge: {pool: {order: random}}", "x.yaml:2: edge.pool.order: \"random\" is not known; choose one of lifo, fifo"},
		{"0-RTT over h2", "edge: {protocol: h2, tls: {resumption: true, early: true}}", "x.yaml:2: edge.tls.early: 0-RTT needs h3, but edge.protocol is h2: crypto/tls has none over TCP; choose h3, or remove early"},
		{"h3 in 1.2", "edge:\n  protocol: h3\n  tls: {version: \"1.2\"}", "x.yaml:3: edge.protocol: h3 runs over QUIC, which has no TLS 1.2, but edge.tls.version is 1.2; choose h1, or TLS 1.3"},
		{"h3 in a 1.2 arm", "edge: {protocol: h3}\ncompare:\n  - axis: edge.tls.version\n    values: [\"1.3\", \"1.2\"]", "x.yaml:5: compare[0].values[1]: h3 runs over QUIC, which has no TLS 1.2, but edge.tls.version is 1.2; choose h1, or TLS 1.3"},
		{"0-RTT over TCP", "edge: {tls: {resumption: true, early: true}}", "x.yaml:2: edge.tls.early: 0-RTT needs h3, but edge.protocol is h1: crypto/tls has none over TCP; choose h3, or remove early"},
		{"0-RTT without resumption", "edge: {protocol: h3, tls: {early: true}}", "x.yaml:2: edge.tls.early: 0-RTT is sent under an earlier session's key, but edge.tls.resumption is false; add resumption: true, or remove early"},
		{"0-RTT without tickets", "origin: {tickets: false}\nedge: {protocol: h3, tls: {resumption: true, early: true}}", "x.yaml:3: edge.tls.resumption: resumption needs session tickets, but origin.tickets is false; switch them on, or resumption off"},
		{"hybrid in a 1.2 bypass", "edge: {tls: {group: x25519mlkem768}}\nbypass:\n  cases: [A01]\n  tls: [\"1.2\"]", "x.yaml:5: bypass.tls: the group x25519mlkem768 exists only in TLS 1.3, but 1.2 is in this list; choose x25519 or p256, or TLS 1.3 only"},
		{"bypass with axes", "bypass: {cases: [A01]}\ncompare: [{axis: edge.tls.version, values: [\"1.3\"]}]", "x.yaml:3: compare: a bypass experiment has no axes; remove compare, and list TLS versions in bypass.tls and strategies in bypass.strategies"},
		{"bypass without cases", "bypass: {tls: [\"1.3\"]}", "x.yaml:2: bypass.cases: is missing and must be given. The attempts to make, by their short names, for example A01."},
		{"no experiments", "experiments: []", "x.yaml:2: experiments: is an empty list; give at least one element or remove the key"},
		{"compare beside experiments", "compare: [{axis: edge.tls.version, values: [\"1.3\"]}]\nexperiments: [{name: a}]", "x.yaml:2: compare: stands beside experiments, and would belong to none of them; move it into one"},
		{"experiment without a name", "experiments:\n  - workload: {trials: 2}", "x.yaml:3: experiments[0].name: is missing and must be given. The name of the experiment, the first part of the names of its arms."},
		{"experiment twice", "experiments:\n  - name: a\n  - name: a", `x.yaml:4: experiments[1].name: "a" is also the name of experiments[0]; give each its own`},
		{"rule of the wrong kind", "expect: [5]", `x.yaml:2: expect[0]: the number 5 stands here, but an expectation as text is expected; for example "requests.failed == 0"`},
		{"empty rule", "expect: [\" \"]", `x.yaml:2: expect[0]: is empty; write an expectation such as "requests.failed == 0"`},
		{"self-merging anchor", "origin: &o {<<: *o}", "x.yaml:2: origin: merges itself; remove the merge key <<"},
		{"list as a key", "[a]: b", "x.yaml:2: a list stands in the place of a key; write a word"},
		{"strange key", "\"a\\nb: c\": 1", `x.yaml:2: "a\nb: c": is an unknown key; the keys known here are: version, name, title, seed, origin, origins, edge, link, workload, compare, bypass, experiments, expect, gate, claims`},
		{"second document", "---\nversion: 1", "x.yaml:2: a second document starts here; a file holds one scenario, so move it to a file of its own"},
		{"syntax", "name: a: b", "x.yaml:2: is not YAML: mapping values are not allowed in this context; correct the syntax here or just above"},
		{"tab", "origin:\n\tserver: x", "x.yaml:3: is not YAML: found character that cannot start any token (YAML indents with spaces, never tabs); correct the syntax here or just above"},
		{"unknown anchor", "name: *who", "x.yaml:2: is not YAML: unknown anchor 'who' referenced; correct the syntax here or just above"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.want == "" {
				_, err := Load(Source{File: "x.yaml", Content: []byte("version: 2")})
				if err == nil || err.Error() != "x.yaml:1: version: version 2 is not known; this build reads version: 1" {
					t.Errorf("got %v", err)
				}
				return
			}
			if _, err := load(t, test.content); err == nil || err.Error() != test.want {
				t.Errorf("\ngot  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestUnreadable(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"empty", "", "x.yaml: is empty; a scenario starts with version: 1"},
		{"only comments", "# nothing\n", "x.yaml: is empty; a scenario starts with version: 1"},
		{"null", "~", "x.yaml: is empty; a scenario starts with version: 1"},
		{"too large", "# " + strings.Repeat("x", maxFile), "x.yaml: is larger than 1MiB, which no scenario needs; split it into several"},
		{"not UTF-8", "a\n\xff", "x.yaml:2: is not YAML: invalid leading UTF-8 octet; correct the syntax here or just above"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := Load(Source{File: "x.yaml", Content: []byte(test.content)})
			if s != nil || err == nil || err.Error() != test.want {
				t.Errorf("\ngot  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestAliasBombsAreBounded(t *testing.T) {
	bomb := "version: 1\norigin: &a {tickets: true}\n"
	merges := []string{"*a"}
	for i := range 8 {
		name := string(rune('b' + i))
		bomb += "x" + name + ": &" + name + " {<<: [" + strings.Join(merges, ",") + "]}\n"
		merges = strings.Split(strings.Repeat("*"+name+" ", 12), " ")[:12]
	}
	bomb += "edge: {<<: [" + strings.Join(merges, ",") + "]}\n"
	start := time.Now()
	_, err := Load(Source{File: "x.yaml", Content: []byte(bomb)})
	if err == nil || !strings.Contains(err.Error(), "aliases expand to more than 100000 values") {
		t.Errorf("got %v", err)
	}
	// Unbounded, it would take 12^8 steps.
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestProblemsAreErrors(t *testing.T) {
	_, err := load(t, "seed: x\nlink: {kind: tin}")
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 2 {
		t.Fatalf("got %v", err)
	}
	var first Problem
	if !errors.As(err, &first) || first.Field != "seed" || first.Line != 2 {
		t.Errorf("got %+v", first)
	}
	s := mustLoad(t, "name: a\nlink: {kind: direct}")
	merged := problems.With(s.Problem("seed", "again"), s.Problem("name", "taken"))
	if got := merged.Error(); strings.Count(got, "\n") != 2 || strings.Contains(got, "again") || !strings.Contains(got, "x.yaml:2: name: taken") {
		t.Errorf("got:\n%s", got)
	}
}

// TestBrokenScenarioIsReturned: what Load cannot read has its default, so that
// a caller can look for problems of its own.
func TestBrokenScenarioIsReturned(t *testing.T) {
	s, err := load(t, "workload: {trials: x}\nexperiments:\n  - name: a\n    bypass:\n      cases: [A01, 5, Z99]")
	if err == nil || s == nil {
		t.Fatalf("got %v, %v", s, err)
	}
	cases := s.Experiments[0].Bypass.Cases
	if len(cases) != 3 || cases[1] != "" || cases[2] != "Z99" {
		t.Errorf("cases are %q: indexes must fit the file", cases)
	}
}
