package sim

import (
	"math"
	"testing"
	"time"

	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/results"
)

// blocks makes blocks of ten units, each unit costing so many microseconds at
// the edge and twice as many at the origin.
func blocks(costs ...int) []blockCost {
	var out []blockCost
	for _, c := range costs {
		d := time.Duration(10*c) * time.Microsecond
		out = append(out, blockCost{count: 10, edge: d, origin: 2 * d})
	}
	return out
}

func arm(name string, role Role, trials ...[]blockCost) collected {
	c := collected{arm: &Arm{Name: name, Role: role, Axes: map[string]string{"a": name}}}
	for i, b := range trials {
		c.trials = append(c.trials, armTrial{index: i + 1, blocks: b})
	}
	return c
}

// The ratio is of what remains when the baseline is subtracted: (150−50) ÷
// (100−50) = 2 in the first trial, (450−50) ÷ (100−50) = 8 in the second, so
// their geometric mean is 4.
func TestPairIsNetOfTheBaseline(t *testing.T) {
	x := &Experiment{Kind: Handshakes}
	a := arm("a", Ordinary, blocks(150, 150, 150), blocks(450, 450, 450))
	b := arm("b", Ordinary, blocks(100, 100, 100), blocks(100, 100, 100))
	base := arm("base", Baseline, blocks(50, 40, 60), blocks(50, 50, 50))
	for _, s := range sides(x.Kind) {
		pair := newPair(x, &a, &b, &base, s)
		if len(pair.Estimates) != 2 || math.Abs(pair.Estimates[0]-math.Log(2)) > 1e-12 || math.Abs(pair.Estimates[1]-math.Log(8)) > 1e-12 {
			t.Errorf("%s: estimates %v, want ln 2 and ln 8", s.metric, pair.Estimates)
		}
		if math.Abs(pair.Ratio-4) > 1e-12 {
			t.Errorf("%s: ratio %v, want 4", s.metric, pair.Ratio)
		}
	}
}

// A trial of which one arm failed says nothing about a pair; a block without
// a unit takes its partner with it.
func TestPairLeavesOutWhatIsMissing(t *testing.T) {
	x := &Experiment{Kind: Requests}
	a := arm("a", Ordinary, blocks(30, 1, 30), blocks(100))
	b := arm("b", Ordinary, blocks(10, 1, 10), blocks(10))
	a.trials[1].err = errNoAnswer
	b.trials[0].blocks[1].count = 0
	pair := newPair(x, &a, &b, nil, sides(x.Kind)[0])
	if len(pair.Estimates) != 1 || math.Abs(pair.Estimates[0]-math.Log(3)) > 1e-12 {
		t.Errorf("estimates %v, want ln 3 alone", pair.Estimates)
	}
}

func TestFirstNeighbours(t *testing.T) {
	var arms []collected
	for _, axes := range [][2]string{{"1", "x"}, {"1", "y"}, {"2", "x"}, {"2", "y"}, {"3", "y"}} {
		arms = append(arms, collected{arm: &Arm{Role: Ordinary, Axes: map[string]string{"a": axes[0], "b": axes[1]}}})
	}
	for j, want := range []map[string]int{{}, {"b": 0}, {"a": 0}, {"a": 1, "b": 2}, {"a": 1}} {
		got := firstNeighbours(arms, j)
		if len(got) != len(want) {
			t.Errorf("arm %d: %v, want %v", j, got, want)
		}
		for axis, i := range want {
			if got[axis] != i {
				t.Errorf("arm %d: %v, want %v", j, got, want)
			}
		}
	}
}

func TestTrialMetricsSubtractTheBaseline(t *testing.T) {
	x := &Experiment{Kind: Handshakes}
	base := armTrial{blocks: blocks(40, 50, 60)}
	trial := armTrial{blocks: blocks(150, 170, 160)}
	got := trialMetrics(x, &trial, &base)
	for name, want := range map[string]float64{
		"request.cpu.edge": 160, "request.cpu.origin": 320, "handshake.cpu.edge": 110, "handshake.cpu.origin": 220,
	} {
		if got[name] != want {
			t.Errorf("%s is %v us, want %v", name, got[name], want)
		}
	}
	if own := trialMetrics(x, &base, &base); own["handshake.cpu.edge"] != 50 {
		t.Errorf("the baseline's own figure is %v us, want its gross 50", own["handshake.cpu.edge"])
	}
	if _, have := trialMetrics(x, &trial, nil)["handshake.cpu.edge"]; have {
		t.Error("a net figure without a baseline")
	}
	trial.noCPU = errNoAnswer
	if _, have := trialMetrics(x, &trial, &base)["request.cpu.edge"]; have {
		t.Error("a CPU figure without a CPU clock")
	}
}

func TestReconcileNamesTheDifference(t *testing.T) {
	result, err := newResult(&Plan{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r := &run{result: result}
	for _, atOrigin := range []int64{3, 4} {
		trial := armTrial{index: 1, edge: &EdgeSummary{}, origin: originCounts(atOrigin)}
		trial.edge.Total.Pool.Connects = 3
		r.reconcile(&Arm{Name: "x"}, &trial)
		if want := atOrigin == 3; result.Validity.Reconciled != want {
			t.Errorf("3 connects, %d ends: reconciled is %v", atOrigin, result.Validity.Reconciled)
		}
	}
	// Of connects that were given up, and of connections without a word from the
	// origin, nobody can tell; of more than these, everybody.
	for _, c := range []struct{ givenUp, unheard, ended int64 }{{2, 0, 5}, {0, 2, 1}, {2, 0, 6}, {0, 2, 0}, {2, 0, 2}, {0, 2, 4}} {
		other := run{result: &results.Result{Validity: results.Validity{Reconciled: true}}}
		trial := armTrial{index: 1, edge: &EdgeSummary{}, origin: originCounts(c.ended)}
		trial.edge.Total.Pool = pool.Stats{Connects: 3, GivenUp: c.givenUp, Unheard: c.unheard}
		other.reconcile(&Arm{Name: "x"}, &trial)
		if want := c.ended == 5 || c.ended == 1; other.result.Validity.Reconciled != want {
			t.Errorf("%+v: reconciled is %v", c, !want)
		}
	}
	if v := result.Validity; len(v.Warnings) != 1 || len(v.Tallies) != 1 || v.Tallies[0] != (results.Tally{Arm: "x", Connects: 6, Handshakes: 7, Accepted: 7}) {
		t.Errorf("validity %+v", v)
	}
}
