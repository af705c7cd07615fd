package sim

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/results"
)

// collected is one arm with everything its trials yielded.
type collected struct {
	arm    *Arm
	trials []armTrial
	merged results.Summary // of the trials that ended well
}

// costExperiment measures the arms of an experiment against each other.
func (r *run) costExperiment(ctx context.Context, x *Experiment) error {
	if why := r.servers.missing(ctx, x); why != "" {
		r.skip(x, why)
		return nil
	}
	if why := missingLink(x); why != "" {
		r.skip(x, why)
		r.result.Validity.Valid = false // it asked for the link by name
		return nil
	}
	lab, err := newLab()
	if err != nil {
		return err
	}
	if err := lab.prepare(ctx, x.Arms); err != nil {
		return err
	}
	if err := r.measureSpeed(ctx, x); err != nil {
		return err
	}
	arms := make([]collected, len(x.Arms))
	for i := range arms {
		arms[i].arm = &x.Arms[i]
	}
	rounds := 0
	for index := 1; index <= x.Trials && ctx.Err() == nil; index++ {
		var trials []armTrial
		for _, some := range x.batches() {
			part := *x
			part.Arms = some
			before := len(trials)
			trials = append(trials, r.trial(ctx, &part, index, lab, func(ctx context.Context, pairs []*pair) {
				rounds = max(rounds, r.measure(ctx, x, measured{index, before}, pairs))
			})...)
		}
		for i := range arms {
			arms[i].trials = append(arms[i].trials, trials[i])
		}
	}
	if err := r.collect(x, arms, rounds); err != nil {
		return err
	}
	return ctx.Err()
}

// skip keeps an experiment that cannot run here in the document: not run, and
// never passed.
func (r *run) skip(x *Experiment, why string) {
	r.result.Experiments = append(r.result.Experiments, results.Experiment{
		Name: x.Name, Kind: string(x.Kind), Line: x.Line, Trials: x.Trials, Skipped: why, PlannedSeconds: x.PlannedSeconds,
	})
	v := &r.result.Validity
	v.Warnings = append(v.Warnings, fmt.Sprintf("%s was not run: %s", x.Name, why))
}

// measured is where an experiment is: in which trial, and how many of its arms
// have been measured in that.
type measured struct{ index, before int }

// measure is the blocks of one trial, or of some arms in it; it returns how
// many rounds it did.
func (r *run) measure(ctx context.Context, x *Experiment, m measured, pairs []*pair) int {
	index := m.index
	at := func(arm string, within float64) {
		within = (float64(m.before) + within*float64(len(pairs))) / float64(len(x.Arms))
		done := (float64(index-1) + within) / float64(x.Trials)
		r.progress(x, Progress{Arm: arm, Arms: len(x.Arms), Trial: index, Trials: x.Trials}, done)
	}
	at("", 0)
	if x.Interleaved {
		order := newBlockOrder(len(pairs), trialSeed(r.plan.Seed, index))
		order.rounds = x.rounds(index)
		return order.interleave(ctx, x, pairs, func(within float64) { at("", within) })
	}
	if x.distant() && len(pairs) > 1 {
		atOnce(ctx, x, pairs)
		return 1
	}
	if x.finds() {
		r.findRates(ctx, x, pairs, func(p *pair, step string, within float64) {
			r.progress(x, Progress{Arm: p.arm.Name, Arms: len(x.Arms), Trial: index, Trials: x.Trials, Step: step}, (float64(index-1)+within)/float64(x.Trials))
		})
		return 1
	}
	i := 0
	oneBlock(ctx, x, pairs, func(p *pair) {
		at(p.arm.Name, float64(i)/float64(len(pairs)))
		i++
	})
	return 1
}

// collect turns what the arms yielded into the document.
func (r *run) collect(x *Experiment, arms []collected, rounds int) error {
	r.result.Experiments = append(r.result.Experiments, results.Experiment{
		Name: x.Name, Kind: string(x.Kind), Line: x.Line, Trials: x.Trials, Rounds: rounds,
		Block: x.Block, Counted: x.Count, PlannedSeconds: x.PlannedSeconds,
	})
	countCrowded(x, arms, &r.result.Experiments[len(r.result.Experiments)-1])
	base := baselineOf(arms)
	for i := range arms {
		if err := r.collectArm(x, &arms[i], base); err != nil {
			return err
		}
	}
	r.judgeLinks(x, arms)
	r.comparePairs(x, arms, base)
	return nil
}

// countCrowded counts the blocks in which somebody else had the processors.
// They are not dropped: trimming leaves out what they spoil, and dropping them
// as well, each with its partner, made no ratio of recorded runs tighter.
func countCrowded(x *Experiment, arms []collected, e *results.Experiment) {
	if x.Kind != Handshakes { // an open loop waits by itself
		return
	}
	for i := range arms {
		for j := range arms[i].trials {
			t := &arms[i].trials[j]
			if t.err != nil || t.noCPU != nil {
				continue
			}
			for k := range t.blocks {
				e.Blocks++
				if t.blocks[k].crowded() {
					e.Crowded++
				}
			}
		}
	}
}

func baselineOf(arms []collected) *collected {
	i := slices.IndexFunc(arms, func(c collected) bool { return c.arm.Role == Baseline })
	if i < 0 {
		return nil
	}
	return &arms[i]
}

func (r *run) collectArm(x *Experiment, c *collected, base *collected) error {
	arm := results.Arm{
		Name: c.arm.Name, Experiment: x.Name, Role: results.Role(c.arm.Role), Doubles: c.arm.Doubles,
		Axes: c.arm.Axes, Labels: r.armLabels(c), Metrics: map[string]results.Value{}, Histograms: map[string]string{},
	}
	if library := r.primitives(c); library != "" {
		arm.Labels[results.LabelPrimitives] = library
	}
	if arm.Axes == nil {
		arm.Axes = map[string]string{}
	}
	for i := range c.trials {
		t := &c.trials[i]
		if t.err == nil && len(t.blocks) == 0 {
			t.err = errNothingMeasured
		}
		if t.err != nil && arm.Error == "" {
			arm.Error = fmt.Sprintf("trial %d: %v", t.index, t.err)
		}
		arm.Trials = append(arm.Trials, results.Trial{
			Index: t.index, Complete: t.err == nil, Metrics: trialMetrics(x, t, trialBase(base, i)), Search: t.search,
		})
		if t.err != nil || t.edge == nil {
			continue
		}
		if err := c.merged.Merge(t.edge.Summary); err != nil {
			return fmt.Errorf("%s: trial %d: %w", arm.Name, t.index, err)
		}
		r.reconcile(c.arm, t)
		r.compareEnds(c.arm, t)
	}
	r.checkKind(x, c)
	for _, name := range slices.Sorted(maps.Keys(c.merged.Clamped)) {
		r.result.Validity.Warnings = append(r.result.Validity.Warnings, fmt.Sprintf("%s: %d values of %s lay outside 0 s to 60 s and are counted at that bound",
			arm.Name, c.merged.Clamped[name], name))
	}
	if failed := c.merged.Counts[countFailed]; failed > 0 {
		r.result.Validity.Warnings = append(r.result.Validity.Warnings, fmt.Sprintf("%s: %d of %d viewer requests failed: its latency is of the others only",
			arm.Name, failed, c.merged.Counts[countRequests]))
	}
	for _, label := range []string{results.EnvGenerator, results.EnvRealtime} {
		if value, have := arm.Labels[label]; have {
			r.result.Environment[label] = value
		}
	}
	if c.merged.Histograms != nil {
		arm.Histograms = c.merged.Histograms
	}
	if err := armMetrics(x, c, &arm); err != nil {
		return fmt.Errorf("%s: %w", arm.Name, err)
	}
	if err := r.linkFigures(c, &arm); err != nil {
		return fmt.Errorf("%s: %w", arm.Name, err)
	}
	if err := r.partFigures(x, c, &arm); err != nil {
		return fmt.Errorf("%s: %w", arm.Name, err)
	}
	r.generator(c, &arm)
	r.result.Arms = append(r.result.Arms, arm)
	return nil
}

// trialBase is the baseline's trial of the same index, or nil.
func trialBase(base *collected, i int) *armTrial {
	if base == nil || i >= len(base.trials) || base.trials[i].err != nil {
		return nil
	}
	return &base.trials[i]
}

// reconcile compares the two ends' counts of connections: every one that the
// edge made must have ended at the origin in one of the known ways. A run in
// which they differ lost or invented connections and proves nothing. Only under
// gross overload are there some of which the edge cannot know: connects that it
// gave up, and connections that died without a word from the origin.
func (r *run) reconcile(arm *Arm, t *armTrial) {
	for _, h := range t.hops(arm) {
		r.reconcileHop(&h, t.index)
	}
}

func (r *run) reconcileHop(h *hop, trial int) {
	o, edge := h.origin, h.edge
	tally := results.Tally{
		Arm: h.whole, Origin: h.arm.Part, Connects: edge.Connects, Handshakes: o.Ended(), Accepted: o.Accepted,
		GivenUp: edge.GivenUp, Unheard: edge.Unheard,
		EdgeBytes: edge.HandshakeSent + edge.HandshakeReceived, OriginBytes: o.HandshakeReceived + o.HandshakeSent,
	}
	v := &r.result.Validity
	wrong := func(format string, args ...any) {
		v.Reconciled = false
		v.Warnings = append(v.Warnings, fmt.Sprintf("%s, trial %d: ", h.arm.Name, trial)+fmt.Sprintf(format, args...))
	}
	if o.Accepted != o.Ended() {
		wrong("the origin accepted %d connections and saw %d end", o.Accepted, o.Ended())
	}
	if !tally.Agrees() {
		wrong("the edge made %d connections, the origin saw %d end", tally.Connects, tally.Handshakes)
	}
	if h.arm.Part != "" && h.foreign() > 0 {
		wrong("%d requests came to this origin that are not its own", h.foreign())
	}
	for i := range v.Tallies {
		if v.Tallies[i].Arm == tally.Arm && v.Tallies[i].Origin == tally.Origin {
			v.Tallies[i].Connects += tally.Connects
			v.Tallies[i].Handshakes += tally.Handshakes
			v.Tallies[i].GivenUp += tally.GivenUp
			v.Tallies[i].Unheard += tally.Unheard
			v.Tallies[i].Accepted += tally.Accepted
			v.Tallies[i].EdgeBytes += tally.EdgeBytes
			v.Tallies[i].OriginBytes += tally.OriginBytes
			return
		}
	}
	v.Tallies = append(v.Tallies, tally)
}

// compareEnds compares what both ends counted of the handshakes that succeeded:
// how many were full and resumed, and their bytes each way. A difference is a
// warning: one of the two counts wrong, and nothing else shows it. Where an
// exchange failed after its handshake the ends may differ rightly.
func (r *run) compareEnds(arm *Arm, t *armTrial) {
	for _, h := range t.hops(arm) {
		r.compareHop(&h, t.index)
	}
}

func (r *run) compareHop(h *hop, trial int) {
	edge, o := h.edge, h.origin
	if h.arm.Plaintext || edge.HandshakesFailed > 0 || edge.Closed[pool.ReasonFailed] > 0 {
		return
	}
	ends := []struct {
		what         string
		edge, origin int64
	}{
		{"full handshakes", edge.HandshakesFull, o.Full},
		{"resumed handshakes", edge.HandshakesResumed, o.Resumed},
		{"bytes of handshakes from edge to origin", edge.HandshakeSent, o.HandshakeReceived},
		{"bytes of handshakes from origin to edge", edge.HandshakeReceived, o.HandshakeSent},
	}
	if h.arm.Settings.Origin.Server != builtin {
		ends = ends[:2] // no real server counts the bytes beneath its TLS
	}
	if o.Untold > 0 && o.Untold == edge.HandshakesFull-o.Full+edge.HandshakesResumed-o.Resumed {
		return // what the server tells of the kinds is no more than there were
	}
	for _, c := range ends {
		if c.edge != c.origin {
			v := &r.result.Validity
			v.Warnings = append(v.Warnings, fmt.Sprintf("%s, trial %d: the two ends disagree: the edge counted %d %s, the origin %d",
				h.arm.Name, trial, c.edge, c.what, c.origin))
		}
	}
}

// checkKind holds a handshake arm to what its name says: all handshakes that
// were measured are resumed, or none is. One of the other kind voids the run.
func (r *run) checkKind(x *Experiment, c *collected) {
	if x.Kind != Handshakes || c.arm.Plaintext {
		return
	}
	full, resumed := c.merged.Counts[countHandshakeFull], c.merged.Counts[countHandshakeResumed]
	v := &r.result.Validity
	switch {
	case c.arm.Settings.Edge.TLS.Resumption && full > 0:
		v.Valid = false
		v.Warnings = append(v.Warnings, fmt.Sprintf("%s: asked for resumed handshakes, but %d of %d were full: its figures mix two kinds", c.arm.Name, full, full+resumed))
	case !c.arm.Settings.Edge.TLS.Resumption && resumed > 0:
		v.Valid = false
		v.Warnings = append(v.Warnings, fmt.Sprintf("%s: asked for full handshakes, but %d of %d were resumed: its figures mix two kinds", c.arm.Name, resumed, full+resumed))
	}
}
