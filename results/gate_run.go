package results

import (
	"errors"
	"fmt"
	"slices"
)

// Measure runs a number of fresh trials and returns one sample for each rule,
// always the same ones in the same order.
type Measure func(trials int) ([]GateSample, error)

// Run measures until the gate is decided: look after look, a repetition for
// every candidate that blocks, and one at the end for those that only report.
// seen, when not nil, is told of every look, before what it found is repeated.
func (g Gate) Run(measure Measure, seen func([]Judgement)) ([]Judgement, error) {
	if err := g.Validate(); err != nil {
		return nil, err
	}
	g = g.WithDefaults()
	var all []GateSample
	var out []Judgement
	settled := map[int]Judgement{}
	started := 0
	for i, trials := range g.Looks {
		more, err := measure(trials - started)
		if err != nil {
			return out, err
		}
		started = trials // those that failed too: a trial that breaks under load is not replaced by one that does not
		if all, err = joinSamples(all, more); err != nil {
			return out, err
		}
		out = g.Look(i, all)
		for k, j := range settled {
			out[k] = j
		}
		for k, j := range out {
			if j.Verdict == GatePassed || j.Verdict == Improvement {
				settled[k] = j // each look has its share of that error: a later one does not take it back
			}
		}
		if seen != nil {
			seen(slices.Clone(out))
		}
		last := i == len(g.Looks)-1 || !slices.ContainsFunc(out, func(j Judgement) bool { return j.Open() && j.Rule.Severity == Blocks })
		if !mustRepeat(out, last) {
			if last {
				break
			}
			continue
		}
		fresh, err := measure(trials)
		if err != nil {
			return out, err
		}
		for k, j := range g.Confirm(out, fresh) {
			if out[k].Candidate() {
				settled[k] = j
			}
			out[k] = j
		}
		if last || GateVerdict(out) == Regression {
			break
		}
	}
	return closed(out), nil
}

// joinSamples adds the estimates of further trials.
func joinSamples(all, more []GateSample) ([]GateSample, error) {
	if all == nil {
		return slices.Clone(more), nil
	}
	if len(all) != len(more) {
		return nil, fmt.Errorf("the first trials measured %d metrics and later ones %d", len(all), len(more))
	}
	out := slices.Clone(all)
	for i := range out {
		if out[i].Name != more[i].Name || out[i].Rule.Metric != more[i].Rule.Metric {
			return nil, errors.New("later trials measured other metrics than the first")
		}
		out[i].Estimates = slices.Concat(out[i].Estimates, more[i].Estimates)
	}
	return out, nil
}

func mustRepeat(judgements []Judgement, last bool) bool {
	return slices.ContainsFunc(judgements, func(j Judgement) bool {
		return j.Candidate() && (last || j.Rule.Severity == Blocks)
	})
}

// closed settles what a gate that ended before its last look left open.
func closed(judgements []Judgement) []Judgement {
	for k := range judgements {
		if j := &judgements[k]; j.Open() {
			j.Verdict, j.Reason = Undecided, "the gate was decided by other metrics before this one was"
		}
	}
	return judgements
}
