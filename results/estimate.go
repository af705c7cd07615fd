package results

import (
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

// Interval is a mean with its confidence interval.
type Interval struct {
	Mean, Low, High float64
	N               int // values; below two there is no interval and Low = High = 0
}

// PairedRatio estimates a ratio from one natural log-ratio per trial: the
// exponential of their mean, with a t interval. Values that are not finite
// are left out and do not count in N. Without any, the estimate is zero.
func PairedRatio(trials []float64, confidence float64) Estimate {
	i := MeanInterval(trials, confidence)
	if i.N == 0 {
		return Estimate{}
	}
	e := Estimate{Ratio: math.Exp(i.Mean), N: i.N}
	if i.N >= 2 {
		e.Low, e.High = math.Exp(i.Low), math.Exp(i.High)
	}
	return e
}

// MeanInterval returns the mean of the finite values and the two-sided t
// interval mean ± t(n−1) · s/√n.
func MeanInterval(values []float64, confidence float64) Interval {
	usable := make([]float64, 0, len(values))
	sum := 0.0
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			usable = append(usable, v)
			sum += v
		}
	}
	n := len(usable)
	if n == 0 {
		return Interval{}
	}
	i := Interval{Mean: sum / float64(n), N: n}
	if n < 2 {
		return i
	}
	squares := 0.0
	for _, v := range usable {
		squares += (v - i.Mean) * (v - i.Mean)
	}
	deviation := math.Sqrt(squares / float64(n-1))
	t := distuv.StudentsT{Sigma: 1, Nu: float64(n - 1)}.Quantile(1 - (1-confidence)/2)
	half := t * deviation / math.Sqrt(float64(n))
	i.Low, i.High = i.Mean-half, i.Mean+half
	return i
}

// MedianLogRatio returns the median over paired blocks of ln(a÷b): the value
// of one trial. A pair counts when both are finite and above zero; a longer
// slice's surplus is left out. It reports false when no pair is usable.
func MedianLogRatio(a, b []float64) (float64, bool) {
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
	middle := len(logs) / 2
	if len(logs)%2 == 1 {
		return logs[middle], true
	}
	return (logs[middle-1] + logs[middle]) / 2, true
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
