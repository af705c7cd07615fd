package scenarios

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestDefaults(t *testing.T) {
	s := mustLoad(t, "")
	got, err := json.MarshalIndent(s.Settings, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/defaults.json", string(got)+"\n")
	var back Settings
	if err := json.Unmarshal(got, &back); err != nil || fmt.Sprint(back) != fmt.Sprint(s.Settings) {
		t.Errorf("read back: %v, %v", back, err)
	}
	if fmt.Sprint(Defaults()) != fmt.Sprint(s.Settings) {
		t.Errorf("Defaults() is %v", Defaults())
	}
	if len(s.Experiments) != 1 || s.Experiments[0].Name != "" || s.Seed != 1 || s.Name != "x" || len(s.Experiments[0].Cells()) != 1 {
		t.Errorf("got %+v", s)
	}
}

func TestTrialsFollowTheMode(t *testing.T) {
	for content, want := range map[string]int{
		"workload: {mode: requests}":              1,
		"workload: {mode: handshakes}":            8,
		"workload: {mode: handshakes, trials: 3}": 3,
	} {
		if got := mustLoad(t, content).Experiments[0].Cells()[0].Workload.Trials; got != want {
			t.Errorf("%s: %d trials, want %d", content, got, want)
		}
	}
}

// layered writes the concurrency and the strategies in every layer.
const layered = `
workload: {concurrency: 2}
origin: {strategies: [allowlist, header]}
experiments:
  - name: inherits
  - name: overlays
    workload: {concurrency: 3}
    origin: {strategies: [mtls]}
  - name: axis
    workload: {concurrency: 3}
    compare: [{axis: workload.concurrency, values: [4]}]
`

func TestPrecedence(t *testing.T) {
	tests := []struct {
		name string
		set  []string
		want string
	}{
		{"file", nil, "2 allowlist+header, 3 mtls, 4 allowlist+header"},
		{"set of a list replaces it everywhere", []string{"origin.strategies=[header]"}, "2 header, 3 header, 4 header"},
		{"set of an empty list", []string{"origin.strategies=[]"}, "2 none, 3 none, 4 none"},
		{"set of one experiment", []string{"experiments.overlays.workload.concurrency=9"}, "2 allowlist+header, 9 mtls, 4 allowlist+header"},
		{"the later set wins", []string{"experiments.inherits.origin.strategies=[]", "origin={strategies: [mtls]}"}, "2 mtls, 3 mtls, 4 mtls"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := mustLoad(t, layered, test.set...)
			var got []string
			for _, e := range s.Experiments {
				for _, cell := range e.Cells() {
					strategies, _ := cell.Value("origin.strategies")
					got = append(got, fmt.Sprintf("%d %s", cell.Workload.Concurrency, strategies))
				}
			}
			if strings.Join(got, ", ") != test.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), test.want)
			}
		})
	}
}

func TestSetNeedsNoQuotes(t *testing.T) {
	s := mustLoad(t, "bypass: {cases: [A01]}\nexpect: [\"a == 1\"]",
		"edge.tls.version=1.2", "bypass.tls=[1.3]", "name=007", "seed=0x10", "origin.response.cacheControl=", "expect=[]", "edge.cache.capacity=1MiB")
	e := s.Experiments[0]
	if e.Edge.TLS.Version != "1.2" || e.Bypass.TLS[0] != "1.3" || s.Name != "007" || s.Seed != 16 ||
		e.Origin.Response.CacheControl != "" || len(e.Expect) != 0 || e.Edge.Cache.Capacity != 1<<20 {
		t.Errorf("got %+v", e)
	}
	if len(e.Bypass.Strategies) != 3 || e.Bypass.Cases[0] != "A01" {
		t.Errorf("a --set changed its neighbours: %+v", e.Bypass)
	}
}

func TestSetProblems(t *testing.T) {
	const content = "experiments:\n  - name: a\n    compare:\n      - {axis: edge.tls.version, values: [\"1.2\", \"1.3\"]}\n" +
		"      - {axis: auth, values: [{name: open, set: {origin.strategies: []}}, {name: asis}]}\n"
	tests := []struct{ set, want string }{
		{"seed", "--set seed: is not of the form path=value; write for example workload.duration=10s"},
		{"origin.header.nam=x", "--set origin.header.nam=x: origin.header.nam: is an unknown key; did you mean name? Known here: name"},
		{"workload.trials=0", "--set workload.trials=0: workload.trials: 0 is less than 1; choose a value from 1 to 1000"},
		{"seed=[", "--set seed=[: seed: the value is not YAML: did not find expected node content; correct the syntax here or just above"},
		{"version=1", "--set version=1: version: cannot be set here; change it in the file (one experiment's settings are experiments.NAME.path)"},
		{"bypass.cases=[A01]", "--set bypass.cases=[A01]: bypass.cases: there is no bypass at the top level; one experiment's is experiments.NAME.bypass"},
		{"experiments.b.seed=1", `--set experiments.b.seed=1: experiments: experiment "b" is not known; did you mean a? Known: a`},
		{"experiments.a.name=b", "--set experiments.a.name=b: experiments[0].name: cannot be set; change it in the file"},
		{"experiments.a.bypass.cases=[A01]", `--set experiments.a.bypass.cases=[A01]: experiments[0].bypass: experiment "a" has no bypass; change it in the file`},
		{"edge.tls.version=1.2", `--set edge.tls.version=1.2: edge.tls.version: is set by an axis of experiment "a", which would win; remove the --set or change the axis`},
		{"edge={tls: {version: 1.2}}", `--set edge={tls: {version: 1.2}}: edge.tls.version: is set by an axis of experiment "a", which would win; remove the --set or change the axis`},
		{"experiments.a.origin.strategies=[]", `--set experiments.a.origin.strategies=[]: origin.strategies: is set by an axis of experiment "a", which would win; remove the --set or change the axis`},
		{"workload.warmup=6s", "--set workload.warmup=6s: experiments[0].workload.warmup: the warm-up (6s) must be shorter than the duration (5s); shorten it or measure longer"},
	}
	for _, test := range tests {
		if _, err := load(t, content, test.set); err == nil || err.Error() != test.want {
			t.Errorf("\ngot  %v\nwant %s", err, test.want)
		}
	}
}

func TestSetProblemsComeLast(t *testing.T) {
	_, err := load(t, "seed: x", "link.kind=tin")
	want := "x.yaml:2: seed: the text \"x\" stands here, but a whole number is expected\n" +
		"--set link.kind=tin: link.kind: \"tin\" is not known; did you mean tun? Known: direct, netstack, model, tun"
	if err == nil || err.Error() != want {
		t.Errorf("\ngot  %v\nwant %s", err, want)
	}
}

func TestCells(t *testing.T) {
	s := mustLoad(t, `
compare:
  - axis: origin.strategies
    values: [[], [allowlist, mtls]]
  - axis: edge
    values:
      - {name: cold, set: {edge.pool.reuse: false, edge.cache.capacity: 0}}
      - {name: pool-cache, set: {edge.cache.capacity: 64MiB}}
  - {axis: edge.pool.idleTimeout, values: [60s]}
`)
	var got []string
	for _, cell := range s.Experiments[0].Cells() {
		got = append(got, fmt.Sprint(cell.Axes, len(cell.Origin.Strategies), cell.Edge.Pool.Reuse, cell.Edge.Cache.Capacity, cell.Edge.Pool.IdleTimeout))
	}
	want := []string{
		"[{origin.strategies none} {edge cold} {edge.pool.idleTimeout 1m}] 0 false 0B 1m",
		"[{origin.strategies none} {edge pool-cache} {edge.pool.idleTimeout 1m}] 0 true 64MiB 1m",
		"[{origin.strategies allowlist+mtls} {edge cold} {edge.pool.idleTimeout 1m}] 2 false 0B 1m",
		"[{origin.strategies allowlist+mtls} {edge pool-cache} {edge.pool.idleTimeout 1m}] 2 true 64MiB 1m",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s", strings.Join(got, "\n"))
	}
}

func TestAxisProblems(t *testing.T) {
	tests := []struct{ axis, want string }{
		{"{axis: edge.pool, values: [1]}", "[0].axis: edge.pool is a group of settings, not one of them. An axis is the path of a setting, or a name of your own whose values are {name, set}"},
		{"{axis: speed, values: [fast]}", "[0].axis: speed is not a setting. An axis is the path of a setting, or a name of your own whose values are {name, set}"},
		{"{axis: role, values: [{name: a}]}", "[0].axis: role is what selectors call the kind of an arm; choose another name"},
		{"{axis: workload.trials, values: [1, 2]}", "[0].axis: workload.trials belongs to a whole experiment, so arms cannot differ in it; make one experiment per value"},
		{"{axis: edge.tls.version, values: [\"1.4\"]}", `[0].values[0]: "1.4" is not known; did you mean 1.2? Known: 1.2, 1.3`},
		{"{axis: edge.pool.maxConnections, values: [1, 0x1]}", "[0].values[1]: value 1 stands twice in this axis; remove one of them"},
		{"{axis: origin.response.cacheControl, values: [no-store, \"max-age=1\"]}", `[0].values[1]: "max-age=1" cannot be part of an arm's name; use an axis with a name of your own and name the value: {name: short, set: {origin.response.cacheControl: …}}`},
		{"{axis: edge.tls.version, values: [\"1.2\"]}, {axis: edge.tls.version, values: [\"1.3\"]}", "[1].axis: axis edge.tls.version stands twice; put all values into one"},
		{"{axis: edge.tls.version, values: [\"1.2\"]}, {axis: v, values: [{name: a, set: {edge.tls.version: \"1.3\"}}]}", "[1]: axes edge.tls.version and v both set edge.tls.version; let one of them do it"},
		{"{axis: v, values: [{set: {edge.tls.version: \"1.3\"}}]}", "[0].values[0].name: is missing and must be given. What arms are named by."},
		{"{axis: v, values: [{name: a, set: {edge.tls.verson: \"1.3\"}}]}", "[0].values[0].set.edge.tls.verson: is not a setting; did you mean edge.tls.version?"},
		{"{axis: v, values: [{name: a, set: {edge.tls: {}}}]}", "[0].values[0].set.edge.tls: is a group of settings; write the full path of each, such as edge.tls.version"},
		{"{axis: v, values: [{name: a, set: {workload.mode: requests}}]}", "[0].values[0].set.workload.mode: belongs to a whole experiment, so arms cannot differ in it; make one experiment per value"},
		{"{axis: v, values: [{name: \"a=b\"}]}", `[0].values[0].name: "a=b" does not fit; a name of letters, digits, - _ + and . (at most 64) is expected`},
		{"{axis: v, values: []}", "[0].values: is an empty list; give at least one element or remove the key"},
		{"{values: [1]}", "[0].axis: is missing and must be given. The path of a setting, such as edge.tls.version, or a name of your own when every value has a name."},
		{"{axis: edge.tls.version, values: [null]}", "[0].values[0]: nothing stands here, but text is expected; write a value or remove the key"},
	}
	for _, test := range tests {
		_, err := load(t, "compare: ["+test.axis+"]")
		if want := "x.yaml:2: compare" + test.want; err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", test.axis, err, want)
		}
	}
}

func TestTooManyArms(t *testing.T) {
	var values []string
	for i := range 17 {
		values = append(values, fmt.Sprint(i+1))
	}
	list := strings.Join(values, ", ")
	content := "compare: [{axis: edge.pool.maxConnections, values: [" + list + "]}, {axis: workload.concurrency, values: [%s]}]"
	if cells := mustLoad(t, fmt.Sprintf(content, "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15")).Experiments[0].Cells(); len(cells) != 255 {
		t.Errorf("%d cells, want 255", len(cells))
	}
	_, err := load(t, fmt.Sprintf(content, list))
	if err == nil || err.Error() != "x.yaml:2: compare: the axes combine to more than 256 arms; remove values, or make several experiments" {
		t.Errorf("got %v", err)
	}
}

func TestInheritedRate(t *testing.T) {
	s := mustLoad(t, `
workload: {arrivals: {model: poisson, rate: 30/m}}
experiments:
  - {name: inherits}
  - {name: closes, workload: {arrivals: {model: closed}}}
  - {name: compares, compare: [{axis: workload.arrivals.model, values: [closed, constant]}]}
`)
	var got []string
	for _, e := range s.Experiments {
		for _, cell := range e.Cells() {
			got = append(got, cell.Workload.Arrivals.Rate.String())
		}
	}
	if strings.Join(got, " ") != "0.5/s 0/s 0/s 0.5/s" {
		t.Errorf("rates are %v", got)
	}
	_, err := load(t, "workload: {arrivals: {rate: 5/s}}\nexperiments: [{name: a}, {name: b}, {name: c, workload: {arrivals: {model: poisson}}}]")
	if err == nil || err.Error() != "x.yaml:2: workload.arrivals.rate: a rate needs an open model, but arrivals are closed; add model: poisson (or constant), or remove the rate" {
		t.Errorf("want it once, where it was written; got %v", err)
	}
}

func TestAnchors(t *testing.T) {
	s := mustLoad(t, `
experiments:
  - name: a
    workload: &w {concurrency: 7, trials: 2}
    origin: {strategies: &s [header]}
  - name: b
    workload: {<<: *w, trials: 3}
    origin: {strategies: *s}
`)
	b := s.Experiments[1]
	if b.Workload.Concurrency != 7 || b.Workload.Trials != 3 || b.Origin.Strategies[0] != "header" || s.Experiments[0].Workload.Trials != 2 {
		t.Errorf("got %+v", b.Settings)
	}
}

func TestPosition(t *testing.T) {
	s := mustLoad(t, `edge:
  tls:
    version: "1.2"
experiments:
  - name: a
    expect:
      - "handshake.failed == 0"
  - name: b
    workload:
      trials: 2
    bypass:
      cases:
        - A01
        - A02
        - Z99
`, "link.kind=direct", "experiments.b.bypass.tls=[1.3]")
	tests := []struct {
		path, file string
		line       int
	}{
		{"experiments[1].bypass.cases[2]", "x.yaml", 16},
		{"experiments[1].bypass.cases[7]", "x.yaml", 13}, // its list
		{"experiments[1].bypass", "x.yaml", 12},
		{"experiments[0].expect[0]", "x.yaml", 8},
		{"experiments[0].edge.tls.version", "x.yaml", 4}, // inherited
		{"experiments[0].edge.tls.group", "x.yaml", 3},   // a default: where it would be inherited from
		{"experiments[1].workload.block", "x.yaml", 10},
		{"experiments[1].link.kind", "--set link.kind=direct", 0},
		{"experiments[1].bypass.tls[0]", "--set experiments.b.bypass.tls=[1.3]", 0},
		{"origin.server", "x.yaml", 1},
		{"no.such[3].path", "x.yaml", 1},
	}
	for _, test := range tests {
		if file, line := s.Position(test.path); file != test.file || line != test.line {
			t.Errorf("%s is at %s:%d, want %s:%d", test.path, file, line, test.file, test.line)
		}
	}
	if rule := s.Experiments[0].Expect[0]; rule.Path != "experiments[0].expect[0]" || rule.Text != "handshake.failed == 0" {
		t.Errorf("got %+v", rule)
	}
}

func TestDigest(t *testing.T) {
	base := mustLoad(t, "name: a\nseed: 1").Digest
	if !strings.HasPrefix(base, "sha256:") || len(base) != 7+64 {
		t.Errorf("digest is %q", base)
	}
	if other := mustLoad(t, "# a comment\nseed: 1\ntitle: words\nname: \"a\"\nedge: {tls: {version: \"1.3\"}}").Digest; other != base {
		t.Error("comments, titles and written defaults change the digest")
	}
	if mustLoad(t, "name: a", "seed=2").Digest == base {
		t.Error("--set does not change the digest")
	}
	if mustLoad(t, "name: a\ncompare: [{axis: edge.tls.version, values: [\"1.2\"]}]").Digest == base {
		t.Error("an axis does not change the digest")
	}
}
