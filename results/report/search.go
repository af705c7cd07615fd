package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/originpull/originpull/results"
)

// searched returns the arms that searched for a rate.
func searched(r *results.Result) []*results.Arm {
	return slices.DeleteFunc(pointers(r.Arms), func(a *results.Arm) bool {
		return !slices.ContainsFunc(a.Trials, func(t results.Trial) bool { return t.Search != nil })
	})
}

// searches prints what rate each arm came to, then every step on the way.
func searches(p *page, r *results.Result, arms []*results.Arm) {
	g := grid{titles: []string{"Highest rate that kept the objective", "capacity", "not kept\nany more", "half of them\nup to (p50)", "99 of 100\n(p99)", "\nsteps"}}
	for _, a := range arms {
		capacity, above, steps := bounds(a)
		g.add(cell{text: join([]string{experimentWords(r, a), armWords(r, a)})}, cell{text: capacity}, cell{text: above},
			cell{text: show(a, "latency.p50")}, cell{text: show(a, "latency.p99")}, cell{text: steps})
	}
	g.print(p)
	p.note("Latency is that at the capacity, or at the lowest rate where none was kept. ≥: a lower bound, the origin may take more. CPU below is of one processor. A rate that was not kept was measured again before it counted.", faint)
	for _, a := range arms {
		for _, t := range a.Trials {
			if t.Search != nil {
				p.blank()
				searchSteps(p, r, a, &t)
			}
		}
	}
}

// bounds are an arm's capacity and the lowest rate above it that was not kept,
// with the number of steps.
func bounds(a *results.Arm) (capacity, above, steps string) {
	v := a.Metrics[results.MetricCapacity]
	above, taken := nothing, 0
	for _, t := range a.Trials {
		if s := t.Search; s != nil {
			taken += len(s.Steps)
			if s.Broken > 0 {
				above = rate(s.Broken)
			}
		}
	}
	switch {
	case v.N == 0:
		capacity = nothing
	case v.HasInterval():
		capacity, above = rate(v.Value), rate(v.High)
	default:
		capacity = "≥ " + rate(v.Value)
	}
	return capacity, above, thousands(float64(taken))
}

// searchSteps prints the way of one search.
func searchSteps(p *page, r *results.Result, a *results.Arm, t *results.Trial) {
	s := t.Search
	name := armWords(r, a)
	if len(a.Trials) > 1 {
		name += fmt.Sprintf(", trial %d", t.Index)
	}
	p.note(fmt.Sprintf("%s (%s): %s", name, strings.Join(s.SLO, ", "), s.Reason), plain)
	g := grid{titles: []string{"rate", "answered", "p50", "p99", "failed", "edge\nCPU", "origin\nCPU", ""}}
	for i := range s.Steps {
		step := &s.Steps[i]
		verdict := map[string]cell{
			results.StepKept: {"kept", green}, results.StepBroken: {"not kept", yellow}, results.StepHarness: {"harness", yellow},
		}[step.Verdict]
		if verdict.text == "" {
			verdict.text = step.Verdict
		}
		g.add(cell{text: rate(step.Rate)}, cell{text: rate(step.Achieved)}, cell{text: unlessZero(step.P50, "ms")}, cell{text: unlessZero(step.P99, "ms")},
			cell{text: thousands(float64(step.Failed))}, cell{text: unlessZero(step.Edge, "ratio")}, cell{text: unlessZero(step.Origin, "ratio")}, verdict)
		if step.Reason != "" {
			g.addSpan(cell{}, step.Reason, faint)
		}
	}
	g.print(p)
}

func rate(v float64) string { return measure(v, "/s") }

// unlessZero prints a value, which zero says was not measured.
func unlessZero(v float64, unit string) string {
	if v == 0 {
		return nothing
	}
	return measure(v, unit)
}

// experimentWords names an arm's experiment where there are several.
func experimentWords(r *results.Result, a *results.Arm) string {
	if len(r.Experiments) < 2 {
		return ""
	}
	return a.Experiment
}
