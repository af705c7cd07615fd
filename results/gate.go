package results

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Verdict is what a gate says about one metric, or about all of them.
type Verdict string

// The verdicts, the gravest first.
const (
	Regression  Verdict = "REGRESSION"   // worse than the margin allows, and again on fresh trials; or an exact value changed
	Undecided   Verdict = "INCONCLUSIVE" // neither shown to be worse nor to be within the tolerance
	Improvement Verdict = "IMPROVEMENT"  // better by more than the margin
	GatePassed  Verdict = "PASS"         // shown to be within the tolerance
	notYet      Verdict = ""             // another look may tell
	gateSuspect Verdict = "candidate"    // to be repeated on fresh trials
)

// Gate is how a comparison of two arms is decided: the trial is the unit, its
// value one natural log-ratio ln(head÷base) of blocks that took turns.
//
//  1. At each look every metric is tested one-sided: H0 says that head is
//     worse by no more than the margin. Holm's procedure keeps the family of
//     all metrics at Alpha, of which each look spends its share.
//  2. What is rejected is a candidate. Confirm tests it again on fresh trials
//     alone; only then is it a REGRESSION.
//  3. What is not is PASS once the upper bound of its one-sided interval lies
//     within the tolerance; after the last look it is INCONCLUSIVE.
//
// Note: blocks are no unit. They share their trial's processes, and treating
// 1,500 block pairs of one pair of processes as independent gave 82 to 99 %
// false alarms in simulation; one value per trial gave none in 2,000.
type Gate struct {
	Alpha      float64   // of the whole family and all looks; 0 = 0.01
	Confidence float64   // that a PASS is within its tolerance, over all looks; 0 = 0.99
	Repeat     float64   // level at which a candidate must show again; 0 = 0.05
	Looks      []int     // trials at each look, ascending; nil = 10, 20, 30
	Spend      []float64 // share of both errors at each look, together 1; nil = 0.1, 0.3, 0.6
}

// WithDefaults returns the gate with every zero written out.
func (g Gate) WithDefaults() Gate {
	if g.Alpha == 0 {
		g.Alpha = 0.01
	}
	if g.Confidence == 0 {
		g.Confidence = 0.99
	}
	if g.Repeat == 0 {
		g.Repeat = 0.05
	}
	if g.Looks == nil {
		g.Looks = []int{10, 20, 30}
		if g.Spend == nil {
			g.Spend = []float64{0.1, 0.3, 0.6}
		}
	}
	return g
}

// Validate reports every setting that makes no sense.
func (g Gate) Validate() error {
	g = g.WithDefaults()
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for name, share := range map[string]float64{"alpha": g.Alpha, "confidence": g.Confidence, "repeat": g.Repeat} {
		if !(share > 0 && share < 1) {
			problem("gate: %s is %v, want a share between 0 and 1", name, share)
		}
	}
	sum := 0.0
	for _, s := range g.Spend {
		sum += s
	}
	if len(g.Spend) != len(g.Looks) || math.Abs(sum-1) > 1e-9 {
		problem("gate: the looks %v spend %v: want one share for each, together 1", g.Looks, g.Spend)
	}
	if len(g.Looks) == 0 || g.Looks[0] < 2 || !slices.IsSorted(g.Looks) {
		problem("gate: looks at %v trials: want ascending numbers of at least 2", g.Looks)
	}
	return errors.Join(problems...)
}

// GateSample is what was measured for one rule.
type GateSample struct {
	Name      string // of the arms that are compared, for a person
	Rule      GateRule
	Estimates []float64 // one ln(head÷base) for each trial that came to its end
}

// Judgement is what a gate says about one sample.
type Judgement struct {
	Name     string   `json:"name"`
	Rule     GateRule `json:"rule"`
	Verdict  Verdict  `json:"verdict"`
	Estimate Estimate `json:"estimate"` // head ÷ base, with a two-sided interval of the gate's confidence
	P        float64  `json:"p"`        // one-sided, of being worse by no more than the margin; 1 without two trials
	Fresh    *Fresh   `json:"fresh,omitempty"`
	Reason   string   `json:"reason"`
}

// Fresh is what the trials of a repetition said.
type Fresh struct {
	Estimate Estimate `json:"estimate"`
	P        float64  `json:"p"`
}

// Worse is by how much head looks worse than base, as a natural log-ratio;
// below 0 it looks better.
func (j *Judgement) Worse() float64 {
	if j.Estimate.N == 0 || j.Estimate.Ratio <= 0 {
		return math.Inf(-1)
	}
	worse := math.Log(j.Estimate.Ratio)
	if j.Rule.Better == Higher {
		return -worse
	}
	return worse
}

// Candidate reports whether the judgement waits for fresh trials.
func (j *Judgement) Candidate() bool { return j.Verdict == gateSuspect }

// Open reports whether another look may still tell.
func (j *Judgement) Open() bool { return j.Verdict == notYet }

// Look judges all samples of the family at look i (from 0). Candidates are to
// be handed to Confirm before anything is said about them; Open ones wait for
// the next look, of which there is none after the last.
func (g Gate) Look(i int, samples []GateSample) []Judgement {
	g = g.WithDefaults()
	out := make([]Judgement, len(samples))
	worse, better := make([]float64, len(samples)), make([]float64, len(samples))
	for k, s := range samples {
		w := worsening(s)
		worse[k] = above(w, math.Log1p(s.Rule.Margin))
		better[k] = above(negated(w), math.Log1p(s.Rule.Margin))
		out[k] = Judgement{Name: s.Name, Rule: s.Rule, P: worse[k], Estimate: gateRatio(s.Estimates, g.Confidence)}
	}
	level := g.Alpha * g.Spend[i]
	regressed, improved := Holm(worse, level), Holm(better, level)
	for k, s := range samples {
		j := &out[k]
		w := worsening(s)
		switch {
		case len(w) < 2:
			j.Verdict, j.Reason = Undecided, fmt.Sprintf("%s came to their end: there is nothing to judge", counted(len(w), "trial", "trials"))
		case regressed[k]:
			j.Verdict, j.Reason = gateSuspect, fmt.Sprintf("worse than the margin of %s in %d trials", share(s.Rule.Margin), len(w))
		case improved[k]:
			j.Verdict, j.Reason = Improvement, fmt.Sprintf("better by more than %s", share(s.Rule.Margin))
		case upper(w, 1-(1-g.Confidence)*g.Spend[i]) < math.Log1p(s.Rule.Tolerance):
			j.Verdict, j.Reason = GatePassed, fmt.Sprintf("worse by less than %s with %g %% confidence", share(s.Rule.Tolerance), 100*g.Confidence)
		case i == len(g.Looks)-1:
			j.Verdict, j.Reason = Undecided, fmt.Sprintf("%d trials show neither a change beyond %s nor that it is below %s: the machine is too noisy for this tolerance", len(w), share(s.Rule.Margin), share(s.Rule.Tolerance))
		}
	}
	return out
}

// Confirm settles the candidates among judgements with fresh trials: the
// samples have their names and hold those trials alone.
func (g Gate) Confirm(judgements []Judgement, fresh []GateSample) []Judgement {
	g = g.WithDefaults()
	out := slices.Clone(judgements)
	for k := range out {
		j := &out[k]
		if !j.Candidate() {
			continue
		}
		i := slices.IndexFunc(fresh, func(s GateSample) bool { return s.Name == j.Name && s.Rule.Metric == j.Rule.Metric })
		if i < 0 || len(fresh[i].Estimates) < 2 {
			j.Verdict, j.Reason = Undecided, j.Reason+"; the fresh trials that should show it again did not come to their end"
			continue
		}
		s := fresh[i]
		j.Fresh = &Fresh{Estimate: gateRatio(s.Estimates, g.Confidence), P: above(worsening(s), math.Log1p(s.Rule.Margin))}
		if j.Fresh.P < g.Repeat {
			j.Verdict, j.Reason = Regression, fmt.Sprintf("%s, and again in %d fresh ones", j.Reason, len(s.Estimates))
		} else {
			j.Verdict, j.Reason = Undecided, fmt.Sprintf("%s, but %d fresh ones do not show it again", j.Reason, len(s.Estimates))
		}
	}
	return out
}

// GateVerdict is what the judgements come to: those that only report cannot
// fail or hold up a gate.
func GateVerdict(judgements []Judgement) Verdict {
	blocking := slices.DeleteFunc(slices.Clone(judgements), func(j Judgement) bool { return j.Rule.Severity == Reports })
	for _, v := range []Verdict{Regression, Undecided, Improvement} {
		if slices.ContainsFunc(blocking, func(j Judgement) bool { return j.Verdict == v }) {
			return v
		}
	}
	if len(blocking) == 0 {
		return Undecided
	}
	return GatePassed
}

// Holm returns which hypotheses are rejected at a level that holds for the
// whole family, whatever their dependence (Holm 1979).
func Holm(p []float64, level float64) []bool {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case p[a] < p[b]:
			return -1
		case p[a] > p[b]:
			return 1
		}
		return 0
	})
	rejected := make([]bool, len(p))
	for rank, i := range order {
		if !(p[i] <= level/float64(len(p)-rank)) {
			break
		}
		rejected[i] = true
	}
	return rejected
}

// worsening returns the finite estimates turned so that more is worse.
func worsening(s GateSample) []float64 {
	out := make([]float64, 0, len(s.Estimates))
	for _, v := range s.Estimates {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			out = append(out, v)
		}
	}
	if s.Rule.Better == Higher {
		return negated(out)
	}
	return out
}

func negated(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = -v
	}
	return out
}

// gateTrim is the share of trials left out at each end before a mean is
// taken: one of ten, three of thirty.
//
// Note: on a machine whose neighbours compile, one trial in ten is off by 15
// to 25 %, at one end of the connection only. A plain t test then finds
// nothing; the 20 % that intervals in a document are trimmed by would cost a
// look at ten trials four of its nine degrees of freedom.
const gateTrim = 0.1

// location is a trimmed mean, its standard error and its degrees of freedom.
type location struct{ mean, err, freedom float64 }

// locate returns Yuen's (1974) trimmed mean and its error, from the variance
// of the winsorised sample. It needs two values.
func locate(values []float64) (location, bool) {
	n := len(values)
	if n < 2 {
		return location{}, false
	}
	sorted := slices.Sorted(slices.Values(values))
	cut := int(gateTrim * float64(n))
	left := float64(n - 2*cut)
	l := location{freedom: left - 1}
	for _, v := range sorted[cut : n-cut] {
		l.mean += v / left
	}
	for i := range cut {
		sorted[i], sorted[n-1-i] = sorted[cut], sorted[n-1-cut]
	}
	_, s := moments(sorted)
	l.err = s * math.Sqrt(float64(n-1)/(left*(left-1)))
	return l, true
}

func (l location) student() distuv.StudentsT { return distuv.StudentsT{Sigma: 1, Nu: l.freedom} }

// above returns the p-value of the one-sided, one-sample t test of H0: the
// mean is at most bound. Fewer than two values never reject.
func above(values []float64, bound float64) float64 {
	l, ok := locate(values)
	switch {
	case !ok:
		return 1
	case l.err > 0:
		return l.student().Survival((l.mean - bound) / l.err)
	case l.mean > bound: // every trial the same: only a counter does that
		return 0
	}
	return 1
}

// upper returns the one-sided upper bound of the mean.
func upper(values []float64, confidence float64) float64 {
	l, ok := locate(values)
	if !ok {
		return math.Inf(1)
	}
	return l.mean + l.student().Quantile(confidence)*l.err
}

// moments returns mean and standard deviation of two or more values.
func moments(values []float64) (mean, deviation float64) {
	for _, v := range values {
		mean += v
	}
	mean /= float64(len(values))
	for _, v := range values {
		deviation += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(deviation / float64(len(values)-1))
}

// gateRatio is the ratio that the tests are about, with a two-sided interval.
func gateRatio(estimates []float64, confidence float64) Estimate {
	usable := worsening(GateSample{Estimates: estimates})
	l, ok := locate(usable)
	if !ok {
		if len(usable) == 1 {
			return Estimate{Ratio: math.Exp(usable[0]), N: 1}
		}
		return Estimate{}
	}
	half := l.student().Quantile(1-(1-confidence)/2) * l.err
	return Estimate{Ratio: math.Exp(l.mean), Low: math.Exp(l.mean - half), High: math.Exp(l.mean + half), N: len(usable)}
}
