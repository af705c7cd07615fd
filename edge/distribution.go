package edge

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/wire"
)

// Layout is a whole distribution: points of presence, each with a cache and
// pools of its own, and perhaps a shield between them and the origin, or origins.
type Layout struct {
	// Edge is every point of presence's. With Routes only its Cache and Topology
	// are looked at.
	Edge Config
	// Routes, where there are any, are several origins: a request is the first's
	// that it matches, and the last matches everything. Each has pools of its own
	// at every point of presence, and nothing but the cache is shared.
	Routes []Route
	Pops   int // points of presence; 0 = 1
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
	pops   []*site
	shield *site // nil without one
	routes []Route
	seed   uint64
	pulls  atomic.Uint64
}

// NewDistribution makes a distribution with empty pools and caches.
func NewDistribution(l Layout) (*Distribution, error) {
	d := &Distribution{seed: l.Seed, routes: l.Routes}
	if l.Pops < 0 {
		return nil, fmt.Errorf("%d points of presence: a distribution needs at least one", l.Pops)
	}
	if len(l.Sites) > 0 && (len(l.Sites) != max(l.Pops, 1) || l.Shield != nil || len(l.Routes) > 0) {
		return nil, fmt.Errorf("%d ways to dial for %d points of presence: each needs one, to a single origin, and with a shield none of them dials", len(l.Sites), max(l.Pops, 1))
	}
	if err := checkRoutes(l.Routes); err != nil {
		return nil, err
	}
	at := l.Edge
	if l.Shield != nil {
		upper := l.Edge
		upper.Cache, upper.Topology = l.Shield.Cache, Topology{}
		shield, err := newSite(upper, l.Routes, nil, l.Edge.Seed)
		if err != nil {
			return nil, fmt.Errorf("the shield: %w", err)
		}
		d.shield, at.ageless = shield, l.Shield.Ageless
	}
	for i := range max(l.Pops, 1) {
		if len(l.Sites) > 0 {
			at.Target.Dialer = l.Sites[i]
		}
		pop, err := newSite(at, l.Routes, d.shield, draw(l.Seed, uint64(i)+1))
		if err != nil {
			return nil, errors.Join(err, d.Close())
		}
		d.pops = append(d.pops, pop)
	}
	return d, nil
}

// Pull answers a viewer at one of the points of presence: see [Edge.Pull].
func (d *Distribution) Pull(ctx context.Context, v Viewer) (Reply, error) {
	pop, route := 0, d.route(v.Host, v.Path)
	if n := uint64(len(d.pops)); n > 1 {
		pop = int(draw(d.seed, d.pulls.Add(1)) % n)
	}
	reply, err := d.pops[pop].edges[route].Pull(ctx, v)
	reply.Pop, reply.Origin = pop, route
	return reply, err
}

// route is the origin whose a request is: the first that it matches.
func (d *Distribution) route(host, path string) int {
	for i := range len(d.routes) - 1 {
		if d.routes[i].Match.Takes(host, path) {
			return i
		}
	}
	return max(0, len(d.routes)-1)
}

// Prewarm makes the connections of those who dial the origins: see
// [Edge.Prewarm]. The traces of each origin stand together, in order.
func (d *Distribution) Prewarm(ctx context.Context) ([][]*wire.Trace, error) {
	dialing := d.pops
	if d.shield != nil {
		dialing = []*site{d.shield}
	}
	all := make([][]*wire.Trace, max(1, len(d.routes)))
	for _, s := range dialing {
		for i, e := range s.edges {
			traces, err := e.Prewarm(ctx)
			all[i] = append(all[i], traces...)
			if err != nil {
				return all, err
			}
		}
	}
	return all, nil
}

// Stats returns the counts of all points of presence together, and the
// shield's.
func (d *Distribution) Stats() Stats {
	var total Stats
	each := make([]pool.Stats, max(1, len(d.routes)))
	for _, pop := range d.pops {
		pop.pools(each)
		add(&total.Cache, pop.stats())
	}
	if d.shield != nil {
		d.shield.pools(each)
		stored := d.shield.stats()
		total.Shield = &stored
	}
	for _, s := range each {
		add(&total.Pool, s)
	}
	if len(d.routes) > 0 {
		total.Origins = each
	}
	return total
}

// Close ends the distribution, the points of presence before their shield.
func (d *Distribution) Close() error {
	var failed []error
	for _, pop := range d.pops {
		failed = append(failed, pop.close())
	}
	if d.shield != nil {
		failed = append(failed, d.shield.close())
	}
	return errors.Join(failed...)
}
