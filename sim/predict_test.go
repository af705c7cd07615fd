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
		"64 pops":      {func(s *scenarios.Settings) { s.Edge.Pops = 64 }, 64, -math.Expm1(-100. / 64)},
		"a shield":     {func(s *scenarios.Settings) { s.Edge.Pops, s.Edge.Shield.Enabled = 64, true }, 1, -math.Expm1(-100)},
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
