package sim

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// oneBlock grants every arm its warm-up and one long block, for latency under
// load; the order is reversed every other trial.
func oneBlock(ctx context.Context, x *Experiment, pairs []*pair, each func(*pair)) {
	order := slices.Clone(pairs)
	if len(pairs) > 0 && pairs[0].trial.index%2 == 0 {
		slices.Reverse(order)
	}
	for _, p := range order {
		if ctx.Err() != nil {
			return
		}
		each(p)
		for _, b := range x.blocksOf(p.arm) {
			p.block(ctx, b)
		}
		p.closeWindow()
		if x.Kind == Handshakes {
			p.measureFloor(ctx)
		}
	}
}

// blocksOf are the warm-up and the measured block of an arm that has one long
// block, by time or by number.
func (x *Experiment) blocksOf(a *Arm) []Block {
	if x.Count > 0 {
		return []Block{{Count: x.Count}}
	}
	workload := &a.Settings.Workload
	measured := Block{Seconds: x.blockOf(a), Count: int64(workload.Requests)}
	switch {
	case workload.Requests == 0:
		return []Block{{Seconds: x.Warmup, Discard: true}, measured}
	case workload.WarmupRequests == 0:
		return []Block{measured}
	}
	return []Block{{Seconds: measured.Seconds, Count: int64(workload.WarmupRequests), Discard: true}, measured}
}

// atOnce grants all arms their warm-up and one long block at the same time,
// where nobody reads their CPU and they wait for a distance.
func atOnce(ctx context.Context, x *Experiment, pairs []*pair) {
	for _, b := range []bool{true, false} {
		var blocks sync.WaitGroup
		for _, p := range pairs {
			length := x.blockOf(p.arm)
			if b {
				length = x.Warmup
			}
			blocks.Go(func() { p.block(ctx, Block{Seconds: length, Discard: b}) })
		}
		blocks.Wait()
	}
}

// interleave grants blocks round after round, one arm at a time, until the
// trial's time is spent, or its rounds are done where the plan counts pairs.
// each is told after every round which fraction is behind it.
//
// Note: the order is drawn anew each round. Reversing it looks fair, but gives
// the outermost arms two blocks in a row, the second with warm caches: the
// double, which stood last, then cost its edge 0.96 of what it doubles.
func (o *blockOrder) interleave(ctx context.Context, x *Experiment, pairs []*pair, each func(within float64)) (rounds int) {
	for _, i := range o.next() {
		pairs[i].block(ctx, Block{Seconds: x.Warmup, Discard: true})
	}
	started := time.Now()
	for ctx.Err() == nil && slices.ContainsFunc(pairs, (*pair).alive) && o.another(rounds, time.Since(started), x) {
		order := o.next()
		if rounds == 0 {
			baselineFirst(order, pairs)
		}
		for _, i := range order {
			if ctx.Err() == nil {
				pairs[i].block(ctx, Block{Seconds: x.Block})
			}
		}
		rounds++
		for _, i := range order {
			if rounds == floorRound && ctx.Err() == nil {
				pairs[i].measureFloor(ctx)
			}
		}
		each(min(1, time.Since(started).Seconds()/x.Seconds))
	}
	return rounds
}

// another reports whether a trial has another round to do.
func (o *blockOrder) another(rounds int, elapsed time.Duration, x *Experiment) bool {
	if o.rounds > 0 {
		return rounds < o.rounds
	}
	return rounds < minRounds || elapsed < seconds(x.Seconds)
}

// baselineFirst moves the baseline to the front, in the first round only: what
// is planted on the others goes by what it costs.
func baselineFirst(order []int, pairs []*pair) {
	if at := slices.IndexFunc(order, func(i int) bool { return pairs[i].arm.Role == Baseline }); at > 0 {
		order[0], order[at] = order[at], order[0]
	}
}

// blockOrder draws the order of the arms in each round.
type blockOrder struct {
	random *rand.Rand
	order  []int
	rounds int // of the trial; 0: as many as there is time for
}

// rounds is how many rounds the trial of an index (from 1) does: the pairs
// are shared out evenly, and 0 goes by time.
func (x *Experiment) rounds(index int) int {
	rounds := x.Pairs / x.Trials
	if index <= x.Pairs%x.Trials {
		rounds++
	}
	return rounds
}

func newBlockOrder(arms int, seed uint64) *blockOrder {
	o := &blockOrder{random: rand.New(rand.NewPCG(seed, 0xbf58476d1ce4e5b9))}
	for i := range arms {
		o.order = append(o.order, i)
	}
	// Drawn once before the first round too: else the last arm of the document
	// is never its first, and in trials of few rounds stands behind for good.
	o.shuffle()
	return o
}

func (o *blockOrder) shuffle() {
	o.random.Shuffle(len(o.order), func(i, j int) { o.order[i], o.order[j] = o.order[j], o.order[i] })
}

// next returns the order of a round. No arm has two blocks in a row: the last
// of a round is never the first of the next, unless there is but one.
func (o *blockOrder) next() []int {
	n := len(o.order)
	if n < 2 {
		return o.order
	}
	last := o.order[n-1]
	o.shuffle()
	if o.order[0] == last {
		j := 1 + o.random.IntN(n-1)
		o.order[0], o.order[j] = o.order[j], o.order[0]
	}
	return o.order
}

// floorRound is the round after which primitives are measured, once a trial:
// amid the blocks that they are held against.
const floorRound = minRounds / 2

// floorSeconds is what that takes for one arm, out of the trial's time.
const floorSeconds = 0.03

// minRounds is how many rounds a trial does whatever its time: a median of
// fewer says nothing.
const minRounds = 4
