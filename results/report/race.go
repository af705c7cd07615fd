package report

import "github.com/originpull/originpull/results"

// races prints what became of the requests that met the end of their
// connection, where any did.
func races(p *page, r *results.Result, e group) {
	g := grid{titles: []string{"The keep-alive race", "closed by the origin,\nnoticed in time", "requests\nlost", "theory\npredicts", "sent\nagain", "not to be\nsent again", "viewers\ntold 502"}}
	met := false
	for _, a := range e.arms {
		if a.Error != "" {
			continue
		}
		met = met || a.Metrics["pool.race.lost"].Value > 0
		fill(&g, r, a, []string{"pool.race.noticed", "pool.race.lost", "pool.race.predicted", "pool.retries.stale", "pool.race.unsafe", "requests.502"})
	}
	if !met {
		return
	}
	g.print(p)
	p.note("An origin that closes an idle connection while a request is on its way to it loses the request. An idempotent one is sent again; a POST is not, and its viewer is told so. Theory: e^(−λ(T−r)) − e^(−λT) of Poisson arrivals, where the origin closes after T at a round trip of r.", faint)
	p.blank()
}
