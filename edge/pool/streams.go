package pool

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"
)

// doShared is Do over HTTP/2, where a connection carries many requests at once.
func (p *Pool) doShared(ctx context.Context, l *lane, t *Target, req *Request, resp *Response, x *Exchange) error {
	for attempt := 1; ; attempt++ {
		last := attempt >= p.cfg.Retry.Attempts
		c, err := l.join(ctx, t, x)
		if err != nil {
			return err
		}
		retry, err := p.exchangeShared(ctx, c, req, resp, x, last)
		if !retry {
			return err
		}
		p.resent(x)
	}
}

// exchangeShared uses a stream of c for one request and gives it back.
func (p *Pool) exchangeShared(ctx context.Context, c *conn, req *Request, resp *Response, x *Exchange, last bool) (retry bool, err error) {
	x.Local, x.Remote = c.local, c.remote
	answered := c.answered.Load()
	reply, err := c.h2.roundTrip(ctx, &p.cfg, req, resp)
	x.FirstByte = reply.first
	if !x.Reused && !reply.first.IsZero() {
		x.Trace.MarkStreamByte(c.h2.tap.begun(), reply.first)
	}
	p.settle(c, x, err != nil && isAlert(err) && reply.first.IsZero())
	return p.endShared(ctx, x, ended{c, req.Method, answered, last, reply}, err)
}

// ended is a request whose stream is to be given back.
type ended struct {
	conn     *conn
	method   string
	answered bool // the connection had answered before
	last     bool // no attempt follows
	reply    h2Reply
}

// endShared gives the stream of e back.
func (p *Pool) endShared(ctx context.Context, x *Exchange, e ended, err error) (retry bool, _ error) {
	c, reply := e.conn, e.reply
	switch {
	case err == nil && !p.cfg.Reuse:
		c.lane.leave(c, ReasonOnce)
		return false, nil
	case err == nil:
		c.lane.leave(c, "")
		return false, nil
	case p.ctx.Err() != nil:
		err = ErrClosed
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case reply.safe:
		retry = !e.last
	case x.Reused && e.answered && reply.ended && reply.first.IsZero() && p.lost(e.method, e.last):
		c.lane.leave(c, ReasonStale)
		return true, err
	}
	switch {
	case retry && p.cfg.Reuse, !reply.broken && p.cfg.Reuse:
		c.lane.leave(c, "")
	case retry:
		c.lane.leave(c, ReasonOnce)
	default:
		c.lane.leave(c, ReasonFailed)
	}
	x.Failed = StageHTTP
	if isAlert(err) {
		x.Failed = StageTLS
	}
	return retry, err
}

// join returns a connection with a stream for one request. It dials only
// where all streams are taken and no dial is under way that may bring more.
func (l *lane) join(ctx context.Context, t *Target, x *Exchange) (*conn, error) {
	p := l.pool
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		x.Failed = StageWait
		return nil, ErrClosed
	}
	turn := &waiter{turn: make(chan grant, 1)}
	l.waiters = append(l.waiters, turn)
	l.serve()
	if err := l.queued(turn); err != nil {
		p.mu.Unlock()
		x.Failed = StageWait
		return nil, err
	}
	p.mu.Unlock()
	g, err := l.wait(ctx, turn, x)
	if err != nil {
		x.Failed = StageWait
		return nil, err
	}
	if g.err != nil {
		x.Failed = g.stage
		return nil, g.err
	}
	if g.conn != nil {
		x.Reused = true
		return g.conn, nil
	}
	x.Reused = false
	c, err := l.dial(ctx, t, x)
	if err != nil {
		own := ctx.Err() != nil
		p.mu.Lock()
		l.undialed(err, x.Failed, own)
		p.mu.Unlock()
		return nil, err
	}
	return c, nil
}

// queued counts a request that must wait, or refuses to let it. The lock is
// held.
func (l *lane) queued(w *waiter) error {
	i := slices.Index(l.waiters, w)
	if i < 0 {
		return nil
	}
	if w.sharing = l.pending > 0 && l.pool.cfg.Reuse; w.sharing {
		l.pool.stats.Shared++
		return nil
	}
	l.waiters = slices.Delete(l.waiters, i, i+1)
	if err := l.crowded(); err != nil {
		return err
	}
	l.waiters = append(l.waiters, w)
	l.pool.stats.Waits++
	return nil
}

// undialed ends a dial without a connection. Those who waited for it would
// meet the same, so that it is theirs too; unless the reason was the dialling
// request's own. The lock is held.
func (l *lane) undialed(err error, stage Stage, own bool) {
	l.pending--
	if l.pending == 0 && !own {
		l.waiters = slices.DeleteFunc(l.waiters, func(w *waiter) bool {
			if w.sharing {
				w.turn <- grant{err: err, stage: stage}
			}
			return w.sharing
		})
	}
	l.serve()
}

// speakH2 begins HTTP/2 on c, with its first stream taken.
func (l *lane) speakH2(ctx context.Context, c *conn, x *Exchange) error {
	if err := agreed(x.Trace); err != nil {
		return err
	}
	p := l.pool
	c.streams, c.uses, c.pending = 1, 1, true
	var err error
	if c.h2, err = newH2(ctx, &p.cfg, c.stream, c.wire, func() { l.changed(c) }); err != nil {
		return err
	}
	p.busy.Add(1) // for the codec's reader, which ends with the connection
	p.mu.Lock()
	defer p.mu.Unlock()
	c.ready = true
	l.lines = append(l.lines, c)
	l.look(c)
	return nil
}

// changed is called by the reader of c.
func (l *lane) changed(c *conn) {
	p := l.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.ready {
		l.look(c)
	}
}

// look brings the lane up to what c's tap has seen. The lock is held.
func (l *lane) look(c *conn) {
	usable, settled, limit := c.h2.tap.state()
	if c.pending && (settled || !usable) {
		c.pending = false
		if settled {
			l.perConn = limit
			l.pending--
		} else {
			stage, err := c.h2.tap.end()
			l.undialed(err, stage, false)
		}
	}
	if c.h2.tap.over() && !c.over {
		c.over = true
		l.pool.busy.Done()
	}
	l.serve()
}

// serve gives waiting requests what there is: a stream, or the turn to dial.
// The lock is held.
func (l *lane) serve() {
	for len(l.waiters) > 0 {
		c := l.open()
		switch {
		case c != nil:
			l.next() <- grant{conn: c}
		case l.mayDial():
			l.taken++
			l.pending++
			l.next() <- grant{}
		default:
			return
		}
	}
}

// open takes a stream of a connection: the oldest that is in use, so that
// connections which are not needed fall idle, or else an idle one. The lock is
// held.
func (l *lane) open() *conn {
	if !l.pool.cfg.Reuse {
		return nil
	}
	now := time.Now()
	for i := 0; i < len(l.lines); i++ {
		c := l.lines[i]
		if c.retired = c.worn(now); c.retired != "" { // its last request closes it
			l.lines = slices.Delete(l.lines, i, i+1)
			i--
			continue
		}
		if usable, settled, limit := c.h2.tap.state(); usable && settled && c.streams < limit {
			c.streams++
			c.uses++
			return c
		}
	}
	for c := l.last(); c != nil; c = l.last() {
		reason := c.worn(now)
		if usable, _, _ := c.h2.tap.state(); !usable && reason == "" {
			reason = ReasonStale
			l.pool.stats.RaceNoticed++
		}
		if reason == "" {
			c.streams = 1
			c.uses++
			l.lines = append(l.lines, c)
			return c
		}
		c.wake() // the lock is held: no time for a goodbye
		l.count(c, reason)
		l.taken--
	}
	return nil
}

// mayDial says whether the first waiter should dial: there is a place, and
// the dials under way do not promise a stream for everyone. The lock is held.
func (l *lane) mayDial() bool {
	cfg := &l.pool.cfg
	if cfg.MaxConnections > 0 && l.taken >= cfg.MaxConnections {
		return false
	}
	if l.pending == 0 || !cfg.Reuse {
		return true
	}
	return l.perConn > 0 && len(l.waiters) > l.pending*(l.perConn-1)
}

// leave gives a stream of c back. A reason retires the connection: it takes
// no more requests, and its last one closes it.
func (l *lane) leave(c *conn, reason string) {
	p := l.pool
	p.mu.Lock()
	c.streams--
	tap := c.h2.tap
	usable, _, _ := tap.state()
	now := time.Now()
	switch {
	case p.closed:
		reason = ReasonPool
	case reason == "" && !usable:
		reason = tap.farewell()
	case reason == "":
		reason = c.worn(now)
	}
	if reason != "" && c.retired == "" {
		c.retired = reason
		l.lines = slices.DeleteFunc(l.lines, func(other *conn) bool { return other == c })
	}
	if c.streams > 0 {
		l.serve()
		p.mu.Unlock()
		return
	}
	if c.retired != "" {
		p.mu.Unlock()
		l.discard(c, c.retired)
		return
	}
	defer p.mu.Unlock()
	l.lines = slices.DeleteFunc(l.lines, func(other *conn) bool { return other == c })
	c.isIdle, c.idleSince = true, now
	l.idle = append(l.idle, c)
	l.serve()
	if c.isIdle {
		p.arm(c)
	}
}

// farewell is why the origin wants no more requests.
func (t *tap) farewell() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.goAway {
		return ReasonOrigin
	}
	return ReasonStale
}

func (t *tap) over() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.readErr != nil
}

// end is what a connection came to that never brought its SETTINGS.
func (t *tap) end() (Stage, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := errors.Join(t.readErr, t.writeErr)
	switch {
	case err == nil:
		return StageHTTP, errors.New("the origin wants no requests on a new connection (GOAWAY)")
	case isAlert(err):
		return StageTLS, err
	case errors.Is(err, net.ErrClosed):
		return StageHTTP, errors.New("the connection that it waited for has failed another's request")
	}
	return StageHTTP, err
}

// refusedH2 ends a connection on which HTTP/2 could not begin.
func (l *lane) refusedH2(c *conn, x *Exchange, err error) error {
	x.Failed = StageTLS
	l.pool.mu.Lock()
	l.pool.stats.HandshakesFailed++
	l.pool.mu.Unlock()
	l.discard(c, ReasonHandshake)
	return l.pool.cause(err)
}
