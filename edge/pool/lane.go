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
	early                bool
	network              wire.Network
}

// lane is the connections of one key. The pool's lock guards it.
type lane struct {
	pool *Pool
	tls  *tls.Config // the lane's own copy; nil = plaintext

	known headers // not guarded

	taken   int // places: connections open or being dialed
	conns   map[*conn]struct{}
	idle    []*conn      // the one used last is last
	waiters []chan *conn // first come first
}

// sessions is how many TLS sessions a lane keeps. One name is one entry.
const sessions = 8

func newLane(p *Pool, t *Target) *lane {
	l := &lane{pool: p, conns: map[*conn]struct{}{}}
	if t.TLS != nil {
		l.tls = t.TLS.Clone()
		if t.Protocol == H3 {
			l.tls.NextProtos = []string{http3.NextProtoH3}
		}
		if t.ServerName != "" {
			l.tls.ServerName = t.ServerName
		}
		if l.tls.ClientSessionCache != nil {
			l.tls.ClientSessionCache = tls.NewLRUClientSessionCache(sessions)
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
	turn := make(chan *conn, 1)
	l.waiters = append(l.waiters, turn)
	l.pool.stats.Waits++
	l.pool.mu.Unlock()
	c, err := l.wait(ctx, turn)
	x.Wait = time.Since(x.Start)
	if err != nil {
		x.Failed = StageWait
		return nil, err
	}
	if c == nil {
		return nil, nil
	}
	return l.fresh(c, x), nil
}

// wait waits for a connection, or for the place of one that is gone.
func (l *lane) wait(ctx context.Context, turn chan *conn) (*conn, error) {
	select {
	case c, open := <-turn:
		if !open {
			return nil, ErrClosed
		}
		return c, nil
	case <-ctx.Done():
	}
	l.pool.mu.Lock()
	if i := slices.Index(l.waiters, turn); i >= 0 {
		l.waiters = slices.Delete(l.waiters, i, i+1)
		l.pool.mu.Unlock()
		return nil, fmt.Errorf("waiting for one of %d connections: %w", l.pool.cfg.MaxConnections, context.Cause(ctx))
	}
	l.pool.mu.Unlock()
	// The turn came at the same time: pass it on.
	if c, open := <-turn; open {
		if c != nil {
			l.release(c)
		} else {
			l.vacate()
		}
	}
	return nil, fmt.Errorf("waiting for one of %d connections: %w", l.pool.cfg.MaxConnections, context.Cause(ctx))
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
		l.next() <- c
		return
	}
	c.isIdle, c.idleSince = true, time.Now()
	l.idle = append(l.idle, c)
	p.arm(c.idleSince)
}

// next takes the first waiter; the lock is held.
func (l *lane) next() chan *conn {
	turn := l.waiters[0]
	l.waiters = slices.Delete(l.waiters, 0, 1)
	return turn
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
	if len(l.waiters) > 0 {
		l.next() <- nil
		return
	}
	l.taken--
}
