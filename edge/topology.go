package edge

import (
	"fmt"
	"math"
	"time"
)

// Scope says who shares one pool of origin connections.
type Scope string

// The scopes of a pool, from the most private to the most shared.
const (
	PerWorker Scope = "worker" // every worker process has a pool of its own
	PerServer Scope = "server" // the workers of a server share one
	PerSite   Scope = "site"   // a whole point of presence shares one
)

// Scopes returns every scope, the most private first.
func Scopes() []Scope { return []Scope{PerWorker, PerServer, PerSite} }

// Topology is what stands at one point of presence. Its zero value is one
// server with one worker.
type Topology struct {
	Servers int   // 0 = 1
	Workers int   // of the whole point of presence, spread over its servers as evenly as it goes; 0 = one each
	Scope   Scope // "" = PerWorker
}

func (t Topology) settled() Topology {
	t.Servers = max(t.Servers, 1)
	if t.Workers == 0 {
		t.Workers = t.Servers
	}
	if t.Scope == "" {
		t.Scope = PerWorker
	}
	return t
}

func (t Topology) validate() error {
	switch {
	case t.Servers < 1:
		return fmt.Errorf("%d servers at a point of presence: it needs at least one", t.Servers)
	case t.Workers < t.Servers:
		return fmt.Errorf("%d workers cannot run on %d servers: give every server one", t.Workers, t.Servers)
	}
	switch t.Scope {
	case PerWorker, PerServer, PerSite:
		return nil
	}
	return fmt.Errorf("unknown pool scope %q: choose worker, server or site", t.Scope)
}

// Shares returns the share of a point of presence's pulls that each of its
// pools gets: viewers are spread evenly over servers, and over the workers of
// a server. The shares add up to 1.
func (t Topology) Shares() []float64 {
	t = t.settled()
	if t.Scope == PerSite {
		return []float64{1}
	}
	shares := make([]float64, 0, t.Workers)
	for server := range t.Servers {
		pools := 1
		if t.Scope == PerWorker {
			pools = t.workersOf(server)
		}
		for range pools {
			shares = append(shares, 1/float64(t.Servers*pools))
		}
	}
	return shares
}

// workersOf returns how many workers a server runs.
func (t Topology) workersOf(server int) int {
	workers := t.Workers / t.Servers
	if server < t.Workers%t.Servers {
		workers++
	}
	return workers
}

// pool returns which pool a pull goes through, from 64 random bits.
func (t Topology) pool(random uint64) int {
	server := int(random >> 32 % uint64(t.Servers))
	if t.Scope == PerSite {
		return 0
	}
	if t.Scope == PerServer {
		return server
	}
	first := server*(t.Workers/t.Servers) + min(server, t.Workers%t.Servers)
	return first + int(random&math.MaxUint32%uint64(t.workersOf(server)))
}

// PredictReuse returns the share of origin pulls that find a warm connection,
// when they come as a Poisson process at rate per second, are spread over
// pools by shares at random, do not overlap, and idle is the pools' idle
// timeout. For N equal pools it is 1 − e^(−λT/N): the probability that the gap
// to the pool's pull before is shorter than T.
func PredictReuse(rate float64, idle time.Duration, shares []float64) float64 {
	reuse := 0.0
	for _, share := range shares {
		reuse += share * -math.Expm1(-rate*share*idle.Seconds())
	}
	return reuse
}

// Race is an origin that closes idle connections, and how far away it is.
type Race struct {
	Origin time.Duration // after its last response it closes a connection
	Edge   time.Duration // after its last response the edge does; 0: never
	RTT    time.Duration
}

// PredictLost returns the share of origin pulls that are sent on a connection
// which the origin has closed by the time they arrive, and whose end has not
// arrived before they left. Pulls come as for [PredictReuse], and a pool has one
// connection. The window is as long as the round trip and ends with the
// origin's timeout T: e^(−λ(T−r)) − e^(−λT) for one pool, less where the edge
// closes within it, none where it does before.
func (r Race) PredictLost(rate float64, shares []float64) float64 {
	from, to := max(r.Origin-r.RTT, 0), r.Origin
	if r.Edge > 0 {
		to = min(to, r.Edge)
	}
	lost := 0.0
	for _, share := range shares {
		if from < to {
			lost += share * (math.Exp(-rate*share*from.Seconds()) - math.Exp(-rate*share*to.Seconds()))
		}
	}
	return lost
}

// draw returns the n-th of a seed's random 64-bit numbers (SplitMix64: Steele,
// Lea and Flood, "Fast splittable pseudorandom number generators", 2014). It
// needs no state but the count, and so no lock.
func draw(seed, n uint64) uint64 {
	x := seed + n*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
