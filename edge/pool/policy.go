package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/originpull/originpull/wire"
)

// Order is which idle connection is used next.
type Order string

// The orders; "" is LIFO.
const (
	LIFO Order = "lifo" // the one used last: those that are not needed fall idle and expire
	FIFO Order = "fifo" // the one idle longest: every connection stays in use
)

// Retry is when a request is sent again.
type Retry struct {
	// Attempts of one request, the first included; 0 = 2, 1 = never again.
	Attempts int
	// Methods may be sent again although the origin may have seen the request:
	// when it was on a reused connection that ended without one byte of a
	// response. Nil = those that RFC 9110, section 9.2.2, calls idempotent.
	// What the origin says it has not looked at may be sent again whatever its
	// method.
	Methods []string
}

// Idempotent are the methods that may be sent twice (RFC 9110, section 9.2.2).
func Idempotent() []string { return []string{"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"} }

const defaultAttempts = 2

// Circuit spares an origin that cannot be reached.
type Circuit struct {
	Failures int           // dials of a lane that fail in a row, TCP connect or handshake, and open it; 0 = it never opens
	Open     time.Duration // how long no dial is made; then one is, as a probe; 0 = 10 s
}

const defaultCircuitOpen = 10 * time.Second

// ErrCircuitOpen is wrapped by what a request gets that would have had to
// dial.
var ErrCircuitOpen = errors.New("the circuit is open")

// circuit is the state of one lane. The pool's lock guards it.
type circuit struct {
	failures int       // in a row
	until    time.Time // no dial before it; zero: closed
	probing  bool      // one dial is deciding
}

// admit lets a dial through, or says why not.
func (l *lane) admit() error {
	p := l.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &l.circuit
	if c.until.IsZero() {
		return nil
	}
	if c.probing || time.Now().Before(c.until) {
		p.stats.CircuitRefused++
		return fmt.Errorf("%w after %d failed dials in a row", ErrCircuitOpen, c.failures)
	}
	c.probing = true
	return nil
}

// judge learns from a dial. One that was given up says nothing of the origin.
func (l *lane) judge(ctx context.Context, err error) {
	p := l.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &l.circuit
	c.probing = false
	switch {
	case err == nil:
		*c = circuit{}
	case p.cfg.Circuit.Failures == 0 || ctx.Err() != nil || p.closed:
	default:
		c.failures++
		if c.failures >= p.cfg.Circuit.Failures {
			c.until = time.Now().Add(p.cfg.Circuit.Open)
			p.stats.CircuitOpened++
		}
	}
}

// again says whether a request of that method may be sent twice.
func (r *Retry) again(method string) bool { return slices.Contains(r.Methods, method) }

// worn is why c takes no more requests: its age, or its uses. The lock is held.
func (c *conn) worn(now time.Time) string {
	cfg := &c.lane.pool.cfg
	switch {
	case cfg.MaxUses > 0 && c.uses >= int64(cfg.MaxUses):
		return ReasonUses
	case cfg.MaxAge > 0 && now.Sub(c.made) >= cfg.MaxAge:
		return ReasonAge
	}
	return ""
}

// Prewarm makes Config.Prewarm connections to t, as far as there are places,
// and keeps them idle. It returns the traces of those that were made, when all
// are, with the error of the first that could not be.
//
// Note: with TLS 1.3 such a connection counts as a full or resumed handshake
// before the origin has judged the client's certificate; if its first request
// shows a refusal, it is counted as failed instead.
func (p *Pool) Prewarm(ctx context.Context, t *Target) ([]*wire.Trace, error) {
	if err := t.checkProtocol(); err != nil {
		return nil, err
	}
	l, err := p.enter(t)
	if err != nil {
		return nil, err
	}
	defer p.busy.Done()
	if !p.cfg.Reuse {
		return nil, errors.New("connections that are not kept cannot be made beforehand: switch reuse on, or prewarm off")
	}
	type outcome struct {
		trace *wire.Trace
		err   error
	}
	made := make(chan outcome)
	started := 0
	for range p.cfg.Prewarm {
		p.mu.Lock()
		room := p.cfg.MaxConnections == 0 || l.taken < p.cfg.MaxConnections
		if room {
			l.taken++
			if l.shared {
				l.pending++
			}
		}
		p.mu.Unlock()
		if !room {
			break
		}
		started++
		go func() {
			trace, err := l.prewarm(ctx, t)
			made <- outcome{trace, err}
		}()
	}
	var traces []*wire.Trace
	for range started {
		switch o := <-made; {
		case o.err == nil:
			traces = append(traces, o.trace)
		case err == nil:
			err = o.err
		}
	}
	return traces, err
}

func (l *lane) prewarm(ctx context.Context, t *Target) (*wire.Trace, error) {
	p := l.pool
	x := Exchange{Start: time.Now(), Remote: t.Address}
	c, err := l.dial(ctx, t, &x)
	if err != nil {
		if l.shared {
			p.mu.Lock()
			l.undialed(err, x.Failed, ctx.Err() != nil)
			p.mu.Unlock()
		}
		return nil, fmt.Errorf("a connection to %s beforehand: %w", t.Address, err)
	}
	p.mu.Lock()
	p.stats.Prewarmed++
	c.early, c.tallied, c.uses = x.Trace, x.Trace.Received, 0
	p.tally(c, x.Trace)
	trace := *x.Trace // the first reply completes the connection's own
	p.mu.Unlock()
	if l.shared {
		l.leave(c, "")
	} else {
		l.release(c)
	}
	return &trace, nil
}

// complete adds what came after a handshake that was counted beforehand: its
// session tickets. The lock is held, and c is closed.
func (p *Pool) complete(c *conn) {
	if c.early == nil || c.tls == nil {
		return
	}
	received := c.early.Received
	switch {
	case c.h2 != nil:
		received = max(received, c.h2.tap.begun())
	case !c.answered.Load():
		received = max(received, c.handed)
	}
	p.stats.HandshakeReceived += received - c.tallied
}

// poll looks whether c, which has carried no request, is fit for one. Over TLS
// 1.3 an origin sends session tickets unasked, which are no reason against it:
// they are read.
func (c *conn) poll() bool {
	if c.quiet() {
		return true
	}
	if c.tls == nil {
		return false
	}
	c.wire.Poll(true)
	var unasked [1]byte
	n, err := c.tls.Read(unasked[:])
	c.wire.Poll(false)
	_, c.handed = c.wire.Handed()
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return c.quiet()
	}
	if last := c.wire.RecordStart(); n > 0 || c.handed-last < leastTicket {
		c.handed = last
	}
	return false
}

// leastTicket is shorter than any record with a ticket, in bytes, and longer
// than one with an alert.
const leastTicket = 64
