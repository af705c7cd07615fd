package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/originpull/originpull/results"
)

// turn says which trials are about to be measured.
func (g *gate) turn(trials int) string {
	return fmt.Sprintf("base and head in turn, trials %d to %d", g.report.Trials+1, g.report.Trials+trials)
}

// shownOfLook is how many estimates a look prints; the report has them all.
const shownOfLook = 8

// seen tells what a look found: how many are settled, and what blocks, the
// open before the settled and the worst first.
func (g *gate) seen(judgements []results.Judgement) {
	open, reported := 0, 0
	shown := make([]results.Judgement, 0, len(judgements))
	for _, j := range judgements {
		switch {
		case j.Rule.Severity != results.Blocks:
			reported++
			continue
		case j.Open() || j.Candidate():
			open++
		}
		shown = append(shown, j)
	}
	_, _ = fmt.Fprintf(g.s.err, "originpull: gate: after %d trials: %d of %s are open", g.report.Trials, open, counted(len(shown), "estimate")+" that can block")
	if reported > 0 {
		_, _ = fmt.Fprintf(g.s.err, "; %d more are only reported", reported)
	}
	_, _ = fmt.Fprintln(g.s.err)
	slices.SortStableFunc(shown, func(a, b results.Judgement) int { return cmp.Compare(urgency(a), urgency(b)) })
	for _, j := range shown[:min(len(shown), shownOfLook)] {
		_, _ = fmt.Fprintf(g.s.err, "  %s  %s  head is %.3f × base [%.3f – %.3f]  %s\n", j.Name, j.Rule.Metric, j.Estimate.Ratio, j.Estimate.Low, j.Estimate.High, lookWord(j))
	}
	if more := len(shown) - shownOfLook; more > 0 {
		_, _ = fmt.Fprintf(g.s.err, "  and %d more\n", more)
	}
}

// urgency orders what a look prints: a suspect, what is open, what is settled;
// among equals the one whose estimate is the worst.
func urgency(j results.Judgement) float64 {
	rank := 2.0
	switch {
	case j.Candidate():
		rank = 0
	case j.Open():
		rank = 1
	}
	return 100*rank - j.Worse()
}

func lookWord(j results.Judgement) string {
	switch {
	case j.Candidate():
		return "looks worse: to be repeated"
	case j.Open():
		return "open"
	}
	return string(j.Verdict)
}
