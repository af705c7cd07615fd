package results

import "fmt"

// Conclusion is what a whole run comes to; exit codes follow from it.
type Conclusion string

// The conclusions, the gravest first: a run that is several of them is the
// first of them.
const (
	RunFailed    Conclusion = "run failed"   // interrupted, or an arm failed
	Unmet        Conclusion = "failed"       // an expectation or a bypass verdict failed
	Inconclusive Conclusion = "inconclusive" // the measurement is not valid, or not where an expectation asked
	Passed       Conclusion = "passed"
)

// Conclude weighs the whole document. A bypass row that was never to run here
// (it says why in Skipped) weighs nothing; any other that is not ok, broken
// ones included, fails the run.
func (r *Result) Conclude() Conclusion {
	failed := !r.Complete
	for i := range r.Arms {
		failed = failed || r.Arms[i].Error != ""
	}
	unmet, inconclusive := false, !r.Validity.Valid
	for _, e := range r.Expectations {
		unmet = unmet || !e.Pass && !e.Inconclusive
		inconclusive = inconclusive || e.Inconclusive
	}
	for i := range r.Bypass {
		b := &r.Bypass[i]
		if b.State == StateUnproven {
			inconclusive = true
			continue
		}
		unmet = unmet || b.Skipped == "" && !b.OK
	}
	switch {
	case failed:
		return RunFailed
	case unmet:
		return Unmet
	case inconclusive:
		return Inconclusive
	}
	return Passed
}

// counted is how many of something there are, in words.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
