package pool

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/originpull/originpull/wire"
)

// conn is one connection of a lane. Whoever took it from the lane owns it.
type conn struct {
	lane          *lane
	wire          *wire.Conn
	tls           *tls.Conn // nil = plaintext
	stream        net.Conn  // tls, else wire
	packets       *wire.Packets
	h3            *h3Line // in place of wire, tls and stream: nil until shaken hands
	resumed       bool
	local, remote netip.AddrPort
	made          time.Time
	uses          int64       // requests sent; its user's, or over HTTP/2 the pool's lock's
	early         *wire.Trace // of a connection made beforehand, unless it was refused; guarded by the pool's lock
	handed        int64       // bytes that TLS was given of it, tickets included, when poll has read
	tallied       int64       // of early.Received

	in reader

	h2 *h2Line // over tls; nil until it is spoken
	// Over HTTP/2, guarded by the pool's lock.
	ready    bool   // it is one of the lane's lines
	pending  bool   // its SETTINGS have not come
	over     bool   // its reader has ended
	streams  int    // that requests have
	retired  string // why it takes no more requests
	answered atomic.Bool

	isIdle    bool      // guarded by the pool's lock
	idleSince time.Time // likewise
}

// dial makes a connection in a place of the lane, which it gives away if it
// cannot.
func (l *lane) dial(ctx context.Context, t *Target, x *Exchange) (*conn, error) {
	if err := l.admit(); err != nil {
		x.Failed = StageWait
		l.vacate()
		return nil, err
	}
	c, err := l.dialNow(ctx, t, x)
	l.judge(ctx, err)
	return c, err
}

func (l *lane) dialNow(ctx context.Context, t *Target, x *Exchange) (*conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.pool.ctx, cancel)()
	if t.Protocol == H3 {
		return l.connectQUIC(ctx, t, x)
	}
	c, err := l.connect(ctx, t)
	if err != nil {
		x.Failed = StageTCP
		l.vacate()
		return nil, l.pool.cause(err)
	}
	x.Local, x.Remote = c.local, c.remote
	x.Trace = wire.Plain(c.wire)
	if l.tls != nil {
		limit := l.pool.cfg.HandshakeTimeout
		ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no handshake within %s: %w", limit, os.ErrDeadlineExceeded))
		defer cancel()
		ctx, a := t.expect(ctx)
		c.tls, x.Trace, err = wire.Handshake(ctx, c.wire, l.tls)
		if err == nil {
			err = a.check(x.Trace)
		}
		if err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			x.Failed = StageTLS
			l.pool.mu.Lock()
			l.pool.stats.HandshakesFailed++
			l.pool.mu.Unlock()
			l.discard(c, ReasonHandshake)
			return nil, l.pool.cause(err)
		}
		c.stream, c.resumed = c.tls, x.Trace.Resumed
	}
	if l.shared {
		ctx, cancel := context.WithTimeout(ctx, l.pool.cfg.HandshakeTimeout)
		defer cancel()
		if err := l.speakH2(ctx, c, x); err != nil {
			return nil, l.refusedH2(c, x, err)
		}
		return c, nil
	}
	c.in = reader{source: c.stream, trace: x.Trace, conn: c.wire, known: &l.known}
	return c, nil
}

// dialGrace is how much longer than its request a dial lives. A dialer that is
// interrupted drops a connection that the kernel has just completed: the
// origin would see it and Stats would not. On a machine that is overloaded this
// is not enough, which is what Stats.GivenUp is for.
const dialGrace = 20 * time.Millisecond

// connect makes a TCP connection and enters it in the lane.
func (l *lane) connect(ctx context.Context, t *Target) (*conn, error) {
	p := l.pool
	p.mu.Lock()
	p.stats.Dials++
	p.mu.Unlock()
	d := t.Dialer
	if d.Timeout == 0 {
		d.Timeout = p.cfg.DialTimeout
	}
	dialing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(dialGrace, cancel) })()
	raw, err := d.Dial(dialing, t.Address)
	if err != nil {
		var late net.Error
		if ctx.Err() != nil || errors.As(err, &late) && late.Timeout() {
			p.mu.Lock()
			p.stats.GivenUp++
			p.mu.Unlock()
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	c := &conn{lane: l, wire: raw, stream: raw, local: addrPort(raw.LocalAddr()), remote: addrPort(raw.RemoteAddr())}
	l.enter(c)
	return c, nil
}

// enter makes c one of the lane's.
func (l *lane) enter(c *conn) {
	p := l.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	c.made = time.Now()
	l.conns[c] = struct{}{}
	p.stats.Connects++
	p.stats.Open++
	p.stats.MaxOpen = max(p.stats.MaxOpen, p.stats.Open)
	if p.closed { // and so Close has not seen it
		c.wake()
	}
}

// wake ends what the user of c waits for. It only reports.
func (c *conn) wake() {
	if c.packets != nil {
		_ = c.packets.Close()
		return
	}
	_ = c.wire.Close()
}

// cause prefers the reason that Close gives to its consequences.
func (p *Pool) cause(err error) error {
	if p.ctx.Err() != nil {
		return ErrClosed
	}
	return err
}

// roundTrip writes req and reads its response.
func (c *conn) roundTrip(ctx context.Context, req *Request, resp *Response, reused bool) (reusable bool, err error) {
	p := c.lane.pool
	if c.h3 != nil {
		if err = c.h3.roundTrip(ctx, &p.cfg, req, resp); err != nil {
			return false, p.cause(err)
		}
		return c.h3.alive(), nil
	}
	if !reused {
		c.deadline()
	}
	c.in.first = time.Time{}
	if ctx.Done() == nil {
		return c.send(req, resp)
	}
	interrupt := context.AfterFunc(ctx, func() { _ = c.wire.SetDeadline(time.Unix(1, 0)) })
	reusable, err = c.send(req, resp)
	if !interrupt() {
		reusable = false // its deadline is spoilt
	}
	switch {
	case err == nil:
		return reusable, nil
	case p.ctx.Err() != nil:
		return false, ErrClosed
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	}
	return false, err
}

// deadline gives the next exchange its time.
func (c *conn) deadline() {
	// A connection that refuses a deadline is closed; its next use says so.
	_ = c.wire.SetDeadline(time.Now().Add(c.lane.pool.cfg.ResponseTimeout))
}

func (c *conn) send(req *Request, resp *Response) (bool, error) {
	cfg := c.lane.pool.cfg
	out := req.appendTo(borrow()[:0], !cfg.Reuse)
	_, broken := c.stream.Write(out)
	giveBack(out)
	if broken == nil && len(req.Body) > inlineBody {
		_, broken = c.stream.Write(req.Body)
	}
	// An origin that refuses may close before it has read everything. What it
	// says is waiting to be read, and tells more than a broken pipe.
	reusable, err := c.in.read(req.Method, cfg.MaxBody, resp)
	switch {
	case err == nil:
		return reusable && broken == nil, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return false, fmt.Errorf("no response within %s: %w", cfg.ResponseTimeout, err)
	case broken != nil && !isAlert(err):
		return false, fmt.Errorf("sending the request: %w", broken)
	case errors.Is(err, io.EOF):
		return false, fmt.Errorf("the origin closed the connection without a response: %w", err)
	}
	return false, fmt.Errorf("reading the response: %w", err)
}

// heard reports whether anything ever came from the origin.
func (c *conn) heard() bool {
	if c.packets != nil {
		return c.packets.Counts().Received > 0
	}
	return c.wire.Counts().Received > 0
}

// quiet prepares c for another exchange and reports whether it is fit for
// one. The deadline comes first: one that has passed is no quiet.
func (c *conn) quiet() bool {
	if c.h3 != nil {
		return c.h3.alive()
	}
	c.deadline()
	return c.wire.Quiet()
}

// close says goodbye. Who has left already does not hear it, so there is
// nothing to report.
func (c *conn) close() {
	if c.early != nil && c.uses == 0 && c.h2 == nil {
		c.poll() // its tickets are bytes of its handshake
	}
	switch {
	case c.h3 != nil:
		c.h3.close()
	case c.h2 != nil:
		_ = c.h2.http.Close()
	case c.packets != nil:
		_ = c.packets.Close()
	default:
		_ = c.stream.Close()
	}
}

// firstByte is when the first byte of the last response arrived; zero when
// none did.
func (c *conn) firstByte() time.Time {
	if c.h3 != nil {
		return c.h3.first
	}
	return c.in.first
}

// isResumed says whether the handshake was. Over QUIC it may still be under
// way when the first response is not.
func (c *conn) isResumed() bool {
	return c.resumed || c.h3 != nil && c.h3.quic.ConnectionState().TLS.DidResume
}

func addrPort(a net.Addr) netip.AddrPort {
	var at netip.AddrPort
	switch socket := a.(type) {
	case *net.TCPAddr:
		at = socket.AddrPort()
	case *net.UDPAddr:
		at = socket.AddrPort()
	}
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}
