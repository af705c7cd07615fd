package sim

import (
	"math"
	"testing"
	"time"

	"github.com/originpull/originpull/scenarios"
)

func poissonArm(change func(*scenarios.Settings)) *Arm {
	a := &Arm{Settings: scenarios.Defaults()}
	a.Settings.Workload.Arrivals = scenarios.Arrivals{Model: "poisson", Rate: 500}
	a.Settings.Edge.Pool.IdleTimeout = scenarios.Duration(200 * time.Millisecond)
	if change != nil {
		change(&a.Settings)
	}
	return a
}

func TestReuseIsPredicted(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*scenarios.Settings)
		pools  int
		want   float64
	}{
		"one pool":     {nil, 1, -math.Expm1(-100)},
		"100 private":  {func(s *scenarios.Settings) { s.Edge.Workers = 100 }, 100, -math.Expm1(-1)},
		"64 pops":      {func(s *scenarios.Settings) { s.Edge.Pops.Count = 64 }, 64, -math.Expm1(-100. / 64)},
		"a shield":     {func(s *scenarios.Settings) { s.Edge.Pops.Count, s.Edge.Shield.Enabled = 64, true }, 1, -math.Expm1(-100)},
		"per server":   {func(s *scenarios.Settings) { s.Edge.Servers, s.Edge.Workers, s.Edge.Pool.Scope = 2, 8, "server" }, 2, -math.Expm1(-50)},
		"per site":     {func(s *scenarios.Settings) { s.Edge.Servers, s.Edge.Workers, s.Edge.Pool.Scope = 2, 8, "site" }, 1, -math.Expm1(-100)},
		"unequal ones": {func(s *scenarios.Settings) { s.Edge.Servers, s.Edge.Workers = 2, 3 }, 3, -0.5*math.Expm1(-25) - 0.5*math.Expm1(-50)},
	} {
		m := map[string]float64{"reuse.ratio": 0.25}
		a := poissonArm(c.change)
		predictReuse(a, 500, m)
		if got := m["reuse.predicted"]; math.Abs(got-c.want) > 1e-12 || len(poolShares(a)) != c.pools {
			t.Errorf("%s: %d pools, reuse %.6f; want %d, %.6f", name, len(poolShares(a)), got, c.pools, c.want)
		}
		if math.Abs(m["reuse.deviation"]-(c.want-0.25)) > 1e-12 || math.Abs(m["handshake.share.predicted"]-(1-c.want)) > 1e-12 {
			t.Errorf("%s: %v", name, m)
		}
	}
}

// Where the closed form's assumptions do not hold there is no prediction,
// rather than a wrong one.
func TestNothingIsPredictedBeyondTheory(t *testing.T) {
	for name, change := range map[string]func(*scenarios.Settings){
		"closed":          func(s *scenarios.Settings) { s.Workload.Arrivals.Model = "closed" },
		"constant":        func(s *scenarios.Settings) { s.Workload.Arrivals.Model = "constant" },
		"no reuse":        func(s *scenarios.Settings) { s.Edge.Pool.Reuse = false },
		"maximum age":     func(s *scenarios.Settings) { s.Edge.Pool.MaxAge = scenarios.Duration(time.Second) },
		"maximum uses":    func(s *scenarios.Settings) { s.Edge.Pool.MaxUses = 3 },
		"no idle timeout": func(s *scenarios.Settings) { s.Edge.Pool.IdleTimeout = 0 },
	} {
		m := map[string]float64{}
		predictReuse(poissonArm(change), 500, m)
		if len(m) != 0 {
			t.Errorf("%s: %v", name, m)
		}
	}
}

// TestRaceIsPredicted where the distance is known and a pool has one
// connection, and nowhere else.
func TestRaceIsPredicted(t *testing.T) {
	lost := func(from, to float64) float64 { return 1000 * (math.Exp(-2*from) - math.Exp(-2*to)) } // λ of each pool is 2 a second
	for name, c := range map[string]struct {
		change func(*scenarios.Settings)
		want   float64 // NaN: no prediction
	}{
		"patient":        {nil, lost(0.46, 0.5)},
		"for ever":       {func(s *scenarios.Settings) { s.Edge.Pool.IdleTimeout = 0 }, lost(0.46, 0.5)},
		"nearly":         {func(s *scenarios.Settings) { s.Edge.Pool.IdleTimeout = scenarios.Duration(480 * time.Millisecond) }, lost(0.46, 0.48)},
		"remedy":         {func(s *scenarios.Settings) { s.Edge.Pool.IdleTimeout = scenarios.Duration(460 * time.Millisecond) }, 0},
		"farther than T": {func(s *scenarios.Settings) { s.Link.RTT = scenarios.Duration(time.Second) }, lost(0, 0.5)},
		"loopback":       {func(s *scenarios.Settings) { s.Link = scenarios.Link{Kind: "direct"} }, math.NaN()},
		"many":           {func(s *scenarios.Settings) { s.Edge.Pool.MaxConnections = 2 }, math.NaN()},
		"closed":         {func(s *scenarios.Settings) { s.Workload.Arrivals.Model = "closed" }, math.NaN()},
		"patient origin": {func(s *scenarios.Settings) { s.Origin.IdleTimeout = 0 }, math.NaN()},
		"h2":             {func(s *scenarios.Settings) { s.Edge.Protocol = "h2" }, math.NaN()},
		"old":            {func(s *scenarios.Settings) { s.Edge.Pool.MaxAge = 1e9 }, math.NaN()},
	} {
		a := poissonArm(func(s *scenarios.Settings) {
			s.Origin.IdleTimeout, s.Edge.Pool.IdleTimeout = scenarios.Duration(500*time.Millisecond), scenarios.Duration(time.Minute)
			s.Link = scenarios.Link{Kind: "netstack", RTT: scenarios.Duration(40 * time.Millisecond)}
			s.Edge.Pops.Count, s.Edge.Pool.MaxConnections = 100, 1
			if c.change != nil {
				c.change(s)
			}
		})
		m := map[string]float64{"origin.requests": 1000}
		predictRace(a, 200, m)
		got, have := m["pool.race.predicted"]
		if have == math.IsNaN(c.want) || have && math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v, %v, want %v", name, have, got, c.want)
		}
	}
}
