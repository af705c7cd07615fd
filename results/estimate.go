package results

import (
	"fmt"
	"iter"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Confidence is the level of every interval in a document.
const Confidence = 0.95

// Estimate is a ratio with its confidence interval.
type Estimate struct {
	Ratio float64 `json:"ratio"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	N     int     `json:"n"` // trials; below two there is no interval and Low = High = 0
}

// HasInterval reports whether Low and High say anything.
func (e Estimate) HasInterval() bool { return e.N >= 2 && e.Low > 0 && e.High >= e.Low }

// Change is e, of head against base, as a person says it: +1.2 % [+0.4 – +2.0].
func (e Estimate) Change() string {
	if e.N == 0 {
		return "not measured"
	}
	text := fmt.Sprintf("%+.1f %%", 100*(e.Ratio-1))
	if e.HasInterval() {
		text += fmt.Sprintf(" [%+.1f – %+.1f]", 100*(e.Low-1), 100*(e.High-1))
	}
	return text
}

// Interval is a mean with its confidence interval.
type Interval struct {
	Mean, Low, High float64
	N               int // values; below two there is no interval and Low = High = 0
}

// trimmed is the share of values that trimmed means leave out at either end.
const trimmed = 0.2

// PairedRatio estimates a ratio from one natural log-ratio per trial: the
// exponential of their 20 % trimmed mean, with Yuen's interval (a t interval
// over what is left, whose deviation is that of the winsorized values). Fewer
// than five values are not trimmed. Values that are not finite are left out
// and do not count in N. Without any, the estimate is zero.
//
// Note: trimmed, because a trial during which a neighbour was busy is not a
// little off but far. Of recorded blocks of one arm and its double, drawn as
// 20 trials of 6 rounds of 25 ms beside other work on both cores, the ratio's deviation
// was 1.5 % as a mean of medians and 0.8 % as a trimmed mean of trimmed means;
// a median or a Hodges-Lehmann estimate over trials did no better. To drop
// blocks in which the two ends had to wait for a processor changed nothing
// beyond it.
func PairedRatio(trials []float64, confidence float64) Estimate {
	usable := slices.Sorted(finite(trials))
	n := len(usable)
	if n == 0 {
		return Estimate{}
	}
	mean := trimmedMean(usable)
	e := Estimate{Ratio: math.Exp(mean), N: n}
	if n < 2 {
		return e
	}
	cut := int(trimmed * float64(n))
	for i := range cut { // winsorized: pulled in to the outermost that is kept
		usable[i], usable[n-1-i] = usable[cut], usable[n-1-cut]
	}
	left := float64(n - 2*cut)
	half := studentsT(left-1, confidence) * deviation(usable) * math.Sqrt(float64(n-1)/(left*(left-1)))
	e.Low, e.High = math.Exp(mean-half), math.Exp(mean+half)
	return e
}

// finite yields the values that are numbers.
func finite(values []float64) iter.Seq[float64] {
	return func(yield func(float64) bool) {
		for _, v := range values {
			if !math.IsNaN(v) && !math.IsInf(v, 0) && !yield(v) {
				return
			}
		}
	}
}

// trimmedMean of sorted values, of which there is one at least.
func trimmedMean(sorted []float64) float64 {
	cut := int(trimmed * float64(len(sorted)))
	return mean(sorted[cut : len(sorted)-cut])
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// deviation is the standard deviation of a sample of two or more.
func deviation(values []float64) float64 {
	m, squares := mean(values), 0.0
	for _, v := range values {
		squares += (v - m) * (v - m)
	}
	return math.Sqrt(squares / float64(len(values)-1))
}

// studentsT is the quantile that bounds a two-sided interval.
func studentsT(freedom, confidence float64) float64 {
	return distuv.StudentsT{Sigma: 1, Nu: freedom}.Quantile(1 - (1-confidence)/2)
}

// MeanInterval returns the mean of the finite values and the two-sided t
// interval mean ± t(n−1) · s/√n.
func MeanInterval(values []float64, confidence float64) Interval {
	usable := slices.Collect(finite(values))
	n := len(usable)
	if n == 0 {
		return Interval{}
	}
	i := Interval{Mean: mean(usable), N: n}
	if n < 2 {
		return i
	}
	half := studentsT(float64(n-1), confidence) * deviation(usable) / math.Sqrt(float64(n))
	i.Low, i.High = i.Mean-half, i.Mean+half
	return i
}

// TrimmedLogRatio returns the 20 % trimmed mean over paired blocks of ln(a÷b):
// the value of one trial. A pair counts when both are finite and above zero; a
// longer slice's surplus is left out. It reports false when no pair is usable.
func TrimmedLogRatio(a, b []float64) (float64, bool) {
	var logs []float64
	for i := range min(len(a), len(b)) {
		log := math.Log(a[i]) - math.Log(b[i])
		if a[i] > 0 && b[i] > 0 && !math.IsNaN(log) && !math.IsInf(log, 0) {
			logs = append(logs, log)
		}
	}
	if len(logs) == 0 {
		return 0, false
	}
	slices.Sort(logs)
	return trimmedMean(logs), true
}

// Resolved reports whether a ratio says more than the noise of its own run:
// its whole interval is farther from 1, to one side, than either bound of what
// the same arm measured twice shows. Without both intervals it is false.
//
// Note: it is not enough that the estimate is farther than the noise and the
// interval excludes 1. With eight ratios in a report, that called one and the
// same difference resolved in both directions within minutes.
func Resolved(e, aa Estimate) bool {
	if !e.HasInterval() || !aa.HasInterval() {
		return false
	}
	noise := max(math.Abs(math.Log(aa.Low)), math.Abs(math.Log(aa.High)))
	return math.Log(e.Low) > noise || math.Log(e.High) < -noise
}
