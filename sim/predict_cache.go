package sim

import (
	"math"
	"regexp"
	"strconv"

	"github.com/originpull/originpull/edge/cache"
)

// cached is what caches held when an experiment's trials ended, on average.
type cached struct {
	entries, evicted float64 // objects in one point of presence; objects that left, in all
	shield           float64 // objects in the shield
	shieldEvicted    float64
}

// cacheHeld averages over the trials that ended well.
func cacheHeld(a *Arm, trials []armTrial) cached {
	var held cached
	n := 0.0
	for _, t := range trials {
		if t.err != nil || t.edge == nil {
			continue
		}
		n++
		total := &t.edge.Total
		held.entries += float64(total.Cache.Entries) / float64(max(a.Settings.Edge.Pops.Count, 1))
		held.evicted += float64(total.Cache.Evicted)
		if total.Shield != nil {
			held.shield += float64(total.Shield.Entries)
			held.shieldEvicted += float64(total.Shield.Evicted)
		}
	}
	if n == 0 {
		return cached{}
	}
	return cached{held.entries / n, held.evicted / n, held.shield / n, held.shieldEvicted / n}
}

// predictCache adds what the closed forms of edge/cache say of an arm's hit
// ratio and offload, for the rate per second at which viewers really came and
// the objects that the caches really held: their capacity is in bytes. There is
// nothing where no form is known, or its assumptions do not hold.
func predictCache(x *Experiment, a *Arm, held cached, rate float64, m map[string]float64) {
	p, known := newPrediction(x, a, held, rate)
	if !known {
		return
	}
	hit, offload := p.predict()
	if !math.IsNaN(hit) {
		m["cache.hit.predicted"], m["cache.hit.deviation"] = hit, math.Abs(m["cache.hit.ratio"]-hit)
	}
	if !math.IsNaN(offload) {
		m["origin.offload.predicted"], m["origin.offload.deviation"] = offload, math.Abs(m["origin.offload"]-offload)
	}
}

// prediction is what the closed forms go by.
type prediction struct {
	policy   string
	points   int
	rates    []float64 // of the objects, per second, at one point of presence
	total    []float64 // at all of them
	ttl      float64   // seconds; infinite: nothing expired during the run
	capacity float64   // objects; infinite: nothing left for want of room
	shield   bool      // with a cache
	above    float64   // objects in the shield; infinite as above
}

var onlyMaxAge = regexp.MustCompile(`^max-age=([0-9]{1,9})$`)

// newPrediction says whether the load is what the forms are about: objects of
// one kind, asked for independently.
func newPrediction(x *Experiment, a *Arm, held cached, rate float64) (prediction, bool) {
	s := &a.Settings
	e, response, objects := &s.Edge, &s.Origin.Response, &s.Workload.Objects
	age := onlyMaxAge.FindStringSubmatch(response.CacheControl)
	alike := response.Cacheable == 1 && len(response.Lifetimes) == 0 && response.Sizes.Median == 0
	if objects.Model != "zipf" || objects.OneHit > 0 || age == nil || !alike || rate == 0 || e.Cache.Capacity == 0 || e.Cache.MaxObject > 0 {
		return prediction{}, false
	}
	if e.Shield.Enabled && !e.Shield.Age {
		return prediction{}, false
	}
	seconds, err := strconv.Atoi(age[1])
	if err != nil {
		return prediction{}, false
	}
	p := prediction{policy: e.Cache.Policy, points: max(e.Pops.Count, 1), ttl: float64(seconds), capacity: math.Inf(1), above: math.Inf(1)}
	if whole := x.Warmup + x.Block; p.ttl >= whole {
		p.ttl = math.Inf(1)
	}
	if held.evicted > 0 {
		p.capacity = held.entries
	}
	if p.shield = e.Shield.Enabled && e.Shield.Capacity > 0; p.shield && held.shieldEvicted > 0 {
		p.above = held.shield
	}
	p.total = cache.Zipf(objects.Count, objects.Alpha)
	p.rates = make([]float64, len(p.total))
	for i := range p.total {
		p.total[i] *= rate
		p.rates[i] = p.total[i] / float64(p.points)
	}
	return p, true
}

// predict returns the shares of viewers that a point of presence answers, and
// that never reach the origin; NaN where no form is known.
func (p *prediction) predict() (hit, offload float64) {
	none := math.NaN()
	expires, full, above := !math.IsInf(p.ttl, 1), !math.IsInf(p.capacity, 1), !math.IsInf(p.above, 1)
	switch {
	case !expires && !full: // it only ever fills
		return none, none
	case p.shield && expires && !full && !above:
		return cache.HitTTLShield(p.total, p.ttl, p.points), 1 - cache.OriginShare(p.total, p.ttl, p.points, true)
	case p.shield && expires: // answers of the shield are of any age
		return none, none
	}
	switch {
	case expires && !full:
		hit = cache.HitTTL(p.rates, p.ttl)
	case p.policy == "lru" && expires:
		hit, _ = cache.HitLRUTTL(p.rates, p.capacity, p.ttl)
	case p.policy == "lru":
		hit = cache.HitLRU(p.rates, p.capacity)
	case p.policy == "fifo" && !expires:
		hit = cache.HitFIFO(p.rates, p.capacity)
	default:
		return none, none
	}
	switch {
	case !p.shield:
		return hit, hit
	case p.policy == "lru" && above:
		return hit, 1 - cache.OriginShareShieldLRU(p.rates, p.capacity, p.above)
	}
	return hit, none
}

// cacheMetrics adds what the caches held.
func cacheMetrics(held cached, m map[string]float64) {
	if _, has := m["cache.hit.ratio"]; has {
		m["cache.objects"], m["cache.evicted"] = held.entries, held.evicted
	}
}
