package pool

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"os"
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

	known headers // not guarded

	taken   int // places: connections open or being dialed
	conns   map[*conn]struct{}
	idle    []*conn   // the one used last is last
	waiters []*waiter // first come first
	circuit circuit

	standard *netHTTP // in whose care the connections are; nil: in the lane's own

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
	if p.cfg.Kind == NetHTTP {
		l.standard = newNetHTTP(l, t)
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
	if err := l.crowded(); err != nil {
		l.pool.mu.Unlock()
		x.Failed = StageWait
		return nil, err
	}
	turn := &waiter{turn: make(chan grant, 1)}
	l.waiters = append(l.waiters, turn)
	l.pool.stats.Waits++
	l.pool.mu.Unlock()
	g, err := l.wait(ctx, turn, x)
	if err != nil {
		x.Failed = StageWait
		return nil, err
	}
	if g.conn == nil {
		return nil, nil
	}
	return l.fresh(g.conn, x), nil
}

// crowded refuses a request where enough wait already. The lock is held.
func (l *lane) crowded() error {
	cfg := &l.pool.cfg
	if cfg.MaxWaiting == 0 || len(l.waiters) < cfg.MaxWaiting {
		return nil
	}
	l.pool.stats.WaitsRefused++
	return fmt.Errorf("%w for one of %d connections: as many as may", ErrCrowded, cfg.MaxConnections)
}

// ErrCrowded is wrapped by what a request gets when Config.MaxWaiting others
// wait.
var ErrCrowded = errors.New("too many requests wait")

// errWaited is why a wait ends at Config.WaitTimeout.
var errWaited = fmt.Errorf("none became free in time: %w", os.ErrDeadlineExceeded)

// wait is await, timed and counted.
func (l *lane) wait(ctx context.Context, w *waiter, x *Exchange) (grant, error) {
	p := l.pool
	began := time.Now()
	if limit := p.cfg.WaitTimeout; limit > 0 {
		bounded, cancel := context.WithTimeoutCause(ctx, limit, errWaited)
		defer cancel()
		ctx = bounded
	}
	g, err := l.await(ctx, w)
	waited := time.Since(began)
	x.Wait += waited
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.WaitNanos += int64(waited)
	if errors.Is(err, errWaited) {
		p.stats.WaitTimeouts++
	}
	return g, err
}

// await waits for a connection, or for the place of one that is gone.
func (l *lane) await(ctx context.Context, w *waiter) (grant, error) {
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

// last takes the idle connection that Config.Order has next; the lock is held.
func (l *lane) last() *conn {
	n := len(l.idle)
	if n == 0 {
		return nil
	}
	i := n - 1
	if l.pool.cfg.Order == FIFO {
		i = 0
	}
	c := l.idle[i]
	l.idle = slices.Delete(l.idle, i, i+1)
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
	for {
		reason := l.unfit(c)
		if reason == "" {
			break
		}
		c.close()
		l.pool.mu.Lock()
		l.count(c, reason)
		if reason == ReasonStale {
			l.pool.stats.RaceNoticed++
		}
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

// unfit is why an idle connection cannot be used; "" = it can.
func (l *lane) unfit(c *conn) string {
	if l.pool.cfg.MaxAge > 0 { // its uses were looked at when it was released
		if reason := c.worn(time.Now()); reason != "" {
			return reason
		}
	}
	fit := false
	if c.uses == 0 {
		fit = c.poll()
	} else {
		fit = c.quiet()
	}
	if !fit {
		return ReasonStale
	}
	return ""
}

// release makes c idle, or gives it to who has waited longest.
func (l *lane) release(c *conn) {
	p := l.pool
	now := time.Now()
	p.mu.Lock()
	reason := c.worn(now)
	if p.closed {
		reason = ReasonPool
	}
	if reason != "" {
		p.mu.Unlock()
		l.discard(c, reason)
		return
	}
	defer p.mu.Unlock()
	if len(l.waiters) > 0 {
		l.next() <- grant{conn: c}
		return
	}
	c.isIdle, c.idleSince = true, now
	l.idle = append(l.idle, c)
	p.arm(c)
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
	l.finish(c, reason)
	l.pool.complete(c)
}

// finish counts the end of c. The lock is held.
func (l *lane) finish(c *conn, reason string) {
	delete(l.conns, c)
	l.pool.stats.Open--
	l.pool.stats.Closed[reason]++
	l.pool.stats.PerConnection[c.uses]++
	if (reason == ReasonHandshake || reason == ReasonFailed) && !c.heard() {
		l.pool.stats.Unheard++
	}
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
