package pool

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/originpull/originpull/wire"
)

// laneKey is what connections must have in common to be interchangeable.
type laneKey struct {
	address              netip.AddrPort
	serverName, identity string
	tls                  *tls.Config
	source               netip.Addr
	protocol             Protocol
	early, mustBeAsked   bool
	network              wire.Network
}

// lane is the connections of one key. The pool's lock guards it.
type lane struct {
	pool *Pool
	tls  *tls.Config // the lane's own copy; nil = plaintext

	taken   int // places: connections open or being dialed
	conns   map[*conn]struct{}
	idle    []*conn   // the one used last is last
	waiters []*waiter // first come first

	// Over HTTP/2 alone.
	shared  bool
	lines   []*conn // in use, with streams of them perhaps free; the oldest is first
	pending int     // dials, and connections whose SETTINGS have not come
	perConn int     // streams that the origin allowed last; 0 = not known
}

// waiter is a request that waits its turn.
type waiter struct {
	turn    chan grant // one grant, or closed
	sharing bool       // for a dial of another's
}

// grant is a connection; or, without one, the turn to dial, or why there is
// none to come.
type grant struct {
	conn  *conn
	err   error
	stage Stage
}

// sessions is how many TLS sessions a lane keeps. One name is one entry.
const sessions = 8

func newLane(p *Pool, t *Target) *lane {
	l := &lane{pool: p, conns: map[*conn]struct{}{}, shared: t.Protocol == H2}
	if t.TLS != nil {
		l.tls = t.TLS.Clone()
		switch t.Protocol {
		case H3:
			l.tls.NextProtos = []string{http3.NextProtoH3}
		case H2:
			l.tls.NextProtos = []string{protoH2}
		case H1: // offers nothing, which is HTTP/1.1
		}
		if t.ServerName != "" {
			l.tls.ServerName = t.ServerName
		}
		if l.tls.ClientSessionCache != nil {
			l.tls.ClientSessionCache = tls.NewLRUClientSessionCache(sessions)
		}
		if t.MustBeAsked {
			noteAsked(l.tls)
		}
	}
	return l
}

// acquire returns an idle connection that is not stale, or nil and a place to
// dial one in.
func (l *lane) acquire(ctx context.Context, x *Exchange) (*conn, error) {
	l.pool.mu.Lock()
	if l.pool.closed {
		l.pool.mu.Unlock()
		x.Failed = StageWait
		return nil, ErrClosed
	}
	if c := l.last(); c != nil {
		l.pool.mu.Unlock()
		return l.fresh(c, x), nil
	}
	limit := l.pool.cfg.MaxConnections
	if limit == 0 || l.taken < limit {
		l.taken++
		l.pool.mu.Unlock()
		return nil, nil
	}
	turn := &waiter{turn: make(chan grant, 1)}
	l.waiters = append(l.waiters, turn)
	l.pool.stats.Waits++
	l.pool.mu.Unlock()
	g, err := l.wait(ctx, turn)
	x.Wait = time.Since(x.Start)
	if err != nil {
		x.Failed = StageWait
		return nil, err
	}
	if g.conn == nil {
		return nil, nil
	}
	return l.fresh(g.conn, x), nil
}

// wait waits for a connection, or for the place of one that is gone.
func (l *lane) wait(ctx context.Context, w *waiter) (grant, error) {
	select {
	case g, open := <-w.turn:
		if !open {
			return grant{}, ErrClosed
		}
		return g, nil
	case <-ctx.Done():
	}
	err := fmt.Errorf("waiting for one of %d connections: %w", l.pool.cfg.MaxConnections, context.Cause(ctx))
	if w.sharing {
		err = fmt.Errorf("waiting for a connection that is being made: %w", context.Cause(ctx))
	}
	l.pool.mu.Lock()
	if i := slices.Index(l.waiters, w); i >= 0 {
		l.waiters = slices.Delete(l.waiters, i, i+1)
		l.pool.mu.Unlock()
		return grant{}, err
	}
	l.pool.mu.Unlock()
	// The turn came at the same time: pass it on.
	if g, open := <-w.turn; open {
		l.decline(g)
	}
	return grant{}, err
}

// decline passes a turn on.
func (l *lane) decline(g grant) {
	switch {
	case g.err != nil:
	case g.conn != nil && l.shared:
		l.leave(g.conn, "")
	case g.conn != nil:
		l.release(g.conn)
	default:
		if l.shared {
			l.pool.mu.Lock()
			l.pending--
			l.pool.mu.Unlock()
		}
		l.vacate()
	}
}

// last takes the idle connection that was used last; the lock is held.
func (l *lane) last() *conn {
	if len(l.idle) == 0 {
		return nil
	}
	c := l.idle[len(l.idle)-1]
	l.idle[len(l.idle)-1] = nil
	l.idle = l.idle[:len(l.idle)-1]
	c.isIdle = false
	return c
}

// takeIdle takes the n connections that have been idle longest; the lock is
// held.
func (l *lane) takeIdle(n int) []*conn {
	taken := slices.Clone(l.idle[:n])
	l.idle = slices.Delete(l.idle, 0, n)
	for _, c := range taken {
		c.isIdle = false
	}
	return taken
}

// fresh returns c, or the next idle connection that is not stale, or nil: c's
// place is then free for a dial.
func (l *lane) fresh(c *conn, x *Exchange) *conn {
	for !c.quiet() {
		c.close()
		l.pool.mu.Lock()
		l.count(c, ReasonStale)
		next := l.last()
		if next != nil {
			l.taken-- // nobody waits where something is idle
		}
		l.pool.mu.Unlock()
		if next == nil {
			return nil
		}
		c = next
	}
	x.Reused = true
	return c
}

// release makes c idle, or gives it to who has waited longest.
func (l *lane) release(c *conn) {
	p := l.pool
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		l.discard(c, ReasonPool)
		return
	}
	defer p.mu.Unlock()
	if len(l.waiters) > 0 {
		l.next() <- grant{conn: c}
		return
	}
	c.isIdle, c.idleSince = true, time.Now()
	l.idle = append(l.idle, c)
	p.arm(c.idleSince)
}

// next takes the first waiter; the lock is held.
func (l *lane) next() chan grant {
	first := l.waiters[0]
	l.waiters = slices.Delete(l.waiters, 0, 1)
	return first.turn
}

// discard closes c and gives its place away.
func (l *lane) discard(c *conn, reason string) {
	c.close()
	l.forget(c, reason)
	l.vacate()
}

// forget counts c, which is closed, and keeps its place.
func (l *lane) forget(c *conn, reason string) {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	l.count(c, reason)
}

func (l *lane) count(c *conn, reason string) {
	delete(l.conns, c)
	l.pool.stats.Open--
	l.pool.stats.Closed[reason]++
	if reason == ReasonIdle {
		l.pool.stats.IdleClosed++
	}
}

// vacate gives a place to who has waited longest.
func (l *lane) vacate() {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	if len(l.waiters) > 0 && !l.shared {
		l.next() <- grant{}
		return
	}
	l.taken--
	l.serve()
}
