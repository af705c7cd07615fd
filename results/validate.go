package results

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Validate checks what the schema cannot say: numbers are finite, intervals
// are ordered, names are unique and refer to something, known metrics have
// their unit, and the parts do not contradict each other. Metrics, verdicts
// and keys that it does not know are fine. The error joins every problem.
func Validate(r *Result) error {
	v := &validator{arms: map[string]bool{}}
	if r.Schema != SchemaName {
		v.problem("schema is %q, want %q", r.Schema, SchemaName)
	}
	v.finite("elapsed", r.Elapsed)
	experiments := map[string]bool{}
	for i, e := range r.Experiments {
		at := fmt.Sprintf("experiments[%d]", i)
		if experiments[e.Name] {
			v.problem("%s: the name %q is taken", at, e.Name)
		}
		experiments[e.Name] = true
		v.finite(at, e.Block, e.PlannedSeconds)
	}
	for i := range r.Arms {
		v.arm(i, &r.Arms[i])
	}
	for i := range r.Pairs {
		v.pair(i, &r.Pairs[i])
	}
	for i := range r.Bypass {
		if b := &r.Bypass[i]; b.OK && b.Ran() && (b.Measured != b.Predicted || b.Measured == VerdictNotRun) {
			v.problem("bypass[%d]: %s is ok although %q was predicted and %q measured", i, b.Case, b.Predicted, b.Measured)
		}
	}
	taken := map[string]bool{}
	for i := range r.Findings {
		v.finding(i, &r.Findings[i], taken)
	}
	for i, e := range r.Expectations {
		v.finite(fmt.Sprintf("expectations[%d]", i), e.Value)
		if e.Pass && e.Inconclusive {
			v.problem("expectations[%d] is both passed and inconclusive", i)
		}
	}
	for i, c := range r.Claims {
		at := fmt.Sprintf("claims[%d]", i)
		v.finite(at, c.Value, c.Low, c.High)
		if c.Low > c.High {
			v.problem("%s: low %v is above high %v", at, c.Low, c.High)
		}
	}
	v.validity(&r.Validity)
	return errors.Join(v.problems...)
}

type validator struct {
	problems []error
	arms     map[string]bool
}

func (v *validator) problem(format string, args ...any) {
	v.problems = append(v.problems, fmt.Errorf(format, args...))
}

func (v *validator) finite(at string, values ...float64) {
	for _, x := range values {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			v.problem("%s: %v is not a number that a document can hold", at, x)
		}
	}
}

func (v *validator) arm(i int, a *Arm) {
	at := fmt.Sprintf("arms[%d] %s", i, a.Name)
	if a.Name == "" {
		v.problem("arms[%d] has no name", i)
	}
	if v.arms[a.Name] {
		v.problem("%s: the name is taken", at)
	}
	v.arms[a.Name] = true
	switch a.Role {
	case RoleArm, RoleBaseline, RoleAA:
	default:
		v.problem("%s: role is %q, want arm, baseline or aa", at, a.Role)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Metrics)) {
		v.value(at+": "+name, name, a.Metrics[name])
	}
	origins := map[string]bool{}
	for j, o := range a.Origins {
		part := fmt.Sprintf("%s: origins[%d] %s", at, j, o.Name)
		if o.Name == "" || origins[o.Name] {
			v.problem("%s: the name is missing or taken", part)
		}
		origins[o.Name] = true
		for _, name := range slices.Sorted(maps.Keys(o.Metrics)) {
			v.value(part+": "+name, name, o.Metrics[name])
		}
	}
	for _, t := range a.Trials {
		for _, name := range slices.Sorted(maps.Keys(t.Metrics)) {
			v.finite(fmt.Sprintf("%s: trial %d: %s", at, t.Index, name), t.Metrics[name])
		}
		if t.Search != nil {
			v.search(fmt.Sprintf("%s: trial %d: search", at, t.Index), t.Search)
		}
	}
}

func (v *validator) search(at string, s *Search) {
	v.finite(at, s.From, s.To, s.Within, s.Step, s.Kept, s.Broken)
	if s.Kept != 0 && s.Broken != 0 && s.Kept >= s.Broken {
		v.problem("%s: %v was kept and %v was not", at, s.Kept, s.Broken)
	}
	for _, step := range s.Steps {
		v.finite(at, step.Rate, step.Achieved, step.P50, step.P99, step.Edge, step.Origin, step.Others)
	}
}

func (v *validator) value(at, name string, value Value) {
	v.finite(at, value.Value, value.Low, value.High)
	if value.Low > value.High {
		v.problem("%s: low %v is above high %v", at, value.Low, value.High)
	}
	if m, known := MetricNamed(name); known && value.Unit != m.Unit {
		v.problem("%s: unit is %q, want %q", at, value.Unit, m.Unit)
	}
}

func (v *validator) pair(i int, p *Pair) {
	at := fmt.Sprintf("pairs[%d] %s", i, p.Metric)
	for _, name := range []string{p.A, p.B} {
		if !v.arms[name] {
			v.problem("%s: there is no arm %q", at, name)
		}
	}
	v.finite(at, p.Ratio, p.Low, p.High)
	v.finite(at, p.Estimates...)
	if p.Ratio <= 0 || p.Low < 0 || p.Low > p.High {
		v.problem("%s: ratio %v with the interval %v to %v is impossible", at, p.Ratio, p.Low, p.High)
	}
	if p.Resolved && !p.Estimate().HasInterval() {
		v.problem("%s is resolved without an interval", at)
	}
}

func (v *validator) validity(d *Validity) {
	for _, experiment := range slices.Sorted(maps.Keys(d.AA)) {
		for _, metric := range slices.Sorted(maps.Keys(d.AA[experiment])) {
			e := d.AA[experiment][metric]
			v.finite(fmt.Sprintf("validity.aa %s %s", experiment, metric), e.Ratio, e.Low, e.High)
		}
	}
	for _, arm := range slices.Sorted(maps.Keys(d.Generator)) {
		v.finite("validity.generator "+arm, d.Generator[arm].SendErrorP99)
	}
	for _, t := range d.Tallies {
		if d.Reconciled && !t.Agrees() {
			v.problem("validity.reconciled is true although %s has %d connects and %d handshakes", t.Arm, t.Connects, t.Handshakes)
		}
	}
	if d.Valid && !d.Reconciled && (len(d.Tallies) > 0 || len(v.arms) > 0) {
		v.problem("validity.valid is true although the run was not reconciled")
	}
}
