package sim

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/scenarios"
)

// cacheArm is an arm whose hit ratio has a closed form, and a run of 2 s after
// 1 s with 1,000 viewers a second.
func cacheArm(change func(*scenarios.Settings)) (*Experiment, *Arm) {
	a := &Arm{Settings: scenarios.Defaults()}
	s := &a.Settings
	s.Edge.Cache.Capacity = 1 << 20
	s.Workload.Objects = scenarios.Objects{Model: "zipf", Alpha: 0.9, Count: 500}
	s.Origin.Response.CacheControl = "max-age=60"
	if change != nil {
		change(s)
	}
	return &Experiment{Warmup: 1, Block: 2, Trials: 1, Kind: Requests}, a
}

func predicted(change func(*scenarios.Settings), held cached) map[string]float64 {
	x, a := cacheArm(change)
	m := map[string]float64{"requests.count": 2000, "cache.hit.ratio": 0.5, "origin.offload": 0.5}
	predictCache(x, a, held, 1000, m)
	return m
}

func TestCacheIsPredicted(t *testing.T) {
	shares := cache.Zipf(500, 0.9)
	rates := func(perSecond float64) []float64 {
		out := make([]float64, len(shares))
		for i := range out {
			out[i] = shares[i] * perSecond
		}
		return out
	}
	soon := func(s *scenarios.Settings) { s.Origin.Response.CacheControl = "max-age=2" }
	shielded := func(capacity scenarios.ByteSize) func(*scenarios.Settings) {
		return func(s *scenarios.Settings) {
			s.Edge.Pops.Count = 4
			s.Edge.Shield = scenarios.Shield{Enabled: true, Age: true, Capacity: capacity}
		}
	}
	full := cached{entries: 50, evicted: 9}
	lruTTL, _ := cache.HitLRUTTL(rates(1000), 50, 2)
	for name, c := range map[string]struct {
		change       func(*scenarios.Settings)
		held         cached
		hit, offload float64
	}{
		"lru":              {nil, full, cache.HitLRU(shares, 50), cache.HitLRU(shares, 50)},
		"fifo":             {func(s *scenarios.Settings) { s.Edge.Cache.Policy = "fifo" }, full, cache.HitFIFO(shares, 50), cache.HitFIFO(shares, 50)},
		"lifetime":         {soon, cached{entries: 400}, cache.HitTTL(rates(1000), 2), cache.HitTTL(rates(1000), 2)},
		"lru and lifetime": {soon, full, lruTTL, lruTTL},
		"4 points": {
			func(s *scenarios.Settings) { soon(s); s.Edge.Pops.Count = 4 },
			cached{entries: 400},
			cache.HitTTL(rates(250), 2), cache.HitTTL(rates(250), 2),
		},
		"a shield": {
			func(s *scenarios.Settings) { soon(s); shielded(1 << 20)(s) },
			cached{entries: 400, shield: 500},
			cache.HitTTLShield(rates(1000), 2, 4), 1 - cache.OriginShare(rates(1000), 2, 4, true),
		},
		"a full shield":            {shielded(1 << 20), cached{entries: 50, evicted: 9, shield: 200, shieldEvicted: 9}, cache.HitLRU(shares, 50), 1 - cache.OriginShareShieldLRU(shares, 50, 200)},
		"a shield without a cache": {shielded(0), full, cache.HitLRU(shares, 50), cache.HitLRU(shares, 50)},
	} {
		m := predicted(c.change, c.held)
		if math.Abs(m["cache.hit.predicted"]-c.hit) > 1e-9 || math.Abs(m["cache.hit.deviation"]-math.Abs(c.hit-0.5)) > 1e-9 {
			t.Errorf("%s: hit ratio %v, want %.6f", name, m, c.hit)
		}
		if math.Abs(m["origin.offload.predicted"]-c.offload) > 1e-9 {
			t.Errorf("%s: offload %v, want %.6f", name, m, c.offload)
		}
	}
}

func TestNoCacheIsPredictedBeyondTheory(t *testing.T) {
	for name, change := range map[string]func(*scenarios.Settings){
		"another policy": func(s *scenarios.Settings) { s.Edge.Cache.Policy = "sieve" },
		"a trace":        func(s *scenarios.Settings) { s.Workload.Objects.Model = "trace" },
		"one hits":       func(s *scenarios.Settings) { s.Workload.Objects.OneHit = 0.1 },
		"uncacheable":    func(s *scenarios.Settings) { s.Origin.Response.Cacheable = 0.9 },
		"lifetimes":      func(s *scenarios.Settings) { s.Origin.Response.Lifetimes = []scenarios.Lifetime{{Share: 1}} },
		"sizes":          func(s *scenarios.Settings) { s.Origin.Response.Sizes = scenarios.Sizes{Median: 1, P90: 2} },
		"more directives": func(s *scenarios.Settings) {
			s.Origin.Response.CacheControl = "max-age=60, stale-while-revalidate=5"
		},
		"a shield that hides its age": func(s *scenarios.Settings) { s.Edge.Shield = scenarios.Shield{Enabled: true} },
	} {
		if m := predicted(change, cached{entries: 50, evicted: 9}); len(m) != 3 {
			t.Errorf("%s: %v", name, m)
		}
	}
	if m := predicted(nil, cached{entries: 400}); len(m) != 3 {
		t.Errorf("a cache that only fills: %v", m)
	}
}

// TestPoliciesOfScenarios: what the document allows is what there is.
func TestPoliciesOfScenarios(t *testing.T) {
	field, _ := reflect.TypeFor[scenarios.Cache]().FieldByName("Policy")
	if got, want := field.Tag.Get("enum"), strings.Join(cache.Policies(), ","); got != want {
		t.Errorf("edge.cache.policy allows %s, want %s", got, want)
	}
}
