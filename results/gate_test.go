package results

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// around returns n estimates with the given mean and standard deviation.
func around(n int, mean, deviation float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = float64(2*(i%2)-1) + 1e-6*float64(i)
	}
	m, s := moments(out)
	for i := range out {
		out[i] = mean + (out[i]-m)/s*deviation
	}
	return out
}

func cpuSample(estimates []float64) GateSample {
	rule, _ := DefaultRule(MetricHandshakeOrigin)
	return GateSample{Name: "arm", Rule: rule, Estimates: estimates}
}

func TestLook(t *testing.T) {
	higher := cpuSample(around(10, math.Log(0.9), 0.005))
	higher.Rule.Better = Higher
	for name, test := range map[string]struct {
		look   int
		sample GateSample
		want   Verdict
		reason string
	}{
		"no change":                 {0, cpuSample(around(10, 0, 0.01)), GatePassed, "worse by less than 5 % with 99 % confidence"},
		"5 % more":                  {0, cpuSample(around(10, math.Log(1.05), 0.01)), gateSuspect, "worse than the margin of 1 % in 10 trials"},
		"within the margin":         {2, cpuSample(around(30, 0.009, 0.001)), GatePassed, "worse by less than 5 %"},
		"5 % less":                  {0, cpuSample(around(10, math.Log(0.95), 0.01)), Improvement, "better by more than 1 %"},
		"noise, more looks":         {1, cpuSample(around(20, 0, 0.2)), notYet, ""},
		"noise, the last look":      {2, cpuSample(around(30, 0, 0.2)), Undecided, "30 trials show neither a change beyond 1 % nor that it is below 5 %"},
		"no trial":                  {0, cpuSample(nil), Undecided, "0 trials came to their end"},
		"one trial":                 {0, cpuSample([]float64{1}), Undecided, "1 trial came"},
		"not numbers":               {0, cpuSample([]float64{math.NaN(), math.Inf(1), 0.5}), Undecided, "1 trial came"},
		"less where more is better": {0, higher, gateSuspect, "worse than the margin"},
	} {
		j := Gate{}.Look(test.look, []GateSample{test.sample})[0]
		if j.Verdict != test.want || !strings.HasPrefix(j.Reason, test.reason) {
			t.Errorf("%s: %q, %q", name, j.Verdict, j.Reason)
		}
	}
}

func TestConfirm(t *testing.T) {
	suspect := cpuSample(around(10, math.Log(1.05), 0.01))
	first := Gate{}.Look(0, []GateSample{suspect, cpuSample(around(10, 0, 0.01))})
	other := suspect
	other.Name = "another"
	for name, test := range map[string]struct {
		fresh []GateSample
		want  Verdict
	}{
		"again":     {[]GateSample{suspect}, Regression},
		"not again": {[]GateSample{cpuSample(around(10, 0, 0.01))}, Undecided},
		"no trial":  {[]GateSample{cpuSample(nil)}, Undecided},
		"of others": {[]GateSample{other}, Undecided},
	} {
		got := Gate{}.Confirm(first, test.fresh)
		if got[0].Verdict != test.want || got[1].Verdict != GatePassed {
			t.Errorf("%s: %q and %q", name, got[0].Verdict, got[1].Verdict)
		}
		if v := GateVerdict(got); v != test.want {
			t.Errorf("%s: the gate says %q", name, v)
		}
	}
	if !first[0].Candidate() {
		t.Error("Confirm changed what it was given")
	}
}

// What only reports neither fails nor holds up a gate, and a gate of nothing
// is not passed.
func TestGateVerdict(t *testing.T) {
	judged := func(v Verdict, s Severity) Judgement { return Judgement{Verdict: v, Rule: GateRule{Severity: s}} }
	for i, test := range []struct {
		of   []Judgement
		want Verdict
	}{
		{nil, Undecided},
		{[]Judgement{judged(GatePassed, Reports)}, Undecided},
		{[]Judgement{judged(GatePassed, Blocks), judged(Regression, Reports)}, GatePassed},
		{[]Judgement{judged(GatePassed, Blocks), judged(Improvement, Blocks)}, Improvement},
		{[]Judgement{judged(Improvement, Blocks), judged(Undecided, Blocks)}, Undecided},
		{[]Judgement{judged(Undecided, Blocks), judged(Regression, Blocks)}, Regression},
	} {
		if got := GateVerdict(test.of); got != test.want {
			t.Errorf("%d: %q, want %q", i, got, test.want)
		}
	}
}

// The example of Holm's procedure that textbooks print: at 5 % the two
// smallest of four fall, although the third is below 5 % too.
func TestHolm(t *testing.T) {
	for _, test := range []struct {
		p     []float64
		level float64
		want  []bool
	}{
		{[]float64{0.01, 0.04, 0.03, 0.005}, 0.05, []bool{true, false, false, true}},
		{[]float64{0.05}, 0.05, []bool{true}},
		{[]float64{0.03, 0.03}, 0.05, []bool{false, false}},
		{[]float64{math.NaN(), 0.9}, 0.05, []bool{false, false}},
		{nil, 0.05, []bool{}},
	} {
		if got := Holm(test.p, test.level); !slices.Equal(got, test.want) {
			t.Errorf("%v: %v, want %v", test.p, got, test.want)
		}
	}
}

// Against a printed table: t = 2.998 is the 99 % point of the 7 degrees of
// freedom that ten trials have once one is left out at each end. The values
// are worked out by hand: of 0 … 9 that leaves the mean 4.5, the winsorised
// sample 1 1 2 … 7 8 8 has the squares 66.5 around it, and the error is
// √(66.5/9) · √(9/(8·7)) = √(66.5/56).
func TestTheTTest(t *testing.T) {
	sample := []float64{9, 1, 2, 3, 4, 5, 6, 7, 8, 0}
	l, _ := locate(sample)
	if want := math.Sqrt(66.5 / 56); math.Abs(l.mean-4.5) > 1e-12 || math.Abs(l.err-want) > 1e-12 || l.freedom != 7 {
		t.Errorf("%+v, want 4.5 ± %v with 7 degrees of freedom", l, want)
	}
	if p := above(sample, 4.5-2.998*l.err); math.Abs(p-0.01) > 1e-5 {
		t.Errorf("p %v, want 0.01", p)
	}
	if u := upper(sample, 0.99); math.Abs(u-(4.5+2.998*l.err)) > 1e-3 {
		t.Errorf("bound %v", u)
	}
	if sample[0] = 1e9; above(sample, 4.5) > 0.5 {
		t.Error("one wild trial decides")
	}
	if above([]float64{1, 1}, 0.5) != 0 || above([]float64{1, 1}, 1) != 1 {
		t.Error("values that are all the same are judged wrongly")
	}
}

func TestDefaultRules(t *testing.T) {
	for metric, want := range map[string]string{
		MetricHandshakeOrigin: "0.05 block lower", "cache.hit.ratio": "0.05 block higher", MetricEfficiencyEdge: "",
		"latency.p50": "0.1 report lower", "latency.p90": "0.25 report lower", "latency.p99": "0.5 report lower",
		"exposure.seconds": "0.1 report lower", MetricHandshakeRTTs: "", "connect.count": "", "reuse.predicted": "", "nonsense": "",
	} {
		got := ""
		if rule, has := DefaultRule(metric); has {
			got = fmt.Sprintf("%v %s %s", rule.Tolerance, rule.Severity, rule.Better)
			if err := rule.Validate(); err != nil {
				t.Error(err)
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", metric, got, want)
		}
	}
}

func TestRulesThatContradictThemselves(t *testing.T) {
	for want, rule := range map[string]GateRule{
		"unknown metric":            {Metric: "cpu"},
		"is compared exactly":       {Metric: MetricHandshakeRTTs, Margin: 0.1, Tolerance: 0.2, Better: Lower, Severity: Blocks},
		"the margin of 10 % is not": {Metric: MetricHandshakeEdge, Margin: 0.1, Tolerance: 0.05, Better: Lower, Severity: Blocks},
		"must be shares from 0 up":  {Metric: MetricHandshakeEdge, Margin: -1, Tolerance: math.NaN(), Better: Lower, Severity: Blocks},
		`direction is "none"`:       {Metric: MetricHandshakeEdge, Tolerance: 1, Better: Neither, Severity: Blocks},
		`severity is "fatal"`:       {Metric: MetricHandshakeEdge, Tolerance: 1, Better: Lower, Severity: "fatal"},
	} {
		if err := rule.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for want, gate := range map[string]Gate{
		"alpha is 2":        {Alpha: 2},
		"together 1":        {Looks: []int{10, 20}, Spend: []float64{0.5, 0.4}},
		"ascending numbers": {Looks: []int{20, 10}, Spend: []float64{0.5, 0.5}},
	} {
		if err := gate.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := (Gate{}).Validate(); err != nil {
		t.Error(err)
	}
}

func ExampleGate() {
	rule, _ := DefaultRule("handshake.cpu.origin")
	measured := GateSample{Name: "tls13", Rule: rule, Estimates: []float64{0.049, 0.051, 0.047, 0.052, 0.050, 0.048, 0.053, 0.049, 0.050, 0.051}}
	fresh := measured
	judged := Gate{}.Look(0, []GateSample{measured})
	fmt.Println("to be repeated:", judged[0].Candidate())
	j := Gate{}.Confirm(judged, []GateSample{fresh})[0]
	fmt.Printf("%s: head is %.2f × base, %s\n", j.Verdict, j.Estimate.Ratio, j.Reason)
	// Output:
	// to be repeated: true
	// REGRESSION: head is 1.05 × base, worse than the margin of 1 % in 10 trials, and again in 10 fresh ones
}
