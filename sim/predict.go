package sim

import (
	"math"
	"time"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/pool"
)

// predictReuse adds what theory says of the share of origin pulls that reuse a
// connection, at the rate per second at which they really came: see
// edge.PredictReuse. There is none where its assumptions do not hold: arrivals
// that are no Poisson process, or connections that end otherwise than by
// idleness.
func predictReuse(a *Arm, rate float64, m map[string]float64) {
	e, workload := &a.Settings.Edge, &a.Settings.Workload
	idle := time.Duration(e.Pool.IdleTimeout)
	worn := e.Pool.MaxAge > 0 || e.Pool.MaxUses > 0 || e.Pool.Kind == string(pool.NetHTTP)
	first := time.Duration(a.Settings.Origin.IdleTimeout) // the origin's, where it comes before the edge's
	if workload.Arrivals.Model != "poisson" || !e.Pool.Reuse || idle == 0 || worn || rate == 0 || first > 0 && first <= idle {
		return
	}
	m["pool.rate"] = rate
	predicted := edge.PredictReuse(rate, idle, poolShares(a))
	m["reuse.predicted"] = predicted
	if measured, have := m["reuse.ratio"]; have {
		m["reuse.deviation"] = math.Abs(measured - predicted)
	}
	if !a.Plaintext && !e.TLS.Resumption {
		m["handshake.share.predicted"] = 1 - predicted
	}
}

// predictRace adds how many origin pulls lose the race against an origin that
// closes idle connections: see edge.Race. There is no figure where the distance
// is not known, or a pool has more than one connection to share its pulls over.
func predictRace(a *Arm, rate float64, m map[string]float64) {
	e, s := &a.Settings.Edge, &a.Settings
	race := edge.Race{Origin: time.Duration(s.Origin.IdleTimeout), Edge: time.Duration(e.Pool.IdleTimeout), RTT: time.Duration(s.Link.RTT)}
	known := s.Link.Distant() && len(e.Pops.Named) == 0 && s.Workload.Arrivals.Model == "poisson" && e.Protocol == string(pool.H1)
	worn := e.Pool.MaxAge > 0 || e.Pool.MaxUses > 0 || !e.Pool.Reuse || e.Pool.MaxConnections != 1
	if known && !worn && race.Origin > 0 && rate > 0 {
		m["pool.race.predicted"] = m["origin.requests"] * race.PredictLost(rate, poolShares(a))
	}
}

// poolShares returns the share of all origin pulls that each pool gets.
func poolShares(a *Arm) []float64 {
	e := &a.Settings.Edge
	if e.Shield.Enabled {
		return []float64{1}
	}
	var shares []float64
	at := topology(e).Shares()
	for range max(e.Pops.Count, 1) {
		for _, share := range at {
			shares = append(shares, share/float64(max(e.Pops.Count, 1)))
		}
	}
	return shares
}
