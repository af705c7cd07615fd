package results

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The axis on which the two sides of a gate differ, and its values.
const (
	GateAxis = "gate"
	GateBase = "base"
	GateHead = "head"
)

// GateArms pairs every arm of base with that of head, by the name that they
// share without the gate's axis, in the order of the document. The error
// names what kept the run from being judged: interrupted, an arm that failed,
// one without its other side.
func (r *Result) GateArms() (names []string, sides map[string][2]*Arm, err error) {
	sides = map[string][2]*Arm{}
	var problems []error
	if !r.Complete {
		problems = append(problems, errors.New("the run is not complete"))
	}
	for _, x := range r.Experiments {
		if x.Skipped != "" {
			problems = append(problems, fmt.Errorf("%s was not run: %s", x.Name, x.Skipped))
		}
	}
	for i := range r.Arms {
		a := &r.Arms[i]
		if a.Error != "" {
			problems = append(problems, fmt.Errorf("%s: %s", a.Name, a.Error))
		}
		side, has := a.Axes[GateAxis]
		if !has || a.Role != RoleArm {
			continue
		}
		name := gateName(a)
		pair, known := sides[name]
		if !known {
			names = append(names, name)
		}
		if side == GateBase {
			pair[0] = a
		} else {
			pair[1] = a
		}
		sides[name] = pair
	}
	for _, name := range names {
		if sides[name][0] == nil || sides[name][1] == nil {
			problems = append(problems, fmt.Errorf("%s has only one of base and head", name))
		}
	}
	if len(names) == 0 {
		problems = append(problems, errors.New("no arm stands on both sides"))
	}
	return names, sides, errors.Join(problems...)
}

// gateName is an arm's name without the gate's axis.
func gateName(a *Arm) string {
	side := a.Axes[GateAxis]
	return strings.TrimSuffix(strings.Replace(a.Name, GateAxis+"="+side+",", "", 1), "/"+GateAxis+"="+side)
}

// RuleOf finds the rule of a metric of an arm; false leaves the metric out.
type RuleOf func(arm *Arm, metric string) (GateRule, bool)

// DefaultRules is RuleOf without rules of the user's own.
func DefaultRules(_ *Arm, metric string) (GateRule, bool) { return DefaultRule(metric) }

// GateSamples takes from a run what the gate tests: CPU from the paired blocks
// of each trial, in-run ratios of two arms from the same, everything else from
// the two sides' values of a trial.
func (r *Result) GateSamples(rules RuleOf) ([]GateSample, error) {
	names, sides, err := r.GateArms()
	if err != nil {
		return nil, err
	}
	var samples []GateSample
	for _, name := range names {
		base, head := sides[name][0], sides[name][1]
		for _, metric := range testable(base, head) {
			rule, has := rules(head, metric)
			if !has {
				continue
			}
			m, _ := MetricNamed(metric)
			s := GateSample{Name: name, Rule: rule}
			if m.Kind == CPU {
				i := slices.IndexFunc(r.Pairs, func(p Pair) bool { return p.A == head.Name && p.B == base.Name && p.Metric == metric })
				if i < 0 {
					continue // a handshake experiment's CPU is net; the gross one has no pair
				}
				s.Estimates = slices.Clone(r.Pairs[i].Estimates)
			} else {
				s.Estimates = trialRatios(base, head, metric)
			}
			samples = append(samples, s)
		}
	}
	samples = append(samples, r.ratioSamples(rules)...)
	if len(samples) == 0 {
		return nil, errors.New("there is nothing to judge: no metric with a rule was measured")
	}
	return samples, nil
}

// testable are the metrics that a trial of either side measured, in the
// registry's order. Those of one side only are kept: no sample is no pass.
func testable(base, head *Arm) []string {
	measured := map[string]bool{}
	for _, a := range []*Arm{base, head} {
		for _, t := range a.Trials {
			for name := range t.Metrics {
				measured[name] = true
			}
		}
	}
	var names []string
	for _, m := range metrics {
		if measured[m.Name] {
			names = append(names, m.Name)
		}
	}
	return names
}

// fromNothing is the ratio that a value counts as which was zero on one side
// alone: no logarithm says it.
const fromNothing = 1000

func trialRatios(base, head *Arm, metric string) []float64 {
	var out []float64
	for i := range min(len(base.Trials), len(head.Trials)) {
		tb, th := base.Trials[i], head.Trials[i]
		b, hasBase := tb.Metrics[metric]
		h, hasHead := th.Metrics[metric]
		if !tb.Complete || !th.Complete || !hasBase || !hasHead || b < 0 || h < 0 {
			continue
		}
		switch {
		case b == h:
			out = append(out, 0)
		case b == 0:
			out = append(out, math.Log(fromNothing))
		case h == 0:
			out = append(out, -math.Log(fromNothing))
		default:
			out = append(out, math.Log(h/b))
		}
	}
	return out
}

// Fails reports whether the judgement fails its gate.
func (j *ExactJudgement) Fails() bool { return j.Verdict == Regression && j.Severity != Reports }

// ExactJudgement is what a gate says about something that is compared exactly.
type ExactJudgement struct {
	Name     string   `json:"name"` // of the arm, or of the row of the bypass matrix
	What     string   `json:"what"` // metric, label or "verdict"
	Verdict  Verdict  `json:"verdict"`
	Severity Severity `json:"severity"`
	Reason   string   `json:"reason"`
}

// exactLabels are facts of an arm that a change must not move by itself.
var exactLabels = []string{LabelTLSVersion, LabelGroup, LabelCipher, LabelKey, LabelResumption}

// mustStay are counts that depend on how long a run was, unless they are zero.
var mustStay = []string{"handshake.failed", "requests.failed", "handshake.full", "handshake.resumed", "cache.stale"}

// GateExact compares the two sides of a run exactly. Whatever changed is a
// REGRESSION, for the better too: nobody has explained it. severity is of a
// metric or label of an arm; nil has everything block.
func (r *Result) GateExact(severity func(a *Arm, what string) Severity) ([]ExactJudgement, error) {
	names, sides, err := r.GateArms()
	if err != nil {
		return nil, err
	}
	var out []ExactJudgement
	for _, name := range names {
		from := len(out)
		base, head := sides[name][0], sides[name][1]
		out = append(out, exactArm(name, base, head)...)
		if r.counted(base.Experiment) {
			out = append(out, exactCounts(name, base, head)...)
		}
		for i := from; i < len(out) && severity != nil; i++ {
			out[i].Severity = severity(head, out[i].What)
		}
	}
	return out, nil
}

// exactArm compares two arms that should be the same.
func exactArm(name string, base, head *Arm) []ExactJudgement {
	var out []ExactJudgement
	for _, m := range metrics {
		if m.Kind == Exact {
			out = append(out, exactValue(name, m, base.Metrics[m.Name], head.Metrics[m.Name])...)
		}
	}
	for _, counter := range mustStay {
		b, h := base.Metrics[counter], head.Metrics[counter]
		if b.N > 0 && h.N > 0 && (b.Value == 0) != (h.Value == 0) {
			out = append(out, ExactJudgement{name, counter, Regression, Blocks, fmt.Sprintf("was %g, is %g", b.Value, h.Value)})
		}
	}
	for _, label := range exactLabels {
		if b, h := base.Labels[label], head.Labels[label]; b != h {
			out = append(out, ExactJudgement{name, label, Regression, Blocks, fmt.Sprintf("was %q, is %q", b, h)})
		}
	}
	return out
}

// exactWhenCounted are exact where both sides made the same requests, one after
// another: what a connection pool and a cache do with them is no accident then.
var exactWhenCounted = []string{
	"requests.count", "requests.failed", "connect.count", "handshake.full", "handshake.resumed", "reuse.ratio",
	"cache.hit.ratio", "cache.stale", "cache.revalidated", "cache.collapsed", "origin.requests", "origin.bytes", "origin.connections", "origin.offload",
}

func (r *Result) counted(experiment string) bool {
	return slices.ContainsFunc(r.Experiments, func(x Experiment) bool { return x.Name == experiment && x.Counted > 0 })
}

func exactCounts(name string, base, head *Arm) []ExactJudgement {
	var out []ExactJudgement
	for _, metric := range exactWhenCounted {
		m, _ := MetricNamed(metric)
		out = append(out, exactValue(name, m, base.Metrics[metric], head.Metrics[metric])...)
	}
	return out
}

func exactValue(name string, m Metric, base, head Value) []ExactJudgement {
	j := ExactJudgement{Name: name, What: m.Name, Verdict: GatePassed, Severity: Blocks, Reason: "the same"}
	switch {
	case base.N == 0 && head.N == 0:
		return nil
	case base.N == 0 || head.N == 0:
		j.Verdict, j.Reason = Regression, "was measured on one side only"
	case !sameExact(m, base, head):
		was, is := exactWords(base, 6), exactWords(head, 6)
		if was == is {
			was, is = exactWords(base, -1), exactWords(head, -1)
		}
		j.Verdict, j.Reason = Regression, fmt.Sprintf("was %s, is %s", was, is)
	}
	return []ExactJudgement{j}
}

// exactWords is a value with its unit; fractions have so many digits, -1: all.
func exactWords(v Value, digits int) string {
	number := func(n float64) string {
		if n == math.Trunc(n) {
			return strconv.FormatFloat(n, 'f', -1, 64)
		}
		return strconv.FormatFloat(n, 'g', digits, 64)
	}
	unit := ""
	if v.Unit != "count" && v.Unit != "ratio" {
		unit = " " + v.Unit
	}
	if v.HasInterval() && v.Low != v.High {
		return number(v.Low) + "–" + number(v.High) + unit
	}
	return number(v.Value) + unit
}

// GateAttempts compares two bypass matrices row by row: a verdict that
// flipped, a row that is gone and one that head alone could not run are
// REGRESSIONS, and so is a head whose row is not as predicted where base's
// was. A row that base could not run and that came out in head as predicted is
// none: an older build knows fewer mistakes. The rows that are the same are one judgement together.
func GateAttempts(base, head *Result) []ExactJudgement {
	rows := func(r *Result) map[string]*BypassRow {
		out := map[string]*BypassRow{}
		for i := range r.Bypass {
			out[rowKey(&r.Bypass[i])] = &r.Bypass[i]
		}
		return out
	}
	b, h := rows(base), rows(head)
	keys := maps.Clone(b)
	maps.Copy(keys, h)
	var out []ExactJudgement
	same := 0
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		before, after := b[key], h[key]
		switch {
		case before == nil || after == nil:
			out = append(out, ExactJudgement{key, "verdict", Regression, Blocks, "the row is on one side only"})
		case before.Measured == VerdictNotRun && after.Measured != VerdictNotRun && after.OK:
			out = append(out, ExactJudgement{key, "verdict", Improvement, Blocks, fmt.Sprintf("base could not run it, and in head it is %s as predicted", rowWords(after))})
		case before.Measured != after.Measured || before.Stage != after.Stage || before.OK && !after.OK:
			out = append(out, ExactJudgement{key, "verdict", Regression, Blocks, fmt.Sprintf("was %s, is %s", rowWords(before), rowWords(after))})
		default:
			same++
		}
	}
	if same > 0 {
		out = append(out, ExactJudgement{"bypass", "verdict", GatePassed, Blocks, fmt.Sprintf("%s came out the same", counted(same, "row", "rows"))})
	}
	return out
}

func rowWords(b *BypassRow) string {
	words := strings.TrimSpace(b.Measured + " " + b.Stage)
	if b.Ran() && !b.OK {
		words += ", which is not as predicted"
	}
	return words
}

// Unstable marks the failures that a second run of both matrices did not
// show: they fail as well, because a verdict that depends on luck is none.
func Unstable(first, again []ExactJudgement) []ExactJudgement {
	out := slices.Clone(first)
	for k := range out {
		j := &out[k]
		if j.Fails() && !slices.ContainsFunc(again, func(o ExactJudgement) bool { return o.Fails() && o.Name == j.Name }) {
			j.Reason += "; a second run did not show it: the verdict is unstable"
		}
	}
	return out
}
