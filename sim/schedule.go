package sim

import (
	"context"
	"math/rand/v2"
	"slices"
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
		p.block(ctx, Block{Seconds: x.Warmup, Discard: true})
		p.block(ctx, Block{Seconds: x.Block})
		p.closeWindow()
		if x.Kind == Handshakes {
			p.measureFloor(ctx)
		}
	}
}

// interleave grants blocks round after round, one arm at a time, until the
// trial's time is spent. each is told after every round which fraction is
// behind it.
//
// Note: the order is drawn anew each round. Reversing it looks fair, but gives
// the outermost arms two blocks in a row, the second with warm caches: the
// double, which stood last, then cost its edge 0.96 of what it doubles.
func (o *blockOrder) interleave(ctx context.Context, x *Experiment, pairs []*pair, each func(within float64)) (rounds int) {
	for _, p := range pairs {
		p.block(ctx, Block{Seconds: x.Warmup, Discard: true})
	}
	started := time.Now()
	for ctx.Err() == nil && slices.ContainsFunc(pairs, (*pair).alive) && (rounds < minRounds || time.Since(started) < seconds(x.Seconds)) {
		for _, i := range o.next() {
			if ctx.Err() == nil {
				pairs[i].block(ctx, Block{Seconds: x.Block})
			}
		}
		rounds++
		for _, p := range pairs {
			if rounds == floorRound && ctx.Err() == nil {
				p.measureFloor(ctx)
			}
		}
		each(min(1, time.Since(started).Seconds()/x.Seconds))
	}
	return rounds
}

// blockOrder draws the order of the arms in each round.
type blockOrder struct {
	random *rand.Rand
	order  []int
}

func newBlockOrder(arms int, seed uint64) *blockOrder {
	o := &blockOrder{random: rand.New(rand.NewPCG(seed, 0xbf58476d1ce4e5b9))}
	for i := range arms {
		o.order = append(o.order, i)
	}
	return o
}

// next returns the order of a round. No arm has two blocks in a row: the last
// of a round is never the first of the next, unless there is but one.
func (o *blockOrder) next() []int {
	n := len(o.order)
	if n < 2 {
		return o.order
	}
	last := o.order[n-1]
	o.random.Shuffle(n, func(i, j int) { o.order[i], o.order[j] = o.order[j], o.order[i] })
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
