package results

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Evaluate applies the rule of the named experiment ("" = whole document) to
// a result. Whatever keeps it from being evaluated — no arm, no sample, a
// failed arm, an unknown metric — fails it with a detail that says why.
func (e *Expression) Evaluate(r *Result, experiment string) Expectation {
	out := Expectation{Expression: e.String(), Experiment: experiment}
	if err := e.checkMetrics(); err != nil {
		out.Detail = err.Error()
		return out
	}
	switch {
	case e.left.operands[0].perExperiment():
		e.evaluateBypass(r, experiment, &out)
	case e.universal():
		e.evaluateEvery(r, experiment, &out)
	default:
		e.evaluateOne(r, experiment, &out)
	}
	return out
}

// What marks a latency of an arm whose generator was late, and every time of
// one whose link was.
var (
	errLate     = errors.New("the generator was late, so latency is not valid")
	errLateLink = errors.New("the link was late, so times are not valid")
)

// void reports whether a value is missing, or not valid, for a reason that makes
// a rule inconclusive instead of failed.
func void(err error) bool {
	return errors.Is(err, errLate) || errors.Is(err, errLateLink) || errors.Is(err, errAtLeast)
}

// measured returns the operand's value in one arm, in the metric's unit.
func (o operand) measured(r *Result, a *Arm) (float64, error) {
	if a.Error != "" {
		return 0, fmt.Errorf("the arm failed: %s", a.Error)
	}
	var bounded error
	if o.metric == MetricCapacity {
		bounded = a.capacity()
	}
	v, has := a.Metrics[o.metric]
	if !has && bounded != nil {
		return 0, bounded
	}
	if !has {
		return 0, fmt.Errorf("it measured no %s", o.metric)
	}
	if v.N <= 0 {
		return 0, fmt.Errorf("%s has no sample", o.metric)
	}
	if math.IsNaN(v.Value) || math.IsInf(v.Value, 0) {
		return 0, fmt.Errorf("%s is %v", o.metric, v.Value)
	}
	whole := a.Ref().Name
	if strings.HasPrefix(o.metric, "latency.") && r.Validity.Generator[whole].Late {
		return v.Value, errLate
	}
	if r.Validity.Links[whole] != "" && v.Kind == Time {
		return v.Value, errLateLink
	}
	return v.Value, bounded
}

// rises reports whether a rule that holds of a lower bound holds of the value.
func (e *Expression) rises() bool { return e.op == ">" || e.op == ">=" }

// hold compares a measured value with a bound. An exact value that was not the
// same every time must hold at both ends of its range.
func (e *Expression) hold(v Value, metric Metric, bound float64) error {
	values := []float64{v.Value}
	if metric.Kind == Exact && v.HasInterval() && v.Low != v.High {
		values = []float64{v.Low, v.High}
	}
	for _, value := range values {
		if !e.compare(value, bound) {
			return fmt.Errorf("%s, want %s %s", withUnit(value, metric.Unit), e.op, withUnit(bound, metric.Unit))
		}
	}
	return nil
}

// evaluateEvery is the plain form: it holds in every matched arm or fails.
func (e *Expression) evaluateEvery(r *Result, experiment string, out *Expectation) {
	o := e.left.operands[0]
	matched, err := o.match(refs(r), experiment, false)
	if err != nil {
		out.Detail = err.Error()
		return
	}
	metric, _ := MetricNamed(o.metric)
	bound, err := convert(e.right.number, e.right.unit, metric.Unit)
	if err != nil {
		out.Detail = err.Error()
		return
	}
	var failures []string
	late := 0
	lowest, highest := math.Inf(1), math.Inf(-1)
	all := subjects(r)
	for i, index := range matched {
		a := all[index]
		value, err := o.measured(r, a)
		switch held := e.hold(a.Metrics[o.metric], metric, bound); {
		case err == nil:
			err = held
		case errors.Is(err, errAtLeast) && a.Metrics[o.metric].N > 0 && held == nil && e.rises():
			err = nil
		}
		if void(err) {
			late++
		}
		if i == 0 || err != nil && len(failures) == 0 {
			out.Value = value
		}
		if err != nil {
			failures = append(failures, fmt.Sprintf("%s: %s", a.Name, err))
		}
		lowest, highest = min(lowest, value), max(highest, value)
	}
	if out.Pass = len(failures) == 0; out.Pass {
		out.Detail = fmt.Sprintf("%s: %s", counted(len(matched), "arm", "arms"), between(lowest, highest, metric.Unit))
		return
	}
	out.Inconclusive = late == len(failures)
	out.Detail = joined(failures)
}

// evaluateOne compares two sides that each stand for single arms.
func (e *Expression) evaluateOne(r *Result, experiment string, out *Expectation) {
	left, unit, err := e.left.value(r, experiment)
	bounded := errors.Is(err, errAtLeast) && left > 0 && e.rises()
	if bounded {
		err = nil
	}
	out.Value = left
	if err == nil {
		right, rightUnit := e.right.number, e.right.unit
		if len(e.right.operands) > 0 {
			right, rightUnit, err = e.right.value(r, experiment)
		}
		if err == nil {
			right, err = convert(right, rightUnit, unit)
		}
		out.Pass = err == nil && e.compare(left, right)
		if bounded && err == nil && !out.Pass {
			err = errAtLeast
		}
		if out.Detail = withUnit(left, unit); !out.Pass {
			out.Detail += fmt.Sprintf(", want %s %s", e.op, withUnit(right, unit))
		}
	}
	if err != nil {
		out.Pass = false
		out.Inconclusive = void(err)
		out.Detail = err.Error()
	}
}

// value returns a metric, or a ratio of two, and its unit. Both operands of a
// ratio match exactly one arm each. With errAtLeast the value is a lower bound.
func (s side) value(r *Result, experiment string) (float64, string, error) {
	values := make([]float64, len(s.operands))
	var bounded error
	for i, o := range s.operands {
		matched, err := o.match(refs(r), experiment, true)
		if err != nil {
			return 0, "", err
		}
		a := subjects(r)[matched[0]]
		values[i], err = o.measured(r, a)
		if i == 0 && errors.Is(err, errAtLeast) {
			bounded, err = fmt.Errorf("%s: %w", a.Name, err), nil
		}
		if err != nil {
			return 0, "", fmt.Errorf("%s: %w", a.Name, err)
		}
		m, _ := MetricNamed(o.metric)
		first, _ := MetricNamed(s.operands[0].metric)
		if values[i], err = convert(values[i], m.Unit, first.Unit); err != nil {
			return 0, "", err
		}
	}
	unit, err := s.resultUnit()
	if err != nil || len(values) == 1 {
		return values[0], unit, errors.Join(err, bounded)
	}
	if values[1] == 0 {
		return 0, "", fmt.Errorf("%s is 0, and nothing can be divided by it", s.operands[1])
	}
	return values[0] / values[1], unit, bounded
}

// evaluateBypass counts the executed rows that are not ok.
func (e *Expression) evaluateBypass(r *Result, experiment string, out *Expectation) {
	o := e.left.operands[0]
	if err := o.checkBypass(plannedBypass(r), experiment); err != nil {
		out.Detail = err.Error()
		return
	}
	bound, err := convert(e.right.number, e.right.unit, "count")
	if err != nil {
		out.Detail = err.Error()
		return
	}
	ran := 0
	var bad []string
	for _, name := range o.bypassExperiments(plannedBypass(r), experiment) {
		n, unexpected, err := o.rows(r, name)
		if err != nil {
			out.Detail = err.Error()
			return
		}
		ran += n
		bad = append(bad, unexpected...)
	}
	out.Value = float64(len(bad))
	out.Pass = e.compare(out.Value, bound)
	if out.Detail = counted(ran, "row", "rows") + " ran, all as predicted"; len(bad) > 0 {
		out.Detail = fmt.Sprintf("%d of %s not as predicted: %s", len(bad), counted(ran, "row", "rows"), joined(bad))
	}
	if !out.Pass && len(bad) == 0 {
		out.Detail += fmt.Sprintf(", want %s %s", e.op, number(bound))
	}
}

// plannedBypass names the bypass experiments: those planned and, should a
// document not list them, those with rows.
func plannedBypass(r *Result) []string {
	var names []string
	for _, e := range r.Experiments {
		if e.Kind == KindBypass {
			names = append(names, e.Name)
		}
	}
	for _, b := range r.Bypass {
		if !slices.Contains(names, b.Experiment) {
			names = append(names, b.Experiment)
		}
	}
	return names
}

// rows returns how many selected rows of one experiment ran and describes
// those that are not ok. A bypass that was planned and not carried out is an
// error: nothing was proven.
func (o operand) rows(r *Result, experiment string) (ran int, unexpected []string, err error) {
	recorded := 0
	for i := range r.Bypass {
		b := &r.Bypass[i]
		if b.Experiment != experiment {
			continue
		}
		recorded++
		if !o.acceptsRow(b) || !b.Ran() {
			continue
		}
		ran++
		if !b.OK {
			unexpected = append(unexpected, fmt.Sprintf("%s (predicted %s, measured %s)", b.Label(), b.Predicted, b.Measured))
		}
	}
	if planned, _ := r.Experiment(experiment); recorded < planned.Rows {
		return 0, nil, fmt.Errorf("only %d of %d planned rows were recorded", recorded, planned.Rows)
	}
	if ran == 0 {
		return 0, nil, fmt.Errorf("%s: no row ran", o)
	}
	return ran, unexpected, nil
}

func (o operand) acceptsRow(b *BypassRow) bool {
	values := map[string]string{keyExperiment: b.Experiment, "case": b.Case, "strategy": b.Strategy, "server": b.Server, "tls": b.TLS, "protocol": b.Protocol}
	for _, s := range o.selectors {
		if (values[s.key] == s.value) == s.not {
			return false
		}
	}
	return true
}

// Label names the row in a line: case, strategy, TLS version and the mistake
// of a control.
func (b *BypassRow) Label() string {
	parts := []string{b.Case, b.Strategy}
	if b.TLS != "" {
		parts = append(parts, "TLS "+b.TLS)
	}
	if b.Mistake != "" {
		parts = append(parts, "control "+b.Mistake)
	}
	return strings.Join(parts, " ")
}

// joined lists at most three failures.
func joined(failures []string) string {
	if len(failures) <= 3 {
		return strings.Join(failures, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(failures[:3], "; "), len(failures)-3)
}

func between(low, high float64, unit string) string {
	if low == high {
		return withUnit(low, unit)
	}
	return fmt.Sprintf("%s to %s", withUnit(low, unit), withUnit(high, unit))
}

// withUnit prints a value with six significant digits and its unit; counts
// and ratios carry none.
func withUnit(v float64, unit string) string {
	text := fmt.Sprintf("%.6g", v)
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		text = fmt.Sprintf("%.0f", v)
	}
	if unit == "count" || unit == "ratio" {
		return text
	}
	return text + " " + unit
}
