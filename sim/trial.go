package sim

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/results"
)

// errNothingMeasured is why a trial without a block counts for nothing: no
// sample is never a zero.
var errNothingMeasured = errors.New("the run ended before a block of it was measured")

// errInterrupted is why an arm ends whose block was under way when the run was
// interrupted.
var errInterrupted = errors.New("interrupted")

// askTimeout bounds a worker's answer beyond the time its block was granted.
const askTimeout = 20 * time.Second

// interruptGrace is how long an interrupted run waits for a block under way,
// so that its trial can still be drained and kept.
const interruptGrace = 500 * time.Millisecond

// pair is one arm of a trial: a fresh edge and a fresh origin process.
type pair struct {
	arm     *Arm
	origin  originEnd
	edge    *process
	base    *pair       // the plain-TCP pair of the same trial, or nil
	costs   []blockCost // one per measured block; in step with the rounds
	clock   [2]cpuReading
	refuses *Reload // after which the origin refuses the edge; nil: it never does
	plants  bool    // an arm of the experiment has a plant: all are asked
	trial   armTrial
	shown   *results.Summary // of the step of a search that stands for the arm; nil: of all that counted
}

// armTrial is what one arm yields in one trial.
type armTrial struct {
	index   int
	blocks  []blockCost
	edge    *EdgeSummary
	origin  *origin.Counts
	origins []origin.Counts // of each of several; origin is their sum
	floor   *Floor          // nil: not measured
	err     error           // why the arm failed in this trial
	noCPU   error           // why it has no CPU figures
	links   []LinkSummary   // none: loopback
	search  *results.Search // nil: there was none
	again   int             // blocks that were measured again because their link was late
}

// blockCost is what one block cost, by the CPU clocks of the two processes.
// A block's window ends where the arm's next begins, so that what a process
// does after its block (closing connections, say) is charged to the arm and
// not lost.
type blockCost struct {
	count        int64
	edge, origin time.Duration
	took         time.Duration // by the wall clock, as granted
}

// crowded reports whether edge and origin, of which one always has something
// to do, together had a processor for less than crowdedShare of their block:
// somebody else had it.
func (b *blockCost) crowded() bool {
	return b.took > 0 && float64(b.edge+b.origin) < crowdedShare*float64(b.took)
}

const crowdedShare = 0.8

// cpuReading is the CPU clock of one process at the start of a block.
type cpuReading struct {
	at   time.Duration
	good bool
}

// trial starts a fresh pair for every arm, runs body while all are alive,
// then drains them. It fails only when the context ends; a pair that fails
// carries its error and leaves the others alone.
func (r *run) trial(ctx context.Context, x *Experiment, index int, lab *lab, body func(context.Context, []*pair)) []armTrial {
	pairs := make([]*pair, len(x.Arms))
	var wg sync.WaitGroup
	starting := make(chan struct{}, 2) // more at once only fight for two cores
	for i := range x.Arms {
		pairs[i] = &pair{arm: &x.Arms[i], trial: armTrial{index: index}}
	}
	// In an order of its own: whoever always starts first is always the oldest.
	for _, i := range newBlockOrder(len(pairs), ^trialSeed(r.plan.Seed, index)).next() {
		wg.Go(func() {
			starting <- struct{}{}
			defer func() { <-starting }()
			if err := r.startPair(ctx, pairs[i], index, lab); ctx.Err() != nil && err != nil {
				pairs[i].trial.err = errInterrupted
			} else if err != nil {
				pairs[i].trial.err = err
			}
		})
	}
	wg.Wait()
	defer func() {
		for _, p := range pairs {
			wg.Go(p.stop)
		}
		wg.Wait()
	}()
	for _, p := range pairs {
		p.base, p.plants = basePair(x.Kind, pairs), slices.ContainsFunc(x.Arms, func(a Arm) bool { return a.planted() })
	}
	body(ctx, pairs)
	trials := make([]armTrial, len(pairs))
	for _, p := range pairs {
		p.readClocks() // closes the last block's window
	}
	for i, p := range pairs {
		wg.Go(func() { // at once: some servers take a second to say goodbye
			p.drain(ctx)
			p.trial.blocks = p.costs
			trials[i] = p.trial
		})
	}
	wg.Wait()
	return trials
}

// alive reports whether the pair can still measure.
func (p *pair) alive() bool { return p.trial.err == nil }

// startPair starts the origin, or origins, then the edge that pulls from there.
func (r *run) startPair(ctx context.Context, p *pair, index int, lab *lab) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if len(p.arm.Settings.Origins) > 0 {
		return r.startSeveral(ctx, p, index, lab)
	}
	credentials, err := lab.credentials(p.arm)
	if err != nil {
		return err
	}
	start, err := r.originStart(p.arm, index, credentials)
	if err != nil {
		return err
	}
	if p.arm.Settings.Origin.RefusesAfter > 0 && !p.arm.Plaintext {
		if p.refuses, err = refusal(&start); err != nil {
			return err
		}
	}
	if p.arm.distant() {
		return r.startHop(ctx, p, &start, credentials)
	}
	if p.origin, start.Origin, err = r.startOrigin(ctx, &start); err != nil {
		return err
	}
	start.Credentials, start.Certificate, start.Audit, start.Include, start.Source = credentials.edge, "", "", "", edgeAddress()
	return r.startEdge(ctx, p, &start)
}

// originStart is what the origin of an arm, or of a part of one, is told.
func (r *run) originStart(arm *Arm, index int, credentials credentialSet) (Start, error) {
	start := Start{
		Protocol: ProtocolVersion, Arm: *arm, Seed: trialSeed(r.plan.Seed, index),
		Credentials: credentials.origin, Audit: auditFile(r.cfg, arm), Include: r.plan.included(arm),
	}
	if !arm.Plaintext {
		start.Certificate = credOrigin
	}
	var err error
	start.Arm.Policy, err = pinned(arm.Policy, credentials)
	return start, err
}

// startEdge starts the edge of the pair.
func (r *run) startEdge(ctx context.Context, p *pair, start *Start) (err error) {
	start.Trace = r.plan.packedTrace(p.arm)
	if p.edge, err = r.cfg.of(p.arm).startProcess(RoleEdge, "the edge of "+p.arm.Name, workerEnv()); err != nil {
		return err
	}
	_, err = p.edge.ask(ctx, Command{Type: msgStart, Start: start})
	return err
}

// block grants the pair one block and charges its CPU.
func (p *pair) block(ctx context.Context, b Block) {
	if p.trial.err != nil {
		return
	}
	p.readClocks()
	settle := p.refuseLater(ctx, b)
	done, err := p.granted(ctx, b)
	if refused := settle(); err == nil {
		err = refused
	}
	if err == nil && done.Count < b.Count && ctx.Err() == nil {
		err = fmt.Errorf("%s: only %d of %d requests were made in %gs: raise workload.duration", p.arm.Name, done.Count, b.Count, b.Seconds)
	}
	if err == nil && done.Error != "" && done.Failed == done.Count { // some failures are a result, all failures are a broken arm
		err = fmt.Errorf("the edge of %s: %d of %d failed; the first: %s", p.arm.Name, done.Failed, done.Count, done.Error)
	}
	if err == nil && b.Count > 0 && done.Count != b.Count {
		err = fmt.Errorf("the edge of %s: %w: it did %d of %d", p.arm.Name, errUncounted, done.Count, b.Count)
	}
	if err != nil {
		p.fail(ctx, err)
		return
	}
	if !b.Discard {
		p.costs = append(p.costs, blockCost{count: done.Count, edge: -seconds(done.Generator), took: seconds(done.Seconds)})
	}
	p.plant(ctx, done.Count)
}

// granted has the edge do a block, and do it again while the link between the
// pair's ends was late: a busy machine spoils a block, and the next may be left
// alone. What the block found is no part of that decision.
func (p *pair) granted(ctx context.Context, b Block) (BlockDone, error) {
	length := b.Seconds
	if p.arm.Settings.Workload.Arrivals.Open() {
		length += (tooLate + drainViewers).Seconds() // what it may take where the edge is overloaded
	}
	for {
		answer, err := grant(ctx, p.edge, Command{Type: msgBlock, Block: &b}, length)
		if err == nil && answer.Done == nil {
			err = fmt.Errorf("the edge of %s: %w", p.arm.Name, errNoAnswer)
		}
		if err != nil {
			return BlockDone{}, err
		}
		if b.Discard || answer.Done.Late == "" || p.trial.again == p.arm.lateBlocks() || ctx.Err() != nil {
			return *answer.Done, nil
		}
		b.Again = true
		p.trial.again++
	}
}

// basePair returns the pair of the baseline that others are net of, or nil: the
// CPU of a request is not net of anything.
func basePair(kind Kind, pairs []*pair) *pair {
	for _, p := range pairs {
		if kind == Handshakes && p.arm.Role == Baseline && p.alive() {
			return p
		}
	}
	return nil
}

// closeWindow charges the last block and opens no other: what an arm does
// while others have long blocks is not its cost.
func (p *pair) closeWindow() {
	p.readClocks()
	p.clock = [2]cpuReading{}
}

// measureFloor has the edge measure the primitives of its handshakes, outside
// of every block's window.
func (p *pair) measureFloor(ctx context.Context) {
	if p.trial.err != nil || p.trial.noCPU != nil || p.arm.Plaintext {
		return
	}
	p.closeWindow()
	answer, err := grant(ctx, p.edge, Command{Type: msgFloor}, floorSeconds)
	if err != nil {
		p.fail(ctx, err)
		return
	}
	p.trial.floor = answer.Floor
}

// grant asks a worker for a block, a plant or a floor. An interrupt does not cut
// a short block off: its trial could not be drained any more.
func grant(ctx context.Context, worker *process, c Command, duration float64) (Answer, error) {
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), seconds(duration)+askTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(interruptGrace, cancel)
		context.AfterFunc(detached, func() { timer.Stop() })
	})
	defer stop()
	return worker.ask(detached, c)
}

// fail records why the pair is out. A block that the interrupt cut off is no
// failure of its worker. When the origin died the edge only sees refused
// connections: the origin's own end is the better reason.
func (p *pair) fail(ctx context.Context, err error) {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		p.trial.err = errInterrupted
		return
	}
	if early := p.origin.stop(); early != nil {
		err = early
	}
	p.trial.err = err
}

// readClocks closes the window of the last block and opens the next.
func (p *pair) readClocks() {
	if p.trial.err != nil || p.edge == nil || p.origin == nil || p.arm.distant() {
		return
	}
	for i, pids := range []func() ([]int, error){p.edge.pids, p.origin.pids} {
		now, err := sumCPU(pids)
		if err != nil {
			p.trial.noCPU = err
		}
		if last := p.clock[i]; last.good && err == nil && len(p.costs) > 0 {
			cost := &p.costs[len(p.costs)-1]
			if i == 0 {
				cost.edge += now - last.at
			} else {
				cost.origin += now - last.at
			}
		}
		p.clock[i] = cpuReading{at: now, good: err == nil}
	}
}

// drain collects the summaries: the edge first, because closing its idle
// connections is what lets the origin finish.
func (p *pair) drain(ctx context.Context) {
	if p.trial.err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	answer, err := p.edge.ask(ctx, Command{Type: msgDrain})
	if err != nil {
		p.fail(ctx, err)
		return
	}
	p.trial.edge, p.trial.links = answer.Edge, answer.Links
	if p.shown != nil && answer.Edge != nil {
		answer.Edge.Summary = *p.shown
	}
	made := int64(0)
	if answer.Edge != nil {
		made = answer.Edge.Total.Pool.Connects
	}
	several := (*severalEnds)(nil)
	switch end := p.origin.(type) {
	case *hopEnd:
		end.counts = answer.Origin
	case *severalEnds:
		if several = end; answer.Edge != nil {
			several.made = answer.Edge.Total.Origins
		}
	}
	if p.trial.origin, err = p.origin.drain(ctx, made); err != nil {
		p.fail(ctx, err)
		return
	}
	if several != nil {
		p.trial.origins = several.counts
	}
	if p.trial.edge == nil || p.trial.origin == nil {
		p.trial.err = fmt.Errorf("%s: drain: %w", p.arm.Name, errNoAnswer)
	}
}

func (p *pair) stop() {
	if p.edge != nil {
		_ = p.edge.stop()
	}
	if p.origin != nil {
		_ = p.origin.stop()
	}
}

// credentialSet is what the two ends of an arm are handed.
type credentialSet struct {
	edge, origin pki.Credentials
	client       *x509.Certificate // the edge's leaf
}
