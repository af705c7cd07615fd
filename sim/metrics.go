package sim

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/originpull/originpull/results"
)

// trialMetrics is what one trial of one arm contributes to the statistics.
func trialMetrics(x *Experiment, t *armTrial, base *armTrial) map[string]float64 {
	m := map[string]float64{}
	if t.edge != nil {
		for name, v := range countMetrics(x, t.edge.Summary.Counts, t.edge.Total.Cache.Hits+t.edge.Total.Cache.Misses > 0) {
			m[name] = v
		}
	}
	trialPercentiles(m, t)
	if t.search != nil && t.search.Kept > 0 {
		m[results.MetricCapacity] = t.search.Kept
	}
	edgeCPU, originCPU := perUnit(t.blocks)
	if t.noCPU != nil || len(edgeCPU) == 0 || base == nil { // no CPU figure without its controls
		return m
	}
	m["request.cpu.edge"], m["request.cpu.origin"] = median(edgeCPU), median(originCPU)
	if x.Kind != Handshakes {
		return m
	}
	if base == t { // the baseline's own figure is what the others are net of
		m["handshake.cpu.edge"], m["handshake.cpu.origin"] = m["request.cpu.edge"], m["request.cpu.origin"]
	} else if baseEdge, baseOrigin := perUnit(base.blocks); len(baseEdge) > 0 {
		m["handshake.cpu.edge"] = m["request.cpu.edge"] - median(baseEdge)
		m["handshake.cpu.origin"] = m["request.cpu.origin"] - median(baseOrigin)
		efficiency(m, t.floor)
	}
	return m
}

// efficiency adds, for each end, the floor over the net CPU of a handshake,
// both of the same trial: 1 would be a handshake of nothing but its primitives.
// What has no floor, or was too small to be told from the baseline, has none.
func efficiency(m map[string]float64, floor *Floor) {
	if floor == nil {
		return
	}
	if cpu := m["handshake.cpu.edge"]; floor.Edge > 0 && cpu > 0 {
		m[results.MetricEfficiencyEdge] = floor.Edge / cpu
	}
	if cpu := m["handshake.cpu.origin"]; floor.Origin > 0 && cpu > 0 {
		m[results.MetricEfficiencyOrigin] = floor.Origin / cpu
		m[results.MetricEfficiency] = m[results.MetricEfficiencyOrigin]
	}
}

// averaged are the metrics of an arm that are means over its trials.
var averaged = []string{
	"handshake.cpu.edge", "handshake.cpu.origin", "request.cpu.edge", "request.cpu.origin",
	results.MetricEfficiency, results.MetricEfficiencyEdge, results.MetricEfficiencyOrigin,
}

// perUnit returns the CPU per handshake or request of every block, in
// microseconds, of edge and origin.
func perUnit(blocks []blockCost) (edge, origin []float64) {
	for _, b := range blocks {
		if b.count == 0 {
			continue
		}
		n := float64(b.count) * float64(time.Microsecond)
		edge = append(edge, float64(b.edge)/n)
		origin = append(origin, float64(b.origin)/n)
	}
	return edge, origin
}

// median of a non-empty slice.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// countMetrics derives counts and shares from what edges counted.
func countMetrics(x *Experiment, c map[string]int64, cached bool) map[string]float64 {
	m := map[string]float64{
		"requests.count":    float64(c[countRequests]),
		"requests.failed":   float64(c[countFailed]),
		"requests.dropped":  float64(c[countDropped] + c[countUnsent]),
		"connect.count":     float64(c[countConnects]),
		"handshake.full":    float64(c[countHandshakeFull]),
		"handshake.resumed": float64(c[countHandshakeResumed]),
		"handshake.failed":  float64(c[countHandshakeFailed]),
	}
	viewers, pulls := float64(c[countRequests]), float64(c[countOrigin])
	if x.Kind != Requests || viewers == 0 {
		return m
	}
	m["requests.502"] = float64(c[countBadGateway])
	m["origin.requests"] = pulls
	m["origin.bytes"] = float64(c[countOriginBytes])
	m["origin.connections"] = float64(c[countConnects])
	m["origin.offload"] = 1 - pulls/viewers
	m["handshake.per1000"] = 1000 * float64(c[countHandshakeFull]+c[countHandshakeResumed]+c[countHandshakeFailed]) / viewers
	poolMetrics(m, c)
	if pulls > 0 {
		m["reuse.ratio"] = float64(c[countReused]) / pulls
		m["handshake.share"] = float64(c[countHandshakeFull]) / pulls
	}
	if cached {
		m["cache.hit.ratio"] = float64(c[countHit]) / viewers
		m["cache.collapsed"] = float64(c[countCollapsed])
		m["cache.revalidated"] = float64(c[countRevalidated])
		m["cache.stale"] = float64(c[countStale])
	}
	return m
}

// armMetrics fills an arm's metrics from all its trials.
func armMetrics(x *Experiment, c *collected, arm *results.Arm) error {
	good := 0
	for _, t := range arm.Trials {
		if t.Complete {
			good++
		}
	}
	if good == 0 {
		return nil // no sample is never a zero
	}
	cached := slices.ContainsFunc(arm.Trials, func(t results.Trial) bool { _, ok := t.Metrics["cache.hit.ratio"]; return ok })
	counts := countMetrics(x, c.merged.Counts, cached)
	if x.Kind == Requests && len(c.arm.Settings.Origins) == 0 { // closed forms are of one origin
		predictReuse(c.arm, counts["origin.requests"]/(x.Block*float64(good)), counts)
		predictRace(c.arm, counts["origin.requests"]/(x.Block*float64(good)), counts)
		held := cacheHeld(c.arm, c.trials)
		cacheMetrics(held, counts)
		if span := time.Duration(c.merged.Counts[countSpan]).Seconds(); span > 0 {
			predictCache(x, c.arm, held, counts["requests.count"]/span, counts)
		}
		arm.Metrics["pool.count"] = results.NewValue("pool.count", float64(len(poolShares(c.arm))), good)
	}
	for name, v := range counts {
		arm.Metrics[name] = results.NewValue(name, v, good)
	}
	for _, name := range averaged {
		if i := results.MeanInterval(trialValues(arm.Trials, name), results.Confidence); i.N > 0 {
			arm.Metrics[name] = results.NewValue(name, i.Mean, i.N).Within(i.Low, i.High)
		}
	}
	for recorded, r := range c.merged.Exact {
		name, shown := figure(c.arm, recorded)
		if !shown {
			continue
		}
		// The largest value stands for the range, whose bounds are kept: a
		// rule must hold at both.
		arm.Metrics[name] = results.NewValue(name, float64(r.Max), int(r.N)).Within(float64(r.Min), float64(r.Max))
	}
	if !x.Interleaved {
		if offered, achieved, ok := rates(c.merged.Counts); ok {
			arm.Metrics["rate.offered"] = results.NewValue("rate.offered", offered, good)
			arm.Metrics["rate.achieved"] = results.NewValue("rate.achieved", achieved, good)
		}
	}
	capacityMetric(arm)
	return histogramMetrics(c, arm)
}

// capacityMetric is the median of what the trials' searches came to. Its
// interval reaches from the lowest rate that was the highest kept to the highest
// that was not, and is absent where a search tells a lower bound only, or ended
// before its time.
func capacityMetric(arm *results.Arm) {
	var kept []float64
	broken, open := 0.0, false
	for _, t := range arm.Trials {
		if t.Search == nil || !t.Complete {
			continue
		}
		if t.Search.Kept > 0 {
			kept = append(kept, t.Search.Kept)
		}
		broken = max(broken, t.Search.Broken)
		open = open || t.Search.Outcome != results.SearchFound
	}
	if len(kept) == 0 {
		return
	}
	v := results.NewValue(results.MetricCapacity, median(kept), len(kept))
	if !open {
		v = v.Within(slices.Min(kept), broken)
	}
	arm.Metrics[results.MetricCapacity] = v
}

// histogramMetrics adds the percentiles of every histogram that has metrics.
func histogramMetrics(c *collected, arm *results.Arm) error {
	for recorded, encoded := range c.merged.Histograms {
		h, err := results.DecodeHistogram(encoded)
		if err != nil {
			return fmt.Errorf("histogram %s: %w", recorded, err)
		}
		name, shown := figure(c.arm, recorded)
		if !shown {
			continue
		}
		maps.Copy(arm.Metrics, results.Percentiles(name, h))
	}
	return nil
}

func trialValues(trials []results.Trial, name string) []float64 {
	var values []float64
	for _, t := range trials {
		if v, ok := t.Metrics[name]; ok && t.Complete {
			values = append(values, v)
		}
	}
	return values
}

// armLabels is what a headline must name: server, library, key, and what was
// really negotiated.
func (r *run) armLabels(c *collected) map[string]string {
	labels := r.settled(c.arm)
	if !c.arm.Plaintext {
		for _, t := range c.trials {
			if t.edge != nil {
				maps.Copy(labels, t.edge.Labels)
			}
		}
	}
	return labels
}

// settled is what is known of an arm's ends without asking them.
func (r *run) settled(arm *Arm) map[string]string {
	o := arm.Settings.Origin
	version, library := runtime.Version(), "Go crypto/tls "+runtime.Version()
	if s, have := r.servers[o.Server]; have {
		version, library = s.installed.Version, s.installed.TLS
	}
	labels := map[string]string{results.LabelServer: o.Server, results.LabelServerVersion: version}
	arm.labelPlant(labels)
	r.labelArrivals(arm, labels)
	if pool := arm.Settings.Edge.Pool; pool.Reuse {
		labels[results.LabelIdleTimeout] = pool.IdleTimeout.String()
	}
	if arm.Plaintext {
		return labels
	}
	labels[results.LabelTLSLibrary] = library
	labels[results.LabelResumption] = strconv.FormatBool(arm.Settings.Edge.TLS.Resumption)
	labels["tickets"] = strconv.FormatBool(o.Tickets)
	labels[results.LabelKey] = fmt.Sprintf("%s, chain of %d", o.Certificate.Key, o.Certificate.Chain)
	if o.Certificate.Bytes > 0 {
		labels[results.LabelChainBytes] = o.Certificate.Bytes.String()
	}
	if arm.Settings.Edge.TLS.HelloRetry {
		labels[results.LabelHelloRetry] = "true" // the worker would have failed the arm otherwise
	}
	return labels
}
