package results

import (
	"fmt"
	"math"
)

// Judge holds what was measured against a claim: it is supported where the
// expression holds, and not where it does not. What could not be measured is
// not resolved. Nor is a ratio of two arms' CPU or time whose interval over
// trials, widened by what the same arm measured twice shows, reaches to the
// other side of the claim's bound.
func (e *Expression) Judge(r *Result, experiment string) Claim {
	evaluated := e.Evaluate(r, experiment)
	c := Claim{Expression: evaluated.Expression, Experiment: experiment, Verdict: ClaimNotResolved}
	unit, err := e.measured(r, experiment)
	if err != nil {
		c.Detail = err.Error()
		return c
	}
	c.Value, c.Unit, c.Detail = evaluated.Value, unit, evaluated.Detail
	if a, b, noisy := e.noisyRatio(r, experiment); noisy {
		e.judgeRatio(r, ratioOf(r, a, b, e.left.operands[0].metric), &c)
		return c
	}
	switch {
	case evaluated.Pass:
		c.Verdict = ClaimSupported
	case !evaluated.Inconclusive:
		c.Verdict = ClaimNotSupported
	}
	return c
}

// measured reports why a side of the expression has no value, and the unit of
// the left one.
func (e *Expression) measured(r *Result, experiment string) (string, error) {
	if err := e.checkMetrics(); err != nil {
		return "", err
	}
	unit, err := e.left.resultUnit()
	if err != nil {
		return "", err
	}
	for _, o := range e.operands() {
		if o.perExperiment() {
			for _, name := range o.bypassExperiments(plannedBypass(r), experiment) {
				if _, _, err := o.rows(r, name); err != nil {
					return "", err
				}
			}
			continue
		}
		matched, err := o.match(refs(r), experiment, !e.universal())
		if err != nil {
			return "", err
		}
		all := subjects(r)
		for _, i := range matched {
			if _, err := o.measured(r, all[i]); err != nil {
				return "", fmt.Errorf("%s: %w", all[i].Name, err)
			}
		}
	}
	return unit, nil
}

// noisyRatio returns the two arms of an expression that bounds the ratio of
// one metric in them, where that metric is noisy: CPU or time.
func (e *Expression) noisyRatio(r *Result, experiment string) (a, b *Arm, noisy bool) {
	if len(e.left.operands) != 2 || len(e.right.operands) > 0 || e.op == "==" || e.op == "!=" {
		return nil, nil, false
	}
	over, under := e.left.operands[0], e.left.operands[1]
	metric, _ := MetricNamed(over.metric)
	if over.metric != under.metric || metric.Kind != CPU && metric.Kind != Time {
		return nil, nil, false
	}
	i, errA := over.match(refs(r), experiment, true)
	j, errB := under.match(refs(r), experiment, true)
	if errA != nil || errB != nil {
		return nil, nil, false
	}
	all := subjects(r)
	return all[i[0]], all[j[0]], true
}

// judgeRatio sets the ratio, its interval and the verdict.
func (e *Expression) judgeRatio(r *Result, ratio ratioEstimate, c *Claim) {
	bound, err := convert(e.right.number, e.right.unit, "ratio")
	if err != nil || bound <= 0 || !ratio.HasInterval() {
		c.Detail = "no interval: it takes two trials of both arms, in one experiment"
		return
	}
	c.Value, c.Low, c.High = ratio.Ratio, ratio.Low, ratio.High
	c.Detail = fmt.Sprintf("%.3f × [%.3f – %.3f]", c.Value, c.Low, c.High)
	noise := 0.0
	if aa := r.Validity.AA[ratio.experiment][ratio.metric]; aa.HasInterval() {
		noise = max(math.Abs(math.Log(aa.Low)), math.Abs(math.Log(aa.High)))
	}
	switch holds := e.compare(ratio.Ratio, bound); {
	case math.Log(ratio.Low/bound) <= noise && math.Log(ratio.High/bound) >= -noise:
	case holds:
		c.Verdict = ClaimSupported
	default:
		c.Verdict = ClaimNotSupported
	}
}

// ratioEstimate is a ratio of one metric of two arms of one experiment.
type ratioEstimate struct {
	Estimate
	experiment, metric string
}

// ratioOf takes a ratio from the pair of the two arms, turned over where it
// stands the other way about, or else from the values of their trials. Without
// trials in common it has no interval.
func ratioOf(r *Result, a, b *Arm, metric string) ratioEstimate {
	out := ratioEstimate{experiment: a.Experiment, metric: metric}
	for i := range r.Pairs {
		p := &r.Pairs[i]
		e := p.Estimate()
		switch {
		case p.Metric != metric || !e.HasInterval():
		case p.A == a.Name && p.B == b.Name:
			out.Estimate = e
			return out
		case p.A == b.Name && p.B == a.Name:
			out.Estimate = Estimate{Ratio: 1 / e.Ratio, Low: 1 / e.High, High: 1 / e.Low, N: e.N}
			return out
		}
	}
	if a.Experiment != b.Experiment {
		return out
	}
	var logs []float64
	for _, ta := range a.Trials {
		for _, tb := range b.Trials {
			if x, y := ta.Metrics[metric], tb.Metrics[metric]; ta.Index == tb.Index && ta.Complete && tb.Complete && x > 0 && y > 0 {
				logs = append(logs, math.Log(x/y))
			}
		}
	}
	out.Estimate = PairedRatio(logs, Confidence)
	return out
}
