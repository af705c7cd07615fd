package results

import (
	"math"
	"strings"
	"testing"
)

// claimed is a result of two arms, b costing 100 us and a ratio times as much
// in each of the trials, with the same arm twice within two percent.
func claimed(ratios ...float64) *Result {
	arm := func(name string) Arm {
		return Arm{
			Name: "x/cell=" + name, Experiment: "x", Role: RoleArm, Axes: map[string]string{"cell": name},
			Metrics: map[string]Value{
				MetricHandshakeOrigin: NewValue(MetricHandshakeOrigin, 100, len(ratios)),
				MetricHandshakeRTTs:   NewValue(MetricHandshakeRTTs, 1, 10),
			},
		}
	}
	r := &Result{Complete: true, Arms: []Arm{arm("a"), arm("b"), arm("failed"), arm("bare")}, Experiments: []Experiment{{Name: "x", Kind: KindHandshakes}}}
	r.Arms[2].Error = "died"
	delete(r.Arms[3].Metrics, MetricHandshakeOrigin)
	for i, ratio := range ratios {
		for j, cost := range []float64{100 * ratio, 100} {
			r.Arms[j].Trials = append(r.Arms[j].Trials, Trial{Index: i + 1, Complete: true, Metrics: map[string]float64{MetricHandshakeOrigin: cost}})
		}
	}
	r.Arms[0].Metrics[MetricHandshakeOrigin] = NewValue(MetricHandshakeOrigin, 100*mean(append([]float64{}, ratios...)), len(ratios))
	r.Validity.AA = map[string]map[string]Estimate{"x": {MetricHandshakeOrigin: {Ratio: 1, Low: 0.98, High: 1.02, N: 8}}}
	return r
}

func TestJudge(t *testing.T) {
	const cpu = "handshake.cpu.origin{cell=a} / handshake.cpu.origin{cell=b} "
	wide := []float64{0.8, 1.2, 0.9, 1.1}
	for name, c := range map[string]struct {
		ratios  []float64
		measure string
		verdict string
		detail  string
	}{
		"clearly below":       {[]float64{0.9, 0.9, 0.9}, cpu + "< 1", ClaimSupported, "0.900 × [0.900 – 0.900]"},
		"clearly above":       {[]float64{1.1, 1.1, 1.1}, cpu + "< 1", ClaimNotSupported, "1.100"},
		"below by noise":      {[]float64{0.985, 0.985, 0.985}, cpu + "< 1", ClaimNotResolved, "0.985"},
		"wide":                {wide, cpu + "< 1", ClaimNotResolved, "×"},
		"wide, far bound":     {wide, cpu + "< 3", ClaimSupported, "×"},
		"above a bound":       {[]float64{1.6, 1.5, 1.55}, cpu + "< 1.1", ClaimNotSupported, "×"},
		"at least":            {[]float64{1.6, 1.5, 1.55}, cpu + ">= 110 %", ClaimSupported, "×"},
		"one trial":           {[]float64{0.5}, cpu + "< 1", ClaimNotResolved, "no interval"},
		"exact, holds":        {[]float64{1, 1}, "handshake.rtts{cell=a} == 1", ClaimSupported, "1 rtt"},
		"exact, does not":     {[]float64{1, 1}, "handshake.rtts{cell=a} / handshake.rtts{cell=b} < 1", ClaimNotSupported, "want < 1"},
		"failed arm":          {[]float64{1, 1}, "handshake.cpu.origin{cell=failed} / handshake.cpu.origin{cell=b} < 1", ClaimNotResolved, "died"},
		"nothing measured":    {[]float64{1, 1}, "handshake.cpu.origin{cell=bare} / handshake.cpu.origin{cell=b} < 1", ClaimNotResolved, "measured no"},
		"no such arm":         {[]float64{1, 1}, "handshake.rtts{cell=c} == 1", ClaimNotResolved, "matches no arm"},
		"one arm failed, all": {[]float64{1, 1}, "handshake.rtts == 1", ClaimNotResolved, "died"},
	} {
		e, err := ParseExpression(c.measure)
		if err != nil {
			t.Fatal(err)
		}
		got := e.Judge(claimed(c.ratios...), "x")
		if got.Verdict != c.verdict || !strings.Contains(got.Detail, c.detail) || got.Experiment != "x" {
			t.Errorf("%s: %+v, want %s with %q", name, got, c.verdict, c.detail)
		}
	}
}

// The pair that the report prints is the claim's figure too, either way about.
func TestJudgeTakesThePair(t *testing.T) {
	r := claimed(1, 1)
	r.Pairs = []Pair{{A: "x/cell=b", B: "x/cell=a", Metric: MetricHandshakeOrigin, Estimates: make([]float64, 8), Ratio: 2, Low: 1.6, High: 2.5}}
	for measure, want := range map[string][3]float64{
		"handshake.cpu.origin{cell=b} / handshake.cpu.origin{cell=a} < 1": {2, 1.6, 2.5},
		"handshake.cpu.origin{cell=a} / handshake.cpu.origin{cell=b} > 1": {0.5, 0.4, 0.625},
	} {
		e, err := ParseExpression(measure)
		if err != nil {
			t.Fatal(err)
		}
		c := e.Judge(r, "x")
		for i, got := range []float64{c.Value, c.Low, c.High} {
			if math.Abs(got-want[i]) > 1e-12 {
				t.Errorf("%s: %v [%v – %v], want %v", measure, c.Value, c.Low, c.High, want)
			}
		}
		if c.Verdict != ClaimNotSupported {
			t.Errorf("%s is %s", measure, c.Verdict)
		}
	}
}
