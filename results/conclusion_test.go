package results

import "testing"

func TestConclude(t *testing.T) {
	pass := Expectation{Pass: true}
	for name, c := range map[string]struct {
		change func(*Result)
		want   Conclusion
	}{
		"everything holds":         {func(*Result) {}, Passed},
		"interrupted":              {func(r *Result) { r.Complete = false }, RunFailed},
		"failed arm":               {func(r *Result) { r.Arms = []Arm{{}, {Error: "killed"}} }, RunFailed},
		"failed arm beats unmet":   {func(r *Result) { r.Arms, r.Expectations = []Arm{{Error: "killed"}}, []Expectation{{}} }, RunFailed},
		"unmet":                    {func(r *Result) { r.Expectations = []Expectation{pass, {}} }, Unmet},
		"unmet beats inconclusive": {func(r *Result) { r.Expectations = []Expectation{{Inconclusive: true}, {}} }, Unmet},
		"unmet beats invalid":      {func(r *Result) { r.Expectations, r.Validity.Valid = []Expectation{{}}, false }, Unmet},
		"bypass row":               {func(r *Result) { r.Bypass = []BypassRow{{OK: true}, {}} }, Unmet},
		"broken row":               {func(r *Result) { r.Bypass = []BypassRow{{Measured: VerdictNotRun}} }, Unmet},
		"skipped row":              {func(r *Result) { r.Bypass = []BypassRow{{Skipped: "no h3", Measured: VerdictNotRun}} }, Passed},
		"inconclusive":             {func(r *Result) { r.Expectations = []Expectation{pass, {Inconclusive: true}} }, Inconclusive},
		"invalid":                  {func(r *Result) { r.Validity.Valid = false }, Inconclusive},
	} {
		r := &Result{Complete: true, Expectations: []Expectation{pass}, Validity: Validity{Valid: true}}
		c.change(r)
		if got := r.Conclude(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
