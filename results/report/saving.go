package report

import (
	"slices"

	"github.com/originpull/originpull/results"
)

// saving prints what reached the origin, over which connections, and what
// the viewer waited.
func saving(p *page, r *results.Result, e group) {
	if !measured(p, r, e) {
		return
	}
	titles := []string{"", "viewer\nrequests", "\nreused", "handshakes\nper 1,000", "origin\nrequests", "\noffload"}
	metrics := []string{"requests.count", "reuse.ratio", "handshake.per1000", "origin.requests", "origin.offload"}
	note := "Reused: share of origin requests that needed no new connection. Handshakes per 1,000 viewer requests. Offload: share of viewer requests that never reached the origin."
	if hasCPU(e) {
		titles = append(titles, "edge CPU\n/request", "origin CPU\n/request")
		metrics = append(metrics, results.MetricRequestEdge, results.MetricRequestOrigin)
		note += " CPU per viewer request, plain TCP not subtracted."
	} else {
		titles, metrics = append(titles, "connec-\ntions"), append(metrics, "connect.count")
	}
	g := grid{titles: titles}
	for _, a := range e.arms {
		fill(&g, r, a, metrics)
	}
	g.print(p)
	p.note(note, faint)
	p.blank()
	origins(p, r, e)
	theory(p, r, e)
	cacheTheory(p, r, e)
	hidden(p, r, e)
	races(p, r, e)
	latency(p, r, e)
	if hasCPU(e) {
		ratios(p, r, e)
	}
}

// hasCPU reports whether an arm has CPU figures: without a baseline and a
// double there are none.
func hasCPU(e group) bool {
	return slices.ContainsFunc(e.arms, func(a *results.Arm) bool { _, has := a.Metrics[results.MetricRequestEdge]; return has })
}

// theory prints the reuse that the closed form predicts beside what was
// measured, with everything that goes into it.
func theory(p *page, r *results.Result, e group) {
	g := grid{titles: []string{
		"Reuse, against theory", "pools\n(N)", "origin requests\n/s (λ)", "idle timeout\n(T)", "\nreused", "1 − e^(−λT/N)\npredicts", "paid a full\nhandshake",
	}}
	for _, a := range e.arms {
		if _, have := a.Metrics["reuse.predicted"]; !have || a.Error != "" {
			continue
		}
		g.add(cell{text: armWords(r, a)}, cell{text: show(a, "pool.count")}, cell{text: show(a, "pool.rate")}, cell{text: orElse(a.Labels[results.LabelIdleTimeout], nothing)},
			cell{text: show(a, "reuse.ratio")}, cell{text: show(a, "reuse.predicted")}, cell{text: show(a, "handshake.share")})
	}
	if len(g.rows) == 0 {
		return
	}
	g.print(p)
	p.note("The prediction holds for Poisson arrivals, pools chosen at random and requests that do not overlap; overlapping ones need a connection more than it says. Servers with unequal numbers of workers count as what they are.", faint)
	p.blank()
}

// cacheTheory prints what the caches held and answered, beside what the closed
// forms say.
func cacheTheory(p *page, r *results.Result, e group) {
	told := false // whether there is more than a hit ratio
	g := grid{titles: []string{"Cache, against theory", "objects\nheld", "\nevicted", "answered\nfresh", "\npredicted", "\noffload", "\npredicted", "\nstale", "\ncollapsed"}}
	for _, a := range e.arms {
		if a.Error != "" || a.Metrics["cache.objects"].Value == 0 {
			continue
		}
		told = told || slices.ContainsFunc([]string{"cache.hit.predicted", "cache.evicted", "cache.stale"}, func(m string) bool { return a.Metrics[m].Value > 0 })
		row := []cell{{text: armWords(r, a)}}
		for _, m := range []string{"cache.objects", "cache.evicted", "cache.hit.ratio", "cache.hit.predicted", "origin.offload", "origin.offload.predicted", "cache.stale", "cache.collapsed"} {
			row = append(row, cell{text: show(a, m)})
		}
		g.add(row...)
	}
	if !told {
		return
	}
	g.print(p)
	p.note("Objects held: in one point of presence, at the end; the predictions take that for the capacity, and the rate at which viewers really came. They are of independent requests (Che for LRU, Garetto for FIFO, renewal for lifetimes), once the caches are full; where no closed form is known there is none.", faint)
	p.blank()
}

// hidden prints for how long viewers did not notice that the origin refused
// the edge.
func hidden(p *page, r *results.Result, e group) {
	g := grid{titles: []string{"The origin refused the edge", "hidden from\nviewers for", "answered\nstale", "failed\nrequests", "handshakes\nrefused"}}
	for _, a := range e.arms {
		if a.Error == "" && a.Metrics["handshake.failed"].Value > 0 {
			g.add(cell{text: armWords(r, a)}, cell{text: show(a, "failure.hidden")}, cell{text: show(a, "cache.stale")}, cell{text: show(a, "requests.failed")}, cell{text: show(a, "handshake.failed")})
		}
	}
	if !slices.ContainsFunc(e.arms, func(a *results.Arm) bool { return a.Metrics["failure.hidden"].N > 0 }) {
		return
	}
	g.print(p)
	p.note("Hidden: from the moment of the refusal to the first viewer who was told. – means that none was while it was measured.", faint)
	p.blank()
}

// fill adds an arm's metrics as a row.
func fill(g *grid, r *results.Result, a *results.Arm, metrics []string) {
	name := cell{text: armWords(r, a)}
	if a.Error != "" {
		g.addSpan(name, "FAILED: "+a.Error, red)
		return
	}
	cells := []cell{name}
	for _, m := range metrics {
		cells = append(cells, cell{text: show(a, m)})
	}
	g.add(cells...)
}

// latency prints the percentiles, unless the generator was late: then they
// say nothing about the arm.
func latency(p *page, r *results.Result, e group) {
	g := grid{titles: []string{"What the viewer waited", "half of them\nup to (p50)", "9 of 10\n(p90)", "99 of 100\n(p99)", "longest", "sent late\nby (p99)", "failed\nrequests"}}
	for _, a := range e.arms {
		switch {
		case a.Error != "":
		case r.Validity.Generator[a.Name].Late:
			g.addSpan(cell{text: armWords(r, a)}, "not valid: the generator sent requests late ("+show(a, "send.error.p99")+" at p99)", yellow)
		default:
			fill(&g, r, a, []string{"latency.p50", "latency.p90", "latency.p99", "latency.max", "send.error.p99", "requests.failed"})
		}
	}
	g.print(p)
	p.note("Latency runs from the moment a request was due to be sent to the end of its reply, so that waiting behind a slow one counts.", faint)
	links(p, e, r)
}
