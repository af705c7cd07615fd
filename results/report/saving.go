package report

import (
	"github.com/originpull/originpull/results"
)

// saving prints what reached the origin, over which connections, and what
// the viewer waited.
func saving(p *page, r *results.Result, e group) {
	if !measured(p, r, e) {
		return
	}
	g := grid{titles: []string{
		"", "viewer\nrequests", "\nreused", "handshakes\nper 1,000", "origin\nrequests", "\noffload", "edge CPU\n/request", "origin CPU\n/request",
	}}
	metrics := []string{"requests.count", "reuse.ratio", "handshake.per1000", "origin.requests", "origin.offload", results.MetricRequestEdge, results.MetricRequestOrigin}
	for _, a := range e.arms {
		fill(&g, r, a, metrics)
	}
	g.print(p)
	p.note("Reused: share of origin requests that needed no new connection. Handshakes per 1,000 viewer requests. Offload: share of viewer requests that never reached the origin. CPU per viewer request, plain TCP not subtracted.", faint)
	p.blank()
	latency(p, r, e)
	ratios(p, r, e)
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
}
