package scenarios

import (
	"fmt"
	"slices"
	"time"
)

// objectsWrong says what is wrong with what tells the origin's objects apart,
// or "".
func objectsWrong(s *Settings) string {
	r := &s.Origin.Response
	if s.Origin.Server != "builtin" && (r.Cacheable != 1 || len(r.Lifetimes) > 0 || r.Sizes != (Sizes{})) {
		return s.Origin.Server + " serves one file, and its objects do not differ; remove cacheable, lifetimes and sizes, or use server: builtin"
	}
	total := 0.0
	for i, l := range r.Lifetimes {
		if time.Duration(l.MaxAge)%time.Second != 0 {
			return fmt.Sprintf("lifetime %d is %s, but max-age counts whole seconds; round it", i+1, l.MaxAge)
		}
		total += l.Share
	}
	if total > 1+1e-9 {
		return fmt.Sprintf("the shares of the lifetimes are %g together; make them at most 1", total)
	}
	switch sizes := r.Sizes; {
	case sizes == (Sizes{}):
	case sizes.Median == 0 || sizes.P90 <= sizes.Median:
		return "sizes are drawn by their median and p90; give both, the p90 above the median"
	case sizes.Max > 0 && sizes.Max < sizes.Median:
		return fmt.Sprintf("the largest size is %s, but half of the objects are to be larger than %s; raise max", sizes.Max, sizes.Median)
	}
	return ""
}

// refusalWrong says why the origin cannot come to refuse the edge, or "".
func refusalWrong(s *Settings) string {
	switch o := &s.Origin; {
	case o.RefusesAfter == 0:
		return ""
	case o.Server != "builtin" || s.Link.Distant():
		return "only the built-in origin, on a direct link, changes what it trusts in the middle of a block; use server: builtin and no link, or remove refusesAfter"
	case !slices.Contains(o.Strategies, "mtls"):
		return "an origin without the mtls strategy has no certificate to refuse; add mtls, or remove refusesAfter"
	case s.Workload.Mode != "requests":
		return "every handshake would fail from then on; use mode: requests, or remove refusesAfter"
	case o.RefusesAfter >= s.Workload.Duration:
		return fmt.Sprintf("the block is over after %s; refuse earlier, or raise workload.duration", s.Workload.Duration)
	}
	return ""
}

// requestsWrong says why a number of requests cannot be measured, or "".
func requestsWrong(s *Settings) string {
	switch w := &s.Workload; {
	case w.Requests == 0 && w.WarmupRequests > 0:
		return "warmupRequests belong to a number of requests; add requests, or warm up for a time (warmup)"
	case w.Requests == 0:
		return ""
	case w.Mode != "requests":
		return "handshakes are measured for a time, or in pairs of blocks; use mode: requests, or remove requests"
	case w.Arrivals.Open():
		return "arrivals at a rate go by time; use arrivals: {model: closed}, or remove requests"
	case w.Concurrency != 1:
		return fmt.Sprintf("%d viewers at once ask in an order that no two runs share; use concurrency: 1, or remove requests", w.Concurrency)
	}
	return ""
}
