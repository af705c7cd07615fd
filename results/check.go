package results

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Outline is what is known of a run before it starts: enough to tell a rule
// that can never be evaluated.
type Outline struct {
	Arms   []ArmRef
	Bypass []string // names of the bypass experiments
}

// ArmRef is what selectors can see of an arm.
type ArmRef struct {
	Name       string
	Experiment string
	Role       Role
	Axes       map[string]string
	Origin     string // the one of several origins whose part of the arm this is; "": all of it
}

// Ref returns what selectors can see of the arm.
func (a *Arm) Ref() ArmRef {
	name, part, _ := strings.Cut(a.Name, partMark)
	return ArmRef{Name: name, Experiment: a.Experiment, Role: a.Role, Axes: a.Axes, Origin: part}
}

// partMark stands between the name of an arm and that of an origin, in the name
// of the part that one of several origins has of the arm. No arm's name has it.
const partMark = " origin="

// subjects are what selectors can mean: the arms, and their parts.
func subjects(r *Result) []*Arm {
	var all []*Arm
	for i := range r.Arms {
		a := &r.Arms[i]
		all = append(all, a)
		for _, o := range a.Origins {
			part := *a
			part.Name, part.Metrics, part.Labels, part.Trials, part.Origins = a.Name+partMark+o.Name, o.Metrics, o.Labels, nil, nil
			all = append(all, &part)
		}
	}
	return all
}

// refs are what selectors can see of the subjects, in step with them.
func refs(r *Result) []ArmRef {
	var out []ArmRef
	for _, a := range subjects(r) {
		out = append(out, a.Ref())
	}
	return out
}

// Check reports why the rule could never be evaluated: an unknown metric, a
// unit that does not fit, an unknown key, a selector that matches no arm, or
// more than one where one is meant. The rule belongs to the named experiment;
// "" is the whole document.
func (e *Expression) Check(o Outline, experiment string) error {
	if err := e.checkMetrics(); err != nil {
		return err
	}
	for _, operand := range e.operands() {
		if operand.perExperiment() {
			if err := operand.checkBypass(o.Bypass, experiment); err != nil {
				return err
			}
			continue
		}
		if _, err := operand.match(o.Arms, experiment, !e.universal()); err != nil {
			return err
		}
	}
	return nil
}

func (e *Expression) operands() []operand {
	return slices.Concat(e.left.operands, e.right.operands)
}

func (o operand) perExperiment() bool {
	m, _ := MetricNamed(o.metric)
	return m.perExperiment
}

// checkMetrics resolves names and units, which needs no arms.
func (e *Expression) checkMetrics() error {
	for _, o := range e.operands() {
		if _, known := MetricNamed(o.metric); !known {
			return unknownMetric(o.metric)
		}
		if o.perExperiment() && !e.universal() {
			return fmt.Errorf("%s counts rows of an experiment and can only be compared with a number", o.metric)
		}
	}
	left, err := e.left.resultUnit()
	if err != nil {
		return err
	}
	if len(e.right.operands) == 0 {
		if _, err := convert(e.right.number, e.right.unit, left); err != nil {
			return fmt.Errorf("%s: %w", e.left, err)
		}
		return nil
	}
	right, err := e.right.resultUnit()
	if err != nil {
		return err
	}
	if !sameDimension(left, right) {
		return fmt.Errorf("%s is in %q and %s in %q: they cannot be compared", e.left, left, e.right, right)
	}
	return nil
}

// resultUnit returns the unit of a metric or of a ratio of two.
func (s side) resultUnit() (string, error) {
	first, _ := MetricNamed(s.operands[0].metric)
	if len(s.operands) == 1 {
		return first.Unit, nil
	}
	second, _ := MetricNamed(s.operands[1].metric)
	if !sameDimension(first.Unit, second.Unit) {
		return "", fmt.Errorf("a ratio needs two metrics of one kind, and %s is in %q, %s in %q", first.Name, first.Unit, second.Name, second.Unit)
	}
	return "ratio", nil
}

// match returns the indexes of the arms that the operand means: ordinary ones
// unless role is selected, of the rule's experiment unless another is, and the
// parts of several origins only where origin is selected. At least one, and with
// single exactly one, must match.
func (o operand) match(arms []ArmRef, experiment string, single bool) ([]int, error) {
	scope := func(a ArmRef) bool {
		return (o.selects(keyRole) || a.Role == RoleArm) && (a.Origin == "" || o.selects(keyOrigin)) &&
			(o.selects(keyExperiment) || experiment == "" || a.Experiment == experiment)
	}
	var matched []int
	for i, a := range arms {
		if scope(a) && o.accepts(a) {
			matched = append(matched, i)
		}
	}
	switch {
	case len(matched) == 0:
		return nil, fmt.Errorf("%s matches no arm%s", o, o.explain(slices.DeleteFunc(slices.Clone(arms), func(a ArmRef) bool { return !scope(a) })))
	case single && len(matched) > 1:
		names := make([]string, len(matched))
		for i, m := range matched {
			names[i] = arms[m].label()
		}
		return nil, fmt.Errorf("%s must match exactly one arm here and matches %d: %s", o, len(matched), strings.Join(names, "; "))
	}
	return matched, nil
}

func (o operand) selects(key string) bool {
	return slices.ContainsFunc(o.selectors, func(s selector) bool { return s.key == key })
}

func (o operand) accepts(a ArmRef) bool {
	for _, s := range o.selectors {
		if !s.accepts(a) {
			return false
		}
	}
	return true
}

// accepts reports whether the selector lets the arm through. An arm without
// the axis is matched neither by = nor by !=.
func (s selector) accepts(a ArmRef) bool {
	value, has := a.key(s.key)
	if !has {
		return false
	}
	same := alike(value, s.value) || s.key == keyArm && value == a.Experiment+"/"+s.value
	return same != s.not
}

// alike reports whether two values are the same: as written, or as durations,
// of which there are several ways to write one.
func alike(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := time.ParseDuration(a)
	y, errY := time.ParseDuration(b)
	return errX == nil && errY == nil && x == y
}

// key returns what the arm has under a selector's key.
func (a ArmRef) key(key string) (string, bool) {
	switch key {
	case keyExperiment:
		return a.Experiment, true
	case keyRole:
		return string(a.Role), true
	case keyArm:
		return a.Name, true
	case keyOrigin:
		if a.Origin != "" {
			return a.Origin, true
		}
	}
	value, has := a.Axes[key]
	return value, has
}

// label names the arm, or the part of it, in a sentence.
func (a ArmRef) label() string {
	if a.Origin == "" {
		return a.Name
	}
	return a.Name + partMark + a.Origin
}

// explain says which selector no arm in scope satisfies.
func (o operand) explain(arms []ArmRef) string {
	if len(arms) == 0 {
		return ": there is no such arm in this experiment"
	}
	for _, s := range o.selectors {
		values, keys := map[string]bool{}, map[string]bool{keyExperiment: true, keyRole: true, keyArm: true}
		for _, a := range arms {
			if value, has := a.key(s.key); has {
				values[value] = true
			}
			for axis := range a.Axes {
				keys[axis] = true
			}
			if a.Origin != "" {
				keys[keyOrigin] = true
			}
		}
		if !keys[s.key] {
			return fmt.Sprintf(": %q is no axis%s", s.key, hint(s.key, keys))
		}
		if !slices.ContainsFunc(arms, s.accepts) {
			return fmt.Sprintf(": no arm has %s%s", s, hint(s.value, values))
		}
	}
	return ": its selectors exclude each other"
}

// hint suggests the nearest candidate, or lists a few.
func hint(word string, candidates map[string]bool) string {
	names := slices.Sorted(maps.Keys(candidates))
	if near := didYouMean(word, names); near != "" {
		return near
	}
	if len(names) == 0 || len(names) > 8 {
		return ""
	}
	return ": there are " + strings.Join(names, ", ")
}

// rowKeys are the keys that select bypass rows.
var rowKeys = []string{keyExperiment, "case", "strategy", "server", "tls", "protocol"}

// checkBypass checks an operand that counts bypass rows.
func (o operand) checkBypass(experiments []string, experiment string) error {
	for _, s := range o.selectors {
		if !slices.Contains(rowKeys, s.key) {
			return fmt.Errorf("%s: unknown key %q: bypass rows are selected by %s", o, s.key, strings.Join(rowKeys, ", "))
		}
	}
	if len(o.bypassExperiments(experiments, experiment)) == 0 {
		return errors.New(o.String() + " matches no bypass experiment")
	}
	return nil
}

// bypassExperiments returns the bypass experiments that the operand means.
func (o operand) bypassExperiments(all []string, experiment string) []string {
	var out []string
	for _, name := range all {
		ok := o.selects(keyExperiment) || experiment == "" || name == experiment
		for _, s := range o.selectors {
			if s.key == keyExperiment && (s.value == name) == s.not {
				ok = false
			}
		}
		if ok {
			out = append(out, name)
		}
	}
	return out
}
