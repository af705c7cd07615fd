package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
)

// finds reports whether the arms of the experiment search for a rate.
func (x *Experiment) finds() bool {
	return len(x.Arms) > 0 && x.Arms[0].Settings.Workload.Find.On()
}

// find refuses objectives that no step could be held against, and arms of
// which a search would say nothing.
func (c *compiler) find(e *scenarios.Experiment) {
	if !e.Workload.Find.On() {
		return
	}
	base := fmt.Sprintf("experiments[%d].", e.Index)
	for i, text := range e.Workload.Find.SLO {
		if _, err := results.ParseObjective(text); err != nil {
			c.problem(fmt.Sprintf("%sworkload.find.slo[%d]", base, i), "%v", err)
		}
	}
	for _, cell := range e.Cells() {
		if cell.Link.Distant() {
			c.problem(base+"workload.find", "the two ends of a distance share a process here, so that a rate which is not kept says nothing of the origin: use link.kind: direct")
			return
		}
		if cell.Edge.Plant.CPU > 0 || cell.Origin.Plant.CPU > 0 {
			c.problem(base+"workload.find", "what is planted is burnt after a block, where no search would find it: remove the plant, or find")
			return
		}
	}
}

// searching is the search of one arm in one trial.
type searching struct {
	x     *Experiment
	p     *pair
	rules []*results.Expression
	state *search
	found results.Search
	why   string // the last step that was not kept, was not
}

// findRates has every arm search, one after the other; the order is reversed
// every other trial. tell is told of every step, and which share of the pairs'
// time is behind it, as far as that can be foreseen.
func (r *run) findRates(ctx context.Context, x *Experiment, pairs []*pair, tell func(p *pair, step string, within float64)) {
	order := slices.Clone(pairs)
	if len(pairs) > 0 && pairs[0].trial.index%2 == 0 {
		slices.Reverse(order)
	}
	for i, p := range order {
		if ctx.Err() != nil {
			return
		}
		tell(p, "", float64(i)/float64(len(order)))
		s, err := newSearching(x, p)
		if err != nil {
			p.trial.err = err
			continue
		}
		expected := foreseen(p.arm.Settings.Workload.Find)
		s.run(ctx, func(step string) {
			taken := min(1, float64(len(s.found.Steps))/float64(expected))
			tell(p, step, (float64(i)+taken)/float64(len(order)))
		})
	}
}

func newSearching(x *Experiment, p *pair) (*searching, error) {
	f := p.arm.Settings.Workload.Find
	s := &searching{x: x, p: p, state: newSearch(f), found: results.Search{
		SLO: f.SLO, From: float64(f.From), To: float64(f.To), Within: float64(f.Within), Step: time.Duration(f.Step).Seconds(),
	}}
	for _, text := range f.SLO {
		rule, err := results.ParseObjective(text)
		if err != nil { // Compile has parsed it before
			return nil, err
		}
		s.rules = append(s.rules, rule)
	}
	return s, nil
}

// run takes step after step. Every rate has a warm-up at the same rate, which
// also lets the queue of the step before it drain.
func (s *searching) run(ctx context.Context, tell func(step string)) {
	for s.p.alive() && ctx.Err() == nil {
		rate, more := s.state.next()
		if !more {
			break
		}
		tell(fmt.Sprintf("%s …", perSecond(rate)))
		step, ok := s.step(ctx, rate)
		if !ok {
			break
		}
		s.state.judge(step.Verdict)
		s.found.Steps = append(s.found.Steps, step)
		tell(stepWords(&step))
	}
	s.found.Outcome, s.found.Kept, s.found.Broken = s.state.outcome, s.state.kept, s.state.broken
	if s.found.Outcome == "" {
		s.found.Outcome = results.SearchInterrupted
	}
	s.found.Reason = s.state.told(s.why)
	s.p.trial.search = &s.found
}

// step measures one rate; false when the arm is out, or the run was
// interrupted.
func (s *searching) step(ctx context.Context, rate float64) (results.SearchStep, bool) {
	if _, err := s.p.granted(ctx, Block{Seconds: s.x.Warmup, Discard: true, Rate: rate}); err != nil {
		s.p.fail(ctx, err)
		return results.SearchStep{}, false
	}
	before := s.p.bothCPU()
	done, err := s.p.granted(ctx, Block{Seconds: s.found.Step, Rate: rate, Report: true})
	if err == nil && done.Summary == nil {
		err = fmt.Errorf("the edge of %s: %w", s.p.arm.Name, errNoAnswer)
	}
	if err == nil && ctx.Err() != nil {
		err = context.Canceled // it was cut short
	}
	if err != nil {
		s.p.fail(ctx, err)
		return results.SearchStep{}, false
	}
	after := s.p.bothCPU()
	m := stepMeasured{rate: rate, summary: *done.Summary, first: done.Error}
	if took := done.Seconds; took > 0 && before.good && after.good {
		ours := (after.edge - before.edge + after.origin - before.origin).Seconds()
		m.edge = max(0, (after.edge-before.edge).Seconds()-done.Generator) / took
		m.origin = max(0, (after.origin-before.origin).Seconds()) / took
		m.others = max(0, (after.work-before.work).Seconds()-ours) / took
		m.idle = max(0, (after.idle-before.idle).Seconds()) / took
	}
	step, err := s.evaluate(&m)
	if err != nil {
		s.p.trial.err = err
		return step, false
	}
	s.p.costs = append(s.p.costs, blockCost{count: done.Count})
	// What the arm shows is the highest rate that was kept, or the lowest.
	if step.Verdict == results.StepKept || s.state.kept == 0 && rate == s.found.From {
		s.p.shown = done.Summary
	}
	return step, true
}

// stepMeasured is what one step yielded.
type stepMeasured struct {
	rate         float64
	summary      results.Summary
	first        string  // failure, "": none
	edge, origin float64 // processors; 0: not read
	others, idle float64 // processors that the rest of the machine used, and that nobody did
}

// crowded reports whether others kept edge or origin from a processor: they
// used some of it, and none was idle for them to use instead.
func (m *stepMeasured) crowded() bool { return m.others >= crowdOthers && m.idle < crowdIdle }

// What a crowd is, in processors.
const (
	crowdOthers = 0.2
	crowdIdle   = 0.1
)

// evaluate holds a step against the objective.
func (s *searching) evaluate(m *stepMeasured) (results.SearchStep, error) {
	arm := results.Arm{
		Name: s.p.arm.Name, Experiment: s.x.Name, Role: results.RoleArm, Axes: map[string]string{}, Metrics: map[string]results.Value{},
		Trials: []results.Trial{{Index: 1, Complete: true, Metrics: countMetrics(s.x, m.summary.Counts, m.summary.Counts[countHit]+m.summary.Counts[countMiss] > 0)}},
	}
	if err := armMetrics(s.x, &collected{arm: s.p.arm, merged: m.summary}, &arm); err != nil {
		return results.SearchStep{}, fmt.Errorf("%s at %s: %w", arm.Name, perSecond(m.rate), err)
	}
	counts := m.summary.Counts
	step := results.SearchStep{
		Rate: m.rate, Achieved: arm.Metrics["rate.achieved"].Value, P50: arm.Metrics["latency.p50"].Value, P99: arm.Metrics["latency.p99"].Value,
		Failed: counts[countFailed] + counts[countDropped], Edge: m.edge, Origin: m.origin, Others: m.others,
	}
	step.Verdict, step.Reason = verdictOf(m, &arm, s.rules)
	if step.Verdict != results.StepKept {
		s.why = step.Reason
	}
	return step, nil
}

// busyEdge is the share of its one processor from which on an edge is taken
// to be the limit itself.
const busyEdge = 0.9

// verdictOf says whether a step kept the objective, and else whose fault that
// is as far as can be told: what the generator did not send in time, an edge
// without processor time to spare, or a machine that others use say nothing of
// the origin.
func verdictOf(m *stepMeasured, arm *results.Arm, rules []*results.Expression) (verdict, reason string) {
	counts := m.summary.Counts
	g := generatorOf(counts, arm.Metrics)
	unsent := g.Scheduled - counts[countDropped] - g.Sent
	switch {
	case !rateMet(g.Scheduled, g.Scheduled-unsent):
		return results.StepHarness, fmt.Sprintf("%d of %d requests were not sent in their time", unsent, g.Scheduled)
	case g.Late:
		return results.StepHarness, fmt.Sprintf("the generator was late by %.3g ms at p99", g.SendErrorP99)
	}
	reason = broken(m, arm, rules, &g)
	switch {
	case reason == "":
		return results.StepKept, ""
	case m.edge >= busyEdge:
		return results.StepHarness, fmt.Sprintf("%s, while the edge used %.0f %% of its processor", reason, 100*m.edge)
	}
	if m.crowded() {
		return results.StepHarness, fmt.Sprintf("%s, while other programs had %.1f processors and none was idle", reason, m.others)
	}
	return results.StepBroken, reason
}

// broken says why a step did not keep the objective, or "". A rate at which
// requests queue up, or find no room any more, is not kept, whatever the
// objective: a longer step would break it.
func broken(m *stepMeasured, arm *results.Arm, rules []*results.Expression, g *results.Generator) string {
	r := &results.Result{Arms: []results.Arm{*arm}}
	for _, rule := range rules {
		e := rule.Evaluate(r, "")
		if e.Pass {
			continue
		}
		if m.first != "" && arm.Metrics["latency.p50"].N == 0 {
			return "no request was answered; the first failure: " + m.first
		}
		value, _, _ := strings.Cut(strings.TrimPrefix(e.Detail, arm.Name+": "), ", want ")
		return rule.String() + ": " + value
	}
	counts := m.summary.Counts
	switch {
	case counts[countDropped] > 0:
		return fmt.Sprintf("%d requests came when %d were waiting already", counts[countDropped], maxInFlight)
	case g.Saturated:
		return fmt.Sprintf("answers fell behind: %.4g/s of %.4g/s", arm.Metrics["rate.achieved"].Value, arm.Metrics["rate.offered"].Value)
	}
	return ""
}

// stepWords is a step in the progress line.
func stepWords(step *results.SearchStep) string {
	verdict := step.Verdict
	if verdict == results.StepBroken {
		verdict = "not kept"
	}
	text := fmt.Sprintf("%s %s, p99 %.3g ms", perSecond(step.Rate), verdict, step.P99)
	if step.Reason != "" {
		text += ": " + step.Reason
	}
	return text
}

// endsCPU is what the CPU clocks of both ends and of the machine show.
type endsCPU struct {
	edge, origin time.Duration
	work, idle   time.Duration // of all processors together
	good         bool
}

func (p *pair) bothCPU() endsCPU {
	edge, errEdge := sumCPU(p.edge.pids)
	origin, errOrigin := sumCPU(p.origin.pids)
	work, idle, err := machineCPU()
	return endsCPU{edge: edge, origin: origin, work: work, idle: idle, good: errors.Join(errEdge, errOrigin, err) == nil}
}
