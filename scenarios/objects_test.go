package scenarios

import (
	"strings"
	"testing"
)

func TestObjects(t *testing.T) {
	for _, c := range []struct{ content, want string }{
		{"origin: {response: {cacheable: 0.9, lifetimes: [{share: 0.3, maxAge: 1h}], sizes: {median: 2700, p90: 16kB}}}", ""},
		{"workload: {objects: {oneHit: 0.5}}", ""},
		{"workload: {objects: {model: one, oneHit: 0.5}}", "objects asked for once belong to the zipf model, but the model is one"},
		{"origin: {server: nginx, mtls: {pin: none}, response: {cacheable: 0.9}}", "nginx serves one file"},
		{"origin: {response: {lifetimes: [{share: 0.3, maxAge: 1500ms}]}}", "lifetime 1 is 1.5s, but max-age counts whole seconds"},
		{"origin: {response: {lifetimes: [{share: 0.6, maxAge: 1s}, {share: 0.6, maxAge: 2s}]}}", "the shares of the lifetimes are 1.2 together"},
		{"origin: {response: {lifetimes: [{share: 0.6}]}}", "x.yaml:2: origin.response.lifetimes[0].maxAge: is missing"},
		{"origin: {response: {sizes: {median: 10}}}", "give both, the p90 above the median"},
		{"origin: {response: {sizes: {median: 10, p90: 20, max: 5}}}", "the largest size is 5B"},
		{"edge: {cache: {capacity: 1MiB, policy: arc}}", "edge.cache.policy"},
		{"origin: {refusesAfter: 2s}", ""},
		{"workload: {requests: 100, warmupRequests: 10}", ""},
		{"workload: {warmupRequests: 10}", "warmupRequests belong to a number of requests"},
		{"workload: {requests: 10, concurrency: 2}", "2 viewers at once ask in an order that no two runs share"},
		{"workload: {requests: 10, arrivals: {model: poisson, rate: 5/s}}", "arrivals at a rate go by time"},
		{"workload: {requests: 10, mode: handshakes}", "handshakes are measured for a time"},
		{"origin: {refusesAfter: 5s}", "the block is over after 5s"},
		{"origin: {refusesAfter: 2s, strategies: [header]}", "an origin without the mtls strategy has no certificate to refuse"},
		{"origin: {refusesAfter: 2s, server: nginx, mtls: {pin: none}}", "only the built-in origin"},
		{"origin: {refusesAfter: 2s}\nlink: {rtt: 10ms}", "only the built-in origin, on a direct link"},
		{"edge: {shield: {age: false}}", "a shield that hides the age of its answers needs a shield"},
	} {
		_, err := load(t, c.content)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.content, err, c.want)
		}
	}
}
