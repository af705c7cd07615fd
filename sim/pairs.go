package sim

import (
	"fmt"
	"math"

	"github.com/originpull/originpull/results"
)

// side chooses one end's cost of a block.
type side struct {
	metric string
	cost   func(blockCost) float64 // nanoseconds
}

// sides returns the two CPU metrics of an experiment.
func sides(kind Kind) []side {
	prefix := "request.cpu."
	if kind == Handshakes {
		prefix = "handshake.cpu."
	}
	return []side{
		{prefix + "edge", func(b blockCost) float64 { return float64(b.edge) }},
		{prefix + "origin", func(b blockCost) float64 { return float64(b.origin) }},
	}
}

// comparePairs compares every arm with the first that differs from it on one
// axis only, and the double with what it doubles. The double's ratio is the
// noise that the others are held against.
func (r *run) comparePairs(x *Experiment, arms []collected, base *collected) {
	for _, s := range sides(x.Kind) {
		noise := r.compareDouble(x, arms, base, s)
		for j := range arms {
			if arms[j].arm.Role != Ordinary {
				continue
			}
			first := firstNeighbours(arms, j)
			for _, axis := range arms[j].arm.axisNames() {
				i, have := first[axis]
				if !have {
					continue
				}
				pair := newPair(x, &arms[j], &arms[i], base, s)
				if len(pair.Estimates) == 0 {
					continue
				}
				pair.Axis, pair.Role = axis, results.PairAxis
				pair.Resolved = results.Resolved(pair.Estimate(), noise)
				r.result.Pairs = append(r.result.Pairs, pair)
			}
		}
	}
}

// firstNeighbours maps each axis to the first arm that differs from arm j on
// it alone and stands before it.
func firstNeighbours(arms []collected, j int) map[string]int {
	first := map[string]int{}
	for i := range j {
		if arms[i].arm.Role != Ordinary {
			continue
		}
		axis := arms[j].arm.differsOnlyIn(arms[i].arm)
		if axis == "" {
			continue
		}
		if _, have := first[axis]; !have {
			first[axis] = i
		}
	}
	return first
}

// compareDouble compares the same arm twice.
func (r *run) compareDouble(x *Experiment, arms []collected, base *collected, s side) results.Estimate {
	for i := range arms {
		if arms[i].arm.Role != Double {
			continue
		}
		for j := range arms {
			if arms[j].arm.Name != arms[i].arm.Doubles {
				continue
			}
			pair := newPair(x, &arms[i], &arms[j], base, s)
			if len(pair.Estimates) == 0 {
				continue
			}
			pair.Role = results.PairAA
			r.result.Pairs = append(r.result.Pairs, pair)
			r.keepAA(x, s.metric, pair.Estimate())
			return pair.Estimate()
		}
	}
	return results.Estimate{}
}

// maxAA is how far from 1 the same arm may be from itself before a run
// should not be quoted (facts: 3 % at 40 pairs and more).
const maxAA = 0.03

func (r *run) keepAA(x *Experiment, metric string, e results.Estimate) {
	v := &r.result.Validity
	if v.AA[x.Name] == nil {
		v.AA[x.Name] = map[string]results.Estimate{}
	}
	v.AA[x.Name][metric] = e
	if e.N > 1 && math.Abs(e.Ratio-1) > maxAA {
		v.Warnings = append(v.Warnings, fmt.Sprintf("%s: the same arm twice differs by %.1f %% in %s: this machine was noisy, run again before quoting CPU",
			x.Name, 100*(e.Ratio-1), metric))
	}
}

// newPair compares a with b: one estimate per trial, the trimmed mean over its
// rounds of the log-ratio of two blocks of the same round, each net of the
// baseline's median in that trial. The estimates are trimmed in their turn.
func newPair(x *Experiment, a, b, base *collected, s side) results.Pair {
	pair := results.Pair{A: a.arm.Name, B: b.arm.Name, Metric: s.metric}
	for i := range min(len(a.trials), len(b.trials)) {
		ta, tb := &a.trials[i], &b.trials[i]
		if ta.err != nil || tb.err != nil || ta.noCPU != nil || tb.noCPU != nil {
			continue
		}
		subtract := 0.0
		if x.Kind == Handshakes {
			bt := trialBase(base, i)
			if bt == nil || len(bt.blocks) == 0 {
				continue
			}
			subtract = median(costs(bt.blocks, s, 0))
		}
		if estimate, ok := results.TrimmedLogRatio(costs(ta.blocks, s, subtract), costs(tb.blocks, s, subtract)); ok {
			pair.Estimates = append(pair.Estimates, estimate)
		}
	}
	e := results.PairedRatio(pair.Estimates, results.Confidence)
	pair.Ratio, pair.Low, pair.High = e.Ratio, e.Low, e.High
	return pair
}

// costs returns the cost per unit of every block less what is subtracted;
// NaN keeps a block without units in its place, so that rounds stay paired.
func costs(blocks []blockCost, s side, subtract float64) []float64 {
	out := make([]float64, len(blocks))
	for i, b := range blocks {
		out[i] = math.NaN()
		if b.count > 0 {
			out[i] = s.cost(b)/float64(b.count) - subtract
		}
	}
	return out
}
