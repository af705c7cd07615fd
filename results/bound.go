package results

import "math"

// BoundConfidence is that of [UpperBound], one-sided.
const BoundConfidence = 0.95

// UpperBound is the highest rate of successes that k successes in n trials
// leave likely: the one-sided upper limit of Clopper and Pearson (1934) at
// [BoundConfidence]. For k = 0 it is 1 − 0.05^(1/n), close to the 3/n of the
// rule of three. It is 1 where there is no trial, or nothing but successes.
// It speaks of trials drawn like these ones, and of no others.
func UpperBound(k, n int) float64 {
	if n <= 0 || k >= n {
		return 1
	}
	k = max(k, 0)
	low, high := 0.0, 1.0
	for range 200 { // halves the interval down to the last bit
		middle := (low + high) / 2
		if atMost(k, n, middle) > 1-BoundConfidence {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// atMost is the probability of k successes or fewer in n trials of rate p.
func atMost(k, n int, p float64) float64 {
	if p <= 0 {
		return 1
	}
	if p >= 1 {
		return 0
	}
	logs := func(x int) float64 { v, _ := math.Lgamma(float64(x + 1)); return v }
	sum := 0.0
	for i := range k + 1 {
		sum += math.Exp(logs(n) - logs(i) - logs(n-i) + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return sum
}

// Bypassed counts what came of the attempts that a correct policy has to
// block: how many there were, and how many got through. A control is meant to
// let them through, and a row that did not run proves nothing: neither counts.
func Bypassed(rows []*BypassRow) (through, attempts int) {
	for _, b := range rows {
		if b.Mistake != "" || !b.Ran() || b.Predicted != VerdictBlocked || b.Measured == VerdictNotRun || b.Measured == VerdictDenied {
			continue
		}
		attempts += max(b.Attempts, 1)
		if b.Measured != VerdictBlocked {
			through++
		}
	}
	return through, attempts
}
