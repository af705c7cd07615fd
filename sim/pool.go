package sim

import (
	"net/http"
	"time"

	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/scenarios"
)

// poolConfig is the pool that an arm asks for.
func poolConfig(e *scenarios.Edge) pool.Config {
	p := &e.Pool
	if p.Kind == string(pool.NetHTTP) {
		return pool.Config{
			Kind: pool.NetHTTP, MaxIdlePerHost: p.MaxIdle,
			Reuse: p.Reuse, IdleTimeout: time.Duration(p.IdleTimeout), MaxConnections: p.MaxConnections,
			DialTimeout: time.Duration(e.Retry.ConnectTimeout), ResponseTimeout: time.Duration(e.Retry.ResponseTimeout),
		}
	}
	cfg := pool.Config{
		Reuse: p.Reuse, IdleTimeout: time.Duration(p.IdleTimeout), MaxConnections: p.MaxConnections,
		DialTimeout: time.Duration(e.Retry.ConnectTimeout), ResponseTimeout: time.Duration(e.Retry.ResponseTimeout),
		MaxAge: time.Duration(p.MaxAge), MaxUses: p.MaxUses, Order: pool.Order(p.Order), Prewarm: p.Prewarm,
		MaxWaiting: p.MaxWaiting, WaitTimeout: time.Duration(p.WaitTimeout),
		Retry:   pool.Retry{Attempts: p.Retries.Attempts},
		Circuit: pool.Circuit{Failures: p.Circuit.Failures, Open: time.Duration(p.Circuit.Open)},
	}
	switch p.Retries.Methods {
	case "get":
		cfg.Retry.Methods = []string{http.MethodGet, http.MethodHead}
	case "none":
		cfg.Retry.Methods = []string{}
	}
	return cfg
}

// Names of pool counts that no metric has.
const (
	countPoolEnded = "pool.ended" // connections
	countPoolUses  = "pool.uses"  // requests that they had carried
)

// poolCounts are the metrics that a pool's own counters give, under their
// names.
var poolCounts = map[string]func(*pool.Stats) int64{
	"pool.dials":           func(s *pool.Stats) int64 { return s.Dials },
	"pool.connects":        func(s *pool.Stats) int64 { return s.Connects },
	"pool.evicted.idle":    func(s *pool.Stats) int64 { return s.Closed[pool.ReasonIdle] },
	"pool.retired.age":     func(s *pool.Stats) int64 { return s.Closed[pool.ReasonAge] },
	"pool.retired.uses":    func(s *pool.Stats) int64 { return s.Closed[pool.ReasonUses] },
	"pool.closed.origin":   func(s *pool.Stats) int64 { return s.Closed[pool.ReasonOrigin] },
	"pool.closed.surplus":  func(s *pool.Stats) int64 { return s.Closed[pool.ReasonSurplus] },
	"pool.race.noticed":    func(s *pool.Stats) int64 { return s.RaceNoticed },
	"pool.race.lost":       func(s *pool.Stats) int64 { return s.RaceLost },
	"pool.race.unsafe":     func(s *pool.Stats) int64 { return s.Unsafe },
	"pool.retries.stale":   func(s *pool.Stats) int64 { return s.StaleRetries },
	"pool.wait.count":      func(s *pool.Stats) int64 { return s.Waits },
	"pool.wait.shared":     func(s *pool.Stats) int64 { return s.Shared },
	"pool.wait.refused":    func(s *pool.Stats) int64 { return s.WaitsRefused },
	"pool.wait.timeout":    func(s *pool.Stats) int64 { return s.WaitTimeouts },
	"pool.circuit.opened":  func(s *pool.Stats) int64 { return s.CircuitOpened },
	"pool.circuit.refused": func(s *pool.Stats) int64 { return s.CircuitRefused },
	countPoolEnded:         func(s *pool.Stats) int64 { return perConnection(s, 0) },
	countPoolUses:          func(s *pool.Stats) int64 { return perConnection(s, 1) },
}

// perConnection sums over the connections that have ended: with power 0 how
// many they are, with 1 how many requests they carried.
func perConnection(s *pool.Stats, power int) int64 {
	sum := int64(0)
	for uses, n := range s.PerConnection {
		if power == 0 {
			uses = 1
		}
		sum += uses * n
	}
	return sum
}

// poolMetrics adds what poolCounts counted; what nobody counted is no zero.
func poolMetrics(m map[string]float64, counts map[string]int64) {
	if _, counted := counts["pool.connects"]; !counted {
		return
	}
	for name := range poolCounts {
		if name != countPoolEnded && name != countPoolUses {
			m[name] = float64(counts[name])
		}
	}
	m[countConnectRetries] = float64(counts[countConnectRetries])
	if ended := counts[countPoolEnded]; ended > 0 {
		m["pool.uses.mean"] = float64(counts[countPoolUses]) / float64(ended)
	}
}
