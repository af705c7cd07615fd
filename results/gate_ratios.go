package results

import (
	"fmt"
	"maps"
	"slices"
)

// ratioSamples are of the ratios that either side measures in itself, such as
// mTLS ÷ server-auth: one ln(ratio of head ÷ ratio of base) for each trial. What
// slows both arms of a ratio alike is not in it; what slows one of them is.
//
// The name has both arms without the gate's axis, as "a ÷ b".
func (r *Result) ratioSamples(rules RuleOf) []GateSample {
	var samples []GateSample
	for i := range r.Pairs {
		base := &r.Pairs[i]
		a, b := r.Arm(base.A), r.Arm(base.B)
		if base.Role != PairAxis || base.Axis == GateAxis || a == nil || b == nil || a.Axes[GateAxis] != GateBase || b.Axes[GateAxis] != GateBase {
			continue
		}
		headA, headB := r.otherSide(a), r.otherSide(b)
		if headA == nil || headB == nil {
			continue
		}
		k := slices.IndexFunc(r.Pairs, func(p Pair) bool { return p.A == headA.Name && p.B == headB.Name && p.Metric == base.Metric })
		rule, has := rules(headA, base.Metric)
		if k < 0 || !has {
			continue
		}
		s := GateSample{Name: fmt.Sprintf("%s ÷ %s", gateName(a), gateName(b)), Rule: rule}
		head := r.Pairs[k].Estimates
		if len(head) == len(base.Estimates) { // else they are of other trials; no sample is never a pass
			for t := range head {
				s.Estimates = append(s.Estimates, head[t]-base.Estimates[t])
			}
		}
		samples = append(samples, s)
	}
	return samples
}

// otherSide is the arm of head that stands for one of base, or nil.
func (r *Result) otherSide(base *Arm) *Arm {
	axes := maps.Clone(base.Axes)
	axes[GateAxis] = GateHead
	i := slices.IndexFunc(r.Arms, func(a Arm) bool {
		return a.Experiment == base.Experiment && a.Role == base.Role && maps.Equal(a.Axes, axes)
	})
	if i < 0 {
		return nil
	}
	return &r.Arms[i]
}
