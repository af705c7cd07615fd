package report

import "github.com/originpull/originpull/results"

// origins prints what the edge did towards each of several origins, where an arm
// has them.
func origins(p *page, r *results.Result, e group) {
	g := grid{titles: []string{
		"Several origins", "viewer\nrequests", "\nfailed", "origin\nrequests", "connec-\ntions", "handshakes\nfull", "\nresumed", "\nreused",
		"waited for a\nconnection", "viewer\nwaited (p50)", "\n(p99)", "not its\nown",
	}}
	metrics := []string{
		"requests.count", "requests.failed", "origin.requests", "connect.count", "handshake.full", "handshake.resumed", "reuse.ratio",
		"pool.wait.count", "latency.p50", "latency.p99", results.MetricForeign,
	}
	for _, a := range e.arms {
		for _, o := range a.Origins {
			cells := []cell{{text: join([]string{armWords(r, a), o.Name})}}
			if a.Error != "" {
				continue
			}
			for _, m := range metrics {
				cells = append(cells, cell{text: show(&results.Arm{Metrics: o.Metrics}, m)})
			}
			g.add(cells...)
		}
	}
	if len(g.rows) == 0 {
		return
	}
	g.print(p)
	p.note("Each origin has its own policy, client certificate, secret and pool behind the one edge. Not its own: requests that it refused or had no object for, or that the edge did not send it, by the origin's own count; one is enough to make the run not valid.", faint)
	p.blank()
}
