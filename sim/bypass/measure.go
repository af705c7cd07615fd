package bypass

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/originpull/originpull/origin"
)

// measure runs the three legs of one row and takes back what the attempt
// changed at the origin. The error is that this failed: what later rows
// would meet is not their policy.
func (s *series) measure(ctx context.Context, b bench) (Row, error) {
	row := threeLegs(ctx, b)
	if !b.lab.reloaded {
		return row, nil
	}
	if err := b.lab.Reload(ctx, b.lab.pristine, s.runner.Material.Origin); err != nil {
		err = fmt.Errorf("the policy could not be restored after %s: %w", b.planned.Case, err)
		return row.failed(row.Measured, "%v", err), err
	}
	return row, nil
}

// threeLegs is a legitimate pull, the attempt, and a legitimate pull.
func threeLegs(ctx context.Context, b bench) Row {
	row := newRow(b.planned)
	if err := b.lab.Pull(ctx); err != nil {
		return row.failed(legVerdict(err), "before the attempt the legitimate edge failed: %v", err)
	}
	row.LegBefore = true
	outcome, err := b.attempt.Run(ctx, b.lab)
	if err != nil {
		row = row.failed(NotRun, "the attempt proves nothing: %v", err)
	} else {
		row = row.judge(ctx, b, outcome)
		row.Attempts = outcome.Attempts
	}
	if row.Price = b.lab.price; row.Price != nil && row.Price.Endings != "" {
		row.Detail = strings.TrimPrefix(row.Detail+"; attempts: "+row.Price.Endings, "; ")
	}
	if err := b.lab.Pull(ctx); err != nil {
		verdict := legVerdict(err)
		if row.Measured == Bypassed || row.Measured == Leaked {
			verdict = row.Measured
		}
		row = row.failed(verdict, "after the attempt the legitimate edge failed: %v", err)
	} else {
		row.LegAfter = true
	}
	return row
}

// legVerdict tells a refused edge from an origin that is gone or silent.
func legVerdict(err error) Verdict {
	if errors.Is(err, errUnreachable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return NotRun
	}
	return Denied
}

func newRow(p Planned) Row {
	return Row{
		Case: p.Case, Title: p.Title, Server: cmp.Or(p.Server, Builtin), Strategy: p.Strategy, Mistake: p.Mistake, TLS: p.TLS,
		Protocol: p.Protocol, Predicted: p.Predicted, Measured: NotRun, Skipped: p.Skipped,
	}
}

// skippedRow is ok because it was foreseen; its reason says that it proves
// nothing.
func skippedRow(p Planned) Row {
	row := newRow(p)
	row.OK = true
	return row
}

func notRun(p Planned, err error) Row {
	return newRow(p).failed(NotRun, "%v", err)
}

// failed marks the row as not ok for a reason that is added to its detail.
func (r Row) failed(v Verdict, format string, args ...any) Row {
	r.Measured, r.OK = v, false
	r.Detail = strings.TrimPrefix(r.Detail+"; "+fmt.Sprintf(format, args...), "; ")
	return r
}

// judge decides the verdict from response bytes and the reason from the
// origin's audit log. Bypassed if any step got through; blocked only if
// every step was refused for a proof that the attempt lacks; the last step is
// the one reported.
func (r Row) judge(ctx context.Context, b bench, o Outcome) Row {
	through := o.breaches()
	if b.attempt.Legitimate && len(through) < len(o.Steps) {
		through = nil // the edge must be served throughout
	}
	if len(through) > 0 {
		r.Measured, r.Stage, r.Status = b.attempt.gain(), through[0].Stage, through[0].Status
		if !slices.ContainsFunc(through, func(s Step) bool { return !s.Held }) {
			r.Measured = Costly
		}
		names := make([]string, 0, len(through))
		for _, step := range through {
			names = append(names, step.Name)
		}
		r.Detail = "got through: " + strings.Join(names, "; ")
		r = r.compare()
		if !r.OK && r.Mistake == "" {
			r.Evidence = b.lab.evidence(ctx, through[0])
		}
		return r
	}
	if o.Denied != "" {
		return r.failed(Denied, "%s", o.Denied)
	}
	if len(o.Steps) == 0 {
		return r.failed(NotRun, "the attempt made no request")
	}
	r.Measured = Blocked
	if b.attempt.Legitimate {
		r.Measured = Denied
	}
	var seen, wrong []string
	for _, step := range o.Steps {
		if step.Kept || b.attempt.Legitimate && step.Protected() {
			r.Stage, r.Status, r.Reason = step.Stage, step.Status, step.Reason
			seen = append(seen, step.Name+": "+step.Reason)
			continue
		}
		entry, err := b.lab.Audit(ctx, step.Local)
		if b.lab.server != "" {
			r.Stage, r.Status, r.Reason, r.Proof = step.Stage, step.Status, entry.Reason, entry.Proof
			seen = append(seen, step.Name+": "+step.Reason)
			if problem := unfitOnServer(step, entry, err, b.planned.Missing); problem != "" {
				wrong = append(wrong, problem)
			}
			continue
		}
		if err != nil {
			return r.failed(NotRun, "step %q: %v", step.Name, err)
		}
		r.Stage, r.Status, r.Reason, r.Proof = step.Stage, step.Status, entry.Reason, entry.Proof
		seen = append(seen, step.Name+": "+step.Reason)
		if problem := unfit(step, entry, b.planned.Missing); problem != "" {
			wrong = append(wrong, problem)
		}
	}
	r.Detail = strings.Join(seen, "; ")
	r = r.compare()
	if problem := misplaced(b.attempt, o.Steps, b.planned); problem != "" {
		wrong = append(wrong, problem)
	}
	for _, problem := range wrong {
		r = r.failed(r.Measured, "%s", problem)
	}
	return r
}

// compare is ok when prediction and measurement agree.
func (r Row) compare() Row {
	if r.Measured != r.Predicted {
		return r.failed(r.Measured, "predicted %s", r.Predicted)
	}
	r.OK = true
	return r
}

// unfitOnServer is unfit for a real server, whose log may not name a refused
// peer at all (origin.Driver.CannotTell), or not what it lacked: what it does
// say must fit.
func unfitOnServer(step Step, entry origin.Entry, err error, missing origin.Proof) string {
	if err != nil || entry.Proof == "" {
		entry.Proof = ""
	}
	switch {
	case err == nil && entry.Verdict == origin.Allowed && step.Follows && step.Status == 0:
		return ""
	case err == nil && entry.Verdict == origin.Allowed:
		return fmt.Sprintf("step %q was refused, but the server's log says that it was served", step.Name)
	case entry.Proof != "" && !step.Malformed && !slices.Contains((missing|step.Lacks).Names(), entry.Proof):
		return fmt.Sprintf("step %q was refused for %q (%s), expected one of %s", step.Name, entry.Proof, entry.Reason, missing|step.Lacks)
	}
	return ""
}

// misplaced says which step was refused elsewhere than predicted, or "". A
// step that lacks something of its own, or that is no TLS, may come to its end
// somewhere else.
func misplaced(a Attempt, steps []Step, planned Planned) string {
	if a.Unasked { // the others are made under a name that is asked
		steps = steps[len(steps)-1:]
	}
	for _, step := range steps {
		if planned.Stage != "" && step.Stage != planned.Stage && step.Lacks == 0 && !step.Early && !step.Malformed && !step.Kept && !step.Protected() {
			return fmt.Sprintf("step %q was refused at %s, predicted at %s", step.Name, step.Stage, planned.Stage)
		}
	}
	return ""
}

// unfit says why the origin's reason for refusing a step does not count as a
// block, or "": a certificate refused for the wrong reason may be accepted
// once that reason is gone.
func unfit(step Step, entry origin.Entry, missing origin.Proof) string {
	switch {
	case entry.Verdict != origin.Refused:
		return fmt.Sprintf("step %q was refused, but the origin's log says %q", step.Name, entry.Verdict)
	case step.Silent && entry.Stage != origin.StageTCP:
		return fmt.Sprintf("step %q met silence, but the origin's log says that it was refused at %s", step.Name, entry.Stage)
	case entry.Proof == "" && step.Malformed:
		return ""
	case !slices.Contains((missing | step.Lacks).Names(), entry.Proof):
		return fmt.Sprintf("step %q was refused for %q (%s), expected one of %s", step.Name, entry.Proof, entry.Reason, missing|step.Lacks)
	}
	return ""
}
