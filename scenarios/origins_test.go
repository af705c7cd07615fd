package scenarios

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
)

const threeOrigins = `origin: {server: builtin, strategies: [mtls], response: {size: 2KiB}}
edge: {preset: none, tls: {version: "1.3"}, pool: {idleTimeout: 7s}}
origins:
  - {name: api, match: {path: /api/*}, share: 0.5, origin: {strategies: [header]}}
  - name: static
    match: {host: static.example}
    origin: {server: nginx, mtls: {pin: none}}
    edge: {tls: {version: "1.2"}, pool: {maxConnections: 3}}
  - {name: rest}
`

func TestOriginsInherit(t *testing.T) {
	s := mustLoad(t, threeOrigins+"compare: [{axis: edge.pool.idleTimeout, values: [1s, 2s]}, {axis: origin.response.size, values: [1KiB, 4KiB]}]\n")
	cells := s.Experiments[0].Cells()
	if len(cells) != 4 {
		t.Fatalf("%d cells", len(cells))
	}
	for i, want := range []map[string]string{
		{"origin.strategies": "header", "origin.server": "builtin", "edge.tls.version": "1.3", "edge.pool.maxConnections": "64"},
		{"origin.strategies": "mtls", "origin.server": "nginx", "origin.mtls.pin": "none", "edge.tls.version": "1.2", "edge.pool.maxConnections": "3"},
		{"origin.strategies": "mtls", "origin.server": "builtin", "origin.mtls.pin": "san", "edge.tls.version": "1.3", "edge.pool.maxConnections": "64"},
	} {
		want["edge.pool.idleTimeout"], want["origin.response.size"], want["origins"] = "2s", "4KiB", "none"
		at := cells[3].At(i)
		for path, value := range want {
			if got, _ := at.Value(path); got != value {
				t.Errorf("origin %d: %s is %s, want %s", i, path, got, value)
			}
		}
		if share := cells[3].Origins[i].Share; share != []float64{0.5, 0.25, 0.25}[i] {
			t.Errorf("origin %d has the share %v", i, share)
		}
	}
	if first := cells[0].At(0); first.Origin.Response.Size != 1<<10 || first.Edge.Pool.IdleTimeout != 1e9 {
		t.Error("the cells share their origins")
	}
	if v, _ := s.Experiments[0].Value("origins"); v != "api+static+rest" {
		t.Errorf("shown as %s", v)
	}
}

// TestOriginsSurviveJSON: a worker gets them by a plan.
func TestOriginsSurviveJSON(t *testing.T) {
	s := mustLoad(t, threeOrigins)
	text, err := json.Marshal(s.Settings)
	if err != nil {
		t.Fatal(err)
	}
	var back Settings
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	for i := range s.Origins {
		if a, b := s.At(i), back.At(i); !reflect.DeepEqual(a, b) {
			t.Errorf("%+v became %+v", a, b)
		}
	}
	if text, err := json.Marshal(Defaults()); err != nil || strings.Contains(string(text), "origins") {
		t.Errorf("one origin is written as %s, %v", text, err)
	}
}

func TestOriginsOverlay(t *testing.T) {
	s := mustLoad(t, threeOrigins+"experiments:\n  - {name: same}\n  - {name: one, origins: []}\n  - {name: other, origins: [{name: x, match: {path: /x/*}}, {name: y}]}\n")
	for i, want := range []string{"api+static+rest", "none", "x+y"} {
		if got, _ := s.Experiments[i].Value("origins"); got != want {
			t.Errorf("experiment %d has %s, want %s", i, got, want)
		}
	}
	if x := s.Experiments[2].Cells()[0].At(0); x.Origin.Response.Size != 2<<10 || x.Edge.Pool.MaxConnections != 64 || s.Experiments[2].Cells()[0].Origins[1].Share != 0.5 {
		t.Errorf("%+v", x)
	}
	s = mustLoad(t, threeOrigins, "origins=[{name: a, match: {path: /a/*}}, {name: b, edge: {protocol: h2}}]", "origin.response.size=8KiB")
	if got, _ := s.Experiments[0].Value("origins"); got != "a+b" {
		t.Errorf("--set leaves %s", got)
	}
	cell := s.Experiments[0].Cells()[0]
	if a, b := cell.At(0), cell.At(1); a.Origin.Strategies[0] != "mtls" || a.Edge.Protocol != "h1" || b.Edge.Protocol != "h2" || b.Edge.TLS.Version != "1.3" || b.Origin.Response.Size != 8<<10 {
		t.Errorf("--set leaves %+v, %+v", a, b)
	}
	s = mustLoad(t, "compare:\n  - axis: how\n    values: [{name: one}, {name: two, set: {origins: [{name: a, match: {path: /a/*}}, {name: b}]}}]\n")
	for i, want := range []int{0, 2} {
		if got := len(s.Experiments[0].Cells()[i].Origins); got != want {
			t.Errorf("cell %d has %d origins", i, got)
		}
	}
}

func TestWrongOriginsAreRefused(t *testing.T) {
	const two = "origins:\n  - {name: a, match: {path: /a/*}}\n  - {name: b}\n"
	for _, c := range []struct{ name, content, want string }{
		{"no name", "origins:\n  - {match: {path: /a/*}}\n  - {name: b}\n", "x.yaml:3: origins[0].name: is missing"},
		{"name", "origins:\n  - {name: A_b}\n", `x.yaml:3: origins[0].name: "A_b" does not fit; a name of small letters`},
		{"twice", "origins:\n  - {name: a, match: {path: /a/*}}\n  - {name: a}\n", `x.yaml:4: origins[1].name: "a" stands twice in this list`},
		{"unknown key", "origins:\n  - {name: a, edge: {cache: {}}}\n", "x.yaml:3: origins[0].edge.cache: is an unknown key"},
		{"path", "origins:\n  - {name: a, match: {path: /a}}\n  - {name: b}\n", `x.yaml:3: origins[0].match.path: "/a" does not fit; a path that ends in /*`},
		{"dots", "origins:\n  - {name: a, match: {path: /../*}}\n  - {name: b}\n", `x.yaml:3: origins[0].match.path: "/../*" does not fit`},
		{"host", "origins:\n  - {name: a, match: {host: \"Static.example\"}}\n  - {name: b}\n", `x.yaml:3: origins[0].match.host: "Static.example" does not fit; a host's name in small letters`},
		{"no catch-all", "origins:\n  - {name: a, match: {path: /a/*}}\n", "x.yaml:3: origins[0].match: a request that meets no rule would have no origin"},
		{"catch-all first", "origins:\n  - {name: a}\n  - {name: b}\n", "x.yaml:3: origins[0]: an origin without match takes every request"},
		{"shares", "origins:\n  - {name: a, share: 0.7, match: {path: /a/*}}\n  - {name: b, share: 0.4}\n", "x.yaml:2: origins: the shares are 1.1 together, and must be 1"},
		{"nothing left", "origins:\n  - {name: a, share: 1, match: {path: /a/*}}\n  - {name: b}\n", "x.yaml:2: origins: the shares are 1 together, and must be 1 with something for every origin"},
		{"no share", "origins:\n  - {name: a, share: 0, match: {path: /a/*}}\n  - {name: b}\n", "x.yaml:3: origins[0].share: 0 is less than 0.001"},
		{"handshakes", two + "workload: {mode: handshakes}\n", "x.yaml:2: origins: a handshake is one origin's; use mode: requests, or write origins: []"},
		{"bypass", two + "bypass: {cases: [A01]}\n", "x.yaml:2: origins: attempts to bypass the edge meet one origin at a time; write origins: []"},
		{"bypass of an experiment", two + "experiments:\n  - {name: b, bypass: {cases: [A01]}}\n", "x.yaml:2: origins: attempts"},
		{"distance", two + "link: {rtt: 20ms}\n", "x.yaml:2: origins: several origins are reached over loopback only"},
		{"refusal", "origins:\n  - {name: a, match: {path: /a/*}, origin: {refusesAfter: 1s}}\n  - {name: b}\n", "x.yaml:3: origins[0].origin.refusesAfter: only an origin that is alone"},
		{"plant", two + "origin: {plant: {cpu: 0.1}}\n", "x.yaml:3: origins[0].origin.plant: CPU is planted on one origin"},
		{"plant at the edge", two + "edge: {plant: {cpu: 0.1}}\n", "x.yaml:2: origins: CPU is planted on one origin"},
		{"contradiction", "origins:\n  - name: a\n    match: {path: /a/*}\n    edge:\n      protocol: h3\n      tls:\n        version: \"1.2\"\n  - {name: b}\n", "x.yaml:6: origins[0].edge.protocol: h3 runs over QUIC, which has no TLS 1.2"},
		{"contradiction with what is inherited", "edge: {tls: {version: \"1.2\"}}\norigins:\n  - name: a\n    match: {path: /a/*}\n    edge:\n      protocol: h3\n  - {name: b}\n", "x.yaml:7: origins[0].edge.protocol: h3 runs over QUIC"},
		{"in a group", "origins:\n  - name: a\n    match: {path: /a/*}\n    origin:\n      server: nginx\n      response:\n        cacheable: 0.5\n  - {name: b}\n", "nginx serves one file, and its objects do not differ"},
		{"the axis origin", two + "compare: [{axis: origin, values: [{name: x}, {name: y}]}]\n", "origin is what selectors call one of several"},
	} {
		_, err := load(t, c.content)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		} else if n := strings.Count(err.Error(), "\n"); n > 0 && c.name != "no catch-all" {
			t.Errorf("%s: %d problems more: %v", c.name, n, err)
		}
	}
	many := "origins:\n"
	for i := range mostOrigins {
		many += "  - {name: a" + string(rune('a'+i)) + ", match: {path: /a" + string(rune('a'+i)) + "/*}}\n"
	}
	if _, err := load(t, many+"  - {name: rest}\n"); err == nil || !strings.Contains(err.Error(), "17 origins are more than 16") {
		t.Errorf("too many: %v", err)
	}
}

// TestOriginsNeedWhatTheirPresetLeavesOpen: also where only one of them has
// mtls, and the top level has not.
func TestOriginsNeedWhatTheirPresetLeavesOpen(t *testing.T) {
	preset := Preset{Name: "near", Values: []PresetValue{{Path: "edge.identity", Unknown: true}, {Path: "edge.pool.maxAge", Value: "9s"}}}
	read := func(content string) (*Scenario, error) {
		return Load(Source{File: "x.yaml", Content: []byte("version: 1\n" + content), Presets: []Preset{preset}})
	}
	const top = "edge: {preset: near}\norigin: {strategies: []}\norigins:\n  - {name: a, match: {path: /a/*}, edge: {pool: {maxAge: 3s}}}\n"
	s, err := read(top + "  - {name: b}\n")
	if err != nil {
		t.Fatal(err)
	}
	if cell := s.Experiments[0].Cells()[0]; cell.At(0).Edge.Pool.MaxAge != 3e9 || cell.At(1).Edge.Pool.MaxAge != 9e9 {
		t.Errorf("%+v", cell.Origins)
	}
	if _, err = read(top + "  - {name: b, origin: {strategies: [mtls]}}\n"); err == nil || !strings.Contains(err.Error(), "nobody documents edge.identity") {
		t.Errorf("a dependence of one origin: %v", err)
	}
	if _, err = read(top + "  - {name: b, origin: {strategies: [mtls]}, edge: {identity: zone}}\n"); err != nil {
		t.Error(err)
	}
}

func TestSharesAddUp(t *testing.T) {
	s := mustLoad(t, "origins:\n  - {name: a, share: 0.3, match: {path: /a/*}}\n  - {name: b, share: 0.3, match: {path: /b/*}}\n  - {name: c, match: {path: /c/*}}\n  - {name: d}\n")
	sum := 0.0
	for _, o := range s.Origins {
		sum += o.Share
	}
	if math.Abs(sum-1) > 1e-9 || math.Abs(s.Origins[3].Share-0.2) > 1e-9 {
		t.Errorf("%v", s.Origins)
	}
}
