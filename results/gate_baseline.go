package results

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// CheckBaseline says why a stored baseline cannot be held against a run of
// this scenario digest in this environment. In-run ratios survive another
// hour, not another processor or compiler.
func CheckBaseline(baseline *Result, digest string, environment map[string]string) error {
	var problems []error
	differs := func(what, was, is string) {
		if was != is {
			problems = append(problems, fmt.Errorf("the baseline is of the %s %q, this is %q: save a new one", what, was, is))
		}
	}
	differs("scenario", baseline.Scenario.Digest, digest)
	differs("CPU model", baseline.Environment[EnvCPU], environment[EnvCPU])
	differs("Go version", baseline.Environment[EnvGo], environment[EnvGo])
	return errors.Join(problems...)
}

// CheckUsable says why a run can be neither a baseline nor held against one:
// whatever was not measured is missing on one side.
func (r *Result) CheckUsable() error {
	var problems []error
	if !r.Complete {
		problems = append(problems, errors.New("the run is not complete"))
	}
	for i := range r.Arms {
		if a := &r.Arms[i]; a.Error != "" {
			problems = append(problems, fmt.Errorf("%s: %s", a.Name, a.Error))
		}
	}
	for _, x := range r.Experiments {
		if x.Skipped != "" {
			problems = append(problems, fmt.Errorf("%s was not run: %s", x.Name, x.Skipped))
		}
	}
	return errors.Join(problems...)
}

// baselineTolerance is that of an in-run ratio against a stored one: wider
// than between two sides that take turns, because the ratio itself moves a
// little with the state of the machine.
const baselineTolerance = 0.1

// AgainstBaseline compares a run with a stored one: exact values, negotiated
// facts and verdicts exactly, in-run ratios of two arms by Welch's test over
// the trials of either. Absolute times and CPU are left out. Candidates are
// marked and wait for Confirmed.
func (g Gate) AgainstBaseline(baseline, head *Result) ([]Judgement, []ExactJudgement) {
	g = g.WithDefaults()
	exact := GateAttempts(baseline, head)
	for i := range baseline.Arms {
		b := &baseline.Arms[i]
		if b.Role != RoleArm {
			continue
		}
		h := head.Arm(b.Name)
		if h == nil {
			exact = append(exact, ExactJudgement{b.Name, "arm", Regression, Blocks, "is in the baseline alone"})
			continue
		}
		exact = append(exact, exactArm(b.Name, b, h)...)
	}
	var judged []Judgement
	for i := range baseline.Pairs {
		if b := &baseline.Pairs[i]; b.Role == PairAxis {
			judged = append(judged, g.storedRatio(b, head))
		}
	}
	p := make([]float64, len(judged))
	for i := range judged {
		p[i] = judged[i].P
	}
	for i, rejected := range Holm(p, g.Alpha) {
		if rejected {
			judged[i].Verdict, judged[i].Reason = gateSuspect, fmt.Sprintf("the ratio is worse than the baseline's by more than %s", share(judged[i].Rule.Margin))
		}
	}
	return judged, exact
}

// storedRatio compares one ratio; it is no candidate yet.
func (g Gate) storedRatio(b *Pair, head *Result) Judgement {
	rule := GateRule{Metric: b.Metric, Margin: baselineTolerance / 2, Tolerance: baselineTolerance, Better: Lower, Severity: Blocks}
	j := Judgement{Name: b.A + " ÷ " + b.B, Rule: rule, Verdict: Undecided, P: 1, Reason: "was not measured on both sides often enough"}
	i := slices.IndexFunc(head.Pairs, func(p Pair) bool { return p.A == b.A && p.B == b.B && p.Metric == b.Metric })
	if i < 0 {
		return j
	}
	was, ok := locate(worsening(GateSample{Estimates: b.Estimates}))
	is, also := locate(worsening(GateSample{Estimates: head.Pairs[i].Estimates}))
	if !ok || !also {
		return j
	}
	d := welch(is, was)
	j.P = d.survival(math.Log1p(rule.Margin))
	half := d.bound(1 - (1-g.Confidence)/2)
	j.Estimate = Estimate{Ratio: math.Exp(d.mean), Low: math.Exp(d.mean - half), High: math.Exp(d.mean + half), N: len(head.Pairs[i].Estimates)}
	if d.mean+d.bound(g.Confidence) < math.Log1p(rule.Tolerance) {
		j.Verdict, j.Reason = GatePassed, fmt.Sprintf("the ratio is worse than the baseline's by less than %s", share(rule.Tolerance))
	} else {
		j.Reason = fmt.Sprintf("the trials show neither a ratio worse by %s nor that it is worse by less than %s: give the scenario more trials", share(rule.Margin), share(rule.Tolerance))
	}
	return j
}

// welch is the difference of two means with Welch's degrees of freedom.
func welch(a, b location) location {
	va, vb := a.err*a.err, b.err*b.err
	d := location{mean: a.mean - b.mean, err: math.Sqrt(va + vb), freedom: a.freedom + b.freedom}
	if va+vb > 0 {
		d.freedom = (va + vb) * (va + vb) / (va*va/a.freedom + vb*vb/b.freedom)
	}
	return d
}

func (l location) survival(bound float64) float64 {
	if l.err == 0 {
		if l.mean > bound {
			return 0
		}
		return 1
	}
	return distuv.StudentsT{Sigma: 1, Nu: l.freedom}.Survival((l.mean - bound) / l.err)
}

func (l location) bound(confidence float64) float64 { return l.student().Quantile(confidence) * l.err }

// Confirmed settles the candidates with those of a second run of head: only
// what is worse there too is a REGRESSION.
func (g Gate) Confirmed(first, again []Judgement) []Judgement {
	g = g.WithDefaults()
	out := slices.Clone(first)
	for k := range out {
		j := &out[k]
		if !j.Candidate() {
			continue
		}
		i := slices.IndexFunc(again, func(o Judgement) bool { return o.Name == j.Name && o.Rule.Metric == j.Rule.Metric })
		if i >= 0 && again[i].P < g.Repeat {
			j.Verdict, j.Reason = Regression, j.Reason+", and again in a second run"
		} else {
			j.Verdict, j.Reason = Undecided, j.Reason+", but a second run does not show it again"
		}
		if i >= 0 {
			j.Fresh = &Fresh{Estimate: again[i].Estimate, P: again[i].P}
		}
	}
	return out
}
