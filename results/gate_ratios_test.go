package results

import (
	"math"
	"slices"
	"testing"
)

// ratioRun is a run of two arms on either side, with the estimates of their
// ratios within base and within head.
func ratioRun(base, head []float64) *Result {
	r := &Result{Complete: true}
	arm := func(side, version string) string {
		name := "h/gate=" + side + ",v=" + version
		r.Arms = append(r.Arms, Arm{Name: name, Experiment: "h", Role: RoleArm, Axes: map[string]string{GateAxis: side, "v": version}})
		return name
	}
	for _, side := range []struct {
		name      string
		estimates []float64
	}{{GateBase, base}, {GateHead, head}} {
		b, a := arm(side.name, "1.2"), arm(side.name, "1.3")
		r.Pairs = append(r.Pairs, Pair{Role: PairAxis, Axis: "v", A: a, B: b, Metric: MetricHandshakeOrigin, Estimates: side.estimates})
	}
	// Of the same arm on both sides: what CPU is compared by, and no ratio.
	r.Pairs = append(r.Pairs, Pair{Role: PairAxis, Axis: GateAxis, A: "h/gate=head,v=1.2", B: "h/gate=base,v=1.2", Metric: MetricHandshakeOrigin, Estimates: []float64{0.5, 0.5}})
	return r
}

func TestRatioSamples(t *testing.T) {
	samples := ratioRun([]float64{-0.1, -0.12}, []float64{-0.05, -0.1}).ratioSamples(DefaultRules)
	if len(samples) != 1 {
		t.Fatalf("%d samples, want 1: %+v", len(samples), samples)
	}
	s := samples[0]
	if s.Name != "h/v=1.3 ÷ h/v=1.2" || s.Rule.Metric != MetricHandshakeOrigin || s.Rule.Severity != Blocks || s.Rule.Tolerance != 0.05 {
		t.Errorf("sample %+v", s)
	}
	for i, want := range []float64{0.05, 0.02} {
		if math.Abs(s.Estimates[i]-want) > 1e-12 {
			t.Errorf("estimate %d is %v, want %v", i, s.Estimates[i], want)
		}
	}
	// Trials that one side lost leave nothing to compare, and that is no pass.
	uneven := ratioRun([]float64{-0.1, -0.12}, []float64{-0.05}).ratioSamples(DefaultRules)
	if len(uneven) != 1 || len(uneven[0].Estimates) != 0 {
		t.Errorf("uneven trials give %+v", uneven)
	}
	// A ratio that rose by a tenth is to be repeated.
	judged := Gate{}.Look(0, ratioRun(around(10, -0.1, 0.01), slices.Repeat([]float64{0}, 10)).ratioSamples(DefaultRules))
	if !judged[0].Candidate() {
		t.Errorf("a ratio that rose by a tenth is %+v", judged[0])
	}
}
