package scenarios

import (
	"fmt"
	"strings"
)

// netHTTPLacks are the settings that net/http's pool cannot honour, and what
// it does instead.
var netHTTPLacks = []struct{ path, instead string }{
	{"edge.pool.maxAge", "its connections have no maximum age"},
	{"edge.pool.maxUses", "its connections have no maximum of uses"},
	{"edge.pool.order", "it takes the connection used last"},
	{"edge.pool.prewarm", "it makes no connection beforehand"},
	{"edge.pool.maxWaiting", "any number of requests wait"},
	{"edge.pool.waitTimeout", "requests wait as long as their viewers do"},
	{"edge.pool.retries.attempts", "it decides by itself how often a request is sent"},
	{"edge.pool.retries.methods", "it sends GET, HEAD, OPTIONS and TRACE again, and nothing else"},
	{"edge.pool.circuit.failures", "it dials as often as it is asked"},
	{"edge.protocol", "it is simulated over h1"},
}

// poolKinds are what a kind of pool cannot do.
func poolKinds() []combination {
	paths := []string{}
	for _, lack := range netHTTPLacks {
		paths = append(paths, lack.path)
	}
	return []combination{
		{[]string{"edge.pool.maxIdle", "edge.pool.kind"}, func(s *Settings) string {
			if s.Edge.Pool.MaxIdle == 0 || s.Edge.Pool.Kind == "nethttp" {
				return ""
			}
			return "the own pool keeps every idle connection until its time is over; remove maxIdle, or choose kind: nethttp"
		}},
		{[]string{"edge.pool.kind", "workload.mode"}, func(s *Settings) string {
			if s.Edge.Pool.Kind != "nethttp" || s.Workload.Mode != "handshakes" {
				return ""
			}
			return "handshakes mode measures making connections, with no pool; remove kind: nethttp, or use mode: requests"
		}},
		{append(paths, "edge.pool.kind"), netHTTPRefuses},
	}
}

// netHTTPRefuses names all that net/http's pool cannot honour in one sentence.
func netHTTPRefuses(s *Settings) string {
	if s.Edge.Pool.Kind != "nethttp" {
		return ""
	}
	defaults := newDocument().Settings
	var refused []string
	for _, lack := range netHTTPLacks {
		value, _ := s.Value(lack.path)
		if usual, _ := defaults.Value(lack.path); value != usual {
			refused = append(refused, fmt.Sprintf("%s %s (%s)", lack.path, value, lack.instead))
		}
	}
	if len(refused) == 0 {
		return ""
	}
	return "the nethttp pool has no use for " + strings.Join(refused, ", ") + "; remove that, or choose kind: own"
}
