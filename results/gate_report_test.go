package results

import "testing"

// TestConcludeNames has the conclusion name the metric that looks worst, with
// its interval, and say of how many more the same holds.
func TestConcludeNames(t *testing.T) {
	judged := func(name string, ratio float64, v Verdict, s Severity) Judgement {
		return Judgement{Name: name, Verdict: v, Rule: GateRule{Metric: "cpu", Better: Lower, Severity: s}, Estimate: Estimate{Ratio: ratio, Low: ratio - 0.01, High: ratio + 0.01, N: 10}}
	}
	worse := judged("a", 1.05, Regression, Blocks)
	for _, test := range []struct {
		judgements []Judgement
		want       string
	}{
		{[]Judgement{worse, judged("r", 2, Regression, Reports), judged("p", 1.04, GatePassed, Blocks)}, "cpu of a (+5.0 % [+4.0 – +6.0]) is worse than the margin, and again on fresh trials"},
		{[]Judgement{judged("b", 1.02, Regression, Blocks), worse}, "cpu of a (+5.0 % [+4.0 – +6.0]) and one more that blocks are worse than the margin, and again on fresh trials"},
		{[]Judgement{worse, worse, worse}, "cpu of a (+5.0 % [+4.0 – +6.0]) and 2 more that block are worse than the margin, and again on fresh trials"},
		{[]Judgement{judged("u", 1.01, Undecided, Blocks)}, "cpu of u (+1.0 % [+0.0 – +2.0]) is neither shown to be worse than the margin nor to be within the tolerance"},
		{[]Judgement{judged("r", 2, Regression, Reports)}, "nothing that was timed can block"},
	} {
		g := GateReport{Judgements: test.judgements}
		if g.Conclude(); g.Why != test.want {
			t.Errorf("why: %s\nwant %s", g.Why, test.want)
		}
	}
}
