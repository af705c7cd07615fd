package edge

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/wire"
)

// Layout is a whole distribution: points of presence, each with a cache and
// pools of its own, and perhaps a shield between them and the origin.
type Layout struct {
	// Edge is every point of presence's.
	Edge Config
	Pops int // points of presence; 0 = 1
	// Shield, when set, is the only tier that dials the origin: what a point of
	// presence does not have it asks the shield for. Its cache is its own.
	Shield *Shield
	// Sites, where there are any, are how each point of presence dials, in
	// place of Edge.Target.Dialer: as many as Pops.
	Sites []wire.Dialer
	Seed  uint64 // of the choice of a point of presence, and of the pools
}

// Shield is the tier between points of presence and the origin: one site,
// with one pool.
type Shield struct {
	Cache cache.Config
	// Ageless hides from the points of presence how old an answer is, so that
	// it is fresh anew at every tier.
	Ageless bool
}

// Distribution spreads viewers evenly over its points of presence. It is safe
// for concurrent use.
type Distribution struct {
	pops   []*Edge
	shield *Edge // nil without one
	seed   uint64
	pulls  atomic.Uint64
}

// NewDistribution makes a distribution with empty pools and caches.
func NewDistribution(l Layout) (*Distribution, error) {
	d := &Distribution{seed: l.Seed}
	if l.Pops < 0 {
		return nil, fmt.Errorf("%d points of presence: a distribution needs at least one", l.Pops)
	}
	if len(l.Sites) > 0 && (len(l.Sites) != max(l.Pops, 1) || l.Shield != nil) {
		return nil, fmt.Errorf("%d ways to dial for %d points of presence: each needs one, and with a shield none of them dials", len(l.Sites), max(l.Pops, 1))
	}
	at := l.Edge
	if l.Shield != nil {
		upper := l.Edge
		upper.Cache, upper.Topology = l.Shield.Cache, Topology{}
		shield, err := New(upper)
		if err != nil {
			return nil, fmt.Errorf("the shield: %w", err)
		}
		d.shield, at.Parent, at.ageless = shield, shield, l.Shield.Ageless
	}
	for i := range max(l.Pops, 1) {
		if len(l.Sites) > 0 {
			at.Target.Dialer = l.Sites[i]
		}
		at.Seed = draw(l.Seed, uint64(i)+1)
		pop, err := New(at)
		if err != nil {
			return nil, errors.Join(err, d.Close())
		}
		d.pops = append(d.pops, pop)
	}
	return d, nil
}

// Pull answers a viewer at one of the points of presence: see [Edge.Pull].
func (d *Distribution) Pull(ctx context.Context, v Viewer) (Reply, error) {
	if len(d.pops) == 1 {
		return d.pops[0].Pull(ctx, v)
	}
	at := draw(d.seed, d.pulls.Add(1)) % uint64(len(d.pops))
	reply, err := d.pops[at].Pull(ctx, v)
	reply.Pop = int(at)
	return reply, err
}

// Prewarm makes the connections of those who dial the origin: see
// [Edge.Prewarm].
func (d *Distribution) Prewarm(ctx context.Context) ([]*wire.Trace, error) {
	dialing := d.pops
	if d.shield != nil {
		dialing = []*Edge{d.shield}
	}
	var all []*wire.Trace
	for _, e := range dialing {
		traces, err := e.Prewarm(ctx)
		all = append(all, traces...)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// Stats returns the counts of all points of presence together, and the
// shield's.
func (d *Distribution) Stats() Stats {
	var total Stats
	for _, pop := range d.pops {
		s := pop.Stats()
		add(&total.Pool, s.Pool)
		add(&total.Cache, s.Cache)
	}
	if d.shield != nil {
		s := d.shield.Stats()
		add(&total.Pool, s.Pool)
		total.Shield = &s.Cache
	}
	return total
}

// Close ends the distribution, the points of presence before their shield.
func (d *Distribution) Close() error {
	var failed []error
	for _, pop := range d.pops {
		failed = append(failed, pop.Close())
	}
	if d.shield != nil {
		failed = append(failed, d.shield.Close())
	}
	return errors.Join(failed...)
}
