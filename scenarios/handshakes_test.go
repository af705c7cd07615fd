package scenarios

import (
	"strings"
	"testing"
)

// What handshakes mode cannot honour is refused where the experiment itself
// wrote it, and only there.
func TestHandshakesRefuseWhatTheyIgnore(t *testing.T) {
	const named = "version: 1\nexperiments:\n  - name: h\n    workload: {mode: handshakes}\n"
	for _, c := range []struct {
		name, text, set, want string
	}{
		{"plain", "version: 1\nworkload: {mode: handshakes}\n", "", ""},
		{"reuse", "version: 1\nworkload: {mode: handshakes}\nedge: {pool: {reuse: true}}\n", "", "x.yaml:3: edge.pool.reuse: true cannot be honoured in handshakes mode: every handshake needs a connection of its own; remove it, or use mode: requests"},
		{"no reuse", "version: 1\nworkload: {mode: handshakes}\nedge: {pool: {reuse: false}}\n", "", ""},
		{"limit", named + "    edge:\n      pool:\n        maxConnections: 3\n", "", "x.yaml:7: experiments[0].edge.pool.maxConnections: 3 cannot"},
		{"delay", named + "    origin: {response: {delay: 1ms}}\n", "", "x.yaml:5: experiments[0].origin.response.delay: 1ms cannot"},
		{"size", named + "    origin: {response: {size: 1KiB}}\n", "", "x.yaml:5: experiments[0].origin.response.size: 1KiB cannot"},
		{"objects", "version: 1\nworkload:\n  mode: handshakes\n  objects: {model: zipf}\n", "", "x.yaml:4: workload.objects.model: zipf cannot"},
		{"inherited", "version: 1\nedge: {pool: {reuse: true}}\nworkload: {objects: {model: zipf}}\nexperiments:\n  - name: h\n    workload: {mode: handshakes}\n", "", ""},
		{"axis", named + "    compare: [{axis: edge.pool.reuse, values: [false, true]}]\n", "", "x.yaml:5: experiments[0].compare[0].values[1]: true cannot"},
		{"axis value", named + "    compare:\n      - axis: a\n        values:\n          - {name: x}\n          - {name: y, set: {edge.cache.capacity: 1MiB}}\n", "", "x.yaml:9: experiments[0].compare[0].values[1].set.edge.cache.capacity: 1MiB cannot"},
		{"set for all", named, "edge.pool.reuse=true", ""},
		{"set for one", named, "experiments.h.edge.pool.reuse=true", "--set experiments.h.edge.pool.reuse=true: experiments[0].edge.pool.reuse: true cannot"},
		{"set unnamed", "version: 1\nworkload: {mode: handshakes}\n", "edge.pool.idleTimeout=1s", "--set edge.pool.idleTimeout=1s: edge.pool.idleTimeout: 1s cannot"},
		{"load", named, "experiments.h.workload.concurrency=9", ""},
		{"no rate", "version: 1\nworkload: {mode: handshakes, arrivals: {model: poisson}}\n", "", "x.yaml:2: workload.arrivals.model: poisson arrivals need a rate"},
		{"requests", "version: 1\nworkload: {mode: requests}\nedge: {pool: {reuse: true}}\n", "", ""},
	} {
		src := Source{File: "x.yaml", Content: []byte(c.text)}
		if c.set != "" {
			src.Set = []string{c.set}
		}
		_, err := Load(src)
		if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// Every setting that HandshakesOnly changes is one that is refused, and the
// other way round.
func TestHandshakesOnlyIsWhatIsRefused(t *testing.T) {
	s := Defaults()
	s.Edge.Cache.Capacity, s.Origin.Response.Delay = 1<<20, 1e6
	s.Workload.Method = "POST"
	s.Workload.Objects.Trace, s.Workload.Concurrency, s.Workload.Arrivals = "web07", 3, Arrivals{Model: "poisson", Rate: 3}
	s.Workload.Objects.OneHit, s.Origin.Response.Cacheable = 0.5, 0.5
	s.Origin.Response.Lifetimes, s.Origin.Response.Sizes = []Lifetime{{Share: 1}}, Sizes{1, 2, 3}
	only := s.HandshakesOnly()
	refused := map[string]bool{}
	for _, ignored := range handshakesIgnore {
		refused[ignored.path] = true
	}
	for _, path := range Paths(false) {
		before, _ := s.Value(path)
		if after, _ := only.Value(path); (before != after) != refused[path] {
			t.Errorf("%s: %s becomes %s, refused %v", path, before, after, refused[path])
		}
	}
}
