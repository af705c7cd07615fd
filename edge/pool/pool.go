package pool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/originpull/originpull/wire"
)

// Pool keeps connections. It is safe for concurrent use.
type Pool struct {
	cfg  Config
	ctx  context.Context // of dials; ends with Close
	stop context.CancelFunc
	busy sync.WaitGroup // calls of Do, and of the timer
	// dialling are net/http's dials and connections: nobody else waits for them.
	dialling sync.WaitGroup

	mu     sync.Mutex
	closed bool
	lanes  map[laneKey]*lane
	stats  Stats
	timer  *time.Timer // closes idle connections; nil before the first
	timing bool        // timer is set, to
	due    time.Time   // this
}

// New returns an empty pool. Close ends it.
func New(cfg Config) (*Pool, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg.DialTimeout = cmp.Or(cfg.DialTimeout, DefaultDialTimeout)
	cfg.HandshakeTimeout = cmp.Or(cfg.HandshakeTimeout, defaultHandshakeTimeout)
	cfg.ResponseTimeout = cmp.Or(cfg.ResponseTimeout, defaultResponseTimeout)
	cfg.MaxBody = cmp.Or(cfg.MaxBody, defaultMaxBody)
	cfg.Order = cmp.Or(cfg.Order, LIFO)
	cfg.Retry.Attempts = cmp.Or(cfg.Retry.Attempts, defaultAttempts)
	if cfg.Retry.Methods == nil {
		cfg.Retry.Methods = Idempotent()
	}
	cfg.Circuit.Open = cmp.Or(cfg.Circuit.Open, defaultCircuitOpen)
	p := &Pool{cfg: cfg, lanes: map[laneKey]*lane{}, stats: Stats{Closed: map[string]int64{}, PerConnection: map[int64]int64{}}}
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p, nil
}

// Do sends req to t and reads the answer into resp. The Exchange is
// meaningful with an error too, and says at which stage it failed: a TLS
// alert that arrives in place of the response is a failure of TLS. A response
// of whatever status is no error.
func (p *Pool) Do(ctx context.Context, t *Target, req *Request, resp *Response) (Exchange, error) {
	x := Exchange{Start: time.Now(), Remote: t.Address}
	resp.Reset()
	err := p.do(ctx, t, req, resp, &x)
	x.End = time.Now()
	if err != nil {
		resp.Reset() // half a response is none
		return x, fmt.Errorf("%s %s from %s: %w", req.Method, req.Path, t.Address, err)
	}
	return x, nil
}

func (p *Pool) do(ctx context.Context, t *Target, req *Request, resp *Response, x *Exchange) error {
	err := req.validate()
	if err == nil && req.Content != nil {
		err = errors.New("content that streams is for Open to send")
	}
	if err != nil {
		x.Failed = StageHTTP
		return err
	}
	l, err := p.laneOf(t)
	if err != nil {
		x.Failed = StageWait
		return err
	}
	defer p.busy.Done()
	if l.standard != nil {
		traced := *x // of its own memory, which a trace keeps, so that x needs none
		err := l.standard.do(ctx, req, resp, &traced)
		*x = traced
		return err
	}
	if l.shared {
		return p.doShared(ctx, l, t, req, resp, x)
	}
	return p.doAlone(ctx, l, t, req, resp, x)
}

// laneOf enters the lane of t: see enter.
func (p *Pool) laneOf(t *Target) (*lane, error) {
	if err := t.checkProtocol(); err != nil {
		return nil, err
	}
	if p.cfg.Kind == NetHTTP && t.Protocol != H1 && t.Protocol != "" {
		return nil, fmt.Errorf("the nethttp pool speaks HTTP/1.1 only, not %s", t.Protocol)
	}
	return p.enter(t)
}

// doAlone is Do where a connection carries one request at a time.
func (p *Pool) doAlone(ctx context.Context, l *lane, t *Target, req *Request, resp *Response, x *Exchange) error {
	place := false // in the lane, kept from a connection that came to nothing
	for attempt := 1; ; attempt++ {
		last := attempt >= p.cfg.Retry.Attempts
		var c *conn
		var err error
		if !place {
			if c, err = l.acquire(ctx, x); err != nil {
				return err
			}
		}
		if c == nil {
			c, err = l.dial(ctx, t, x)
		}
		if err != nil {
			return err
		}
		retry, err := p.exchange(ctx, c, req, resp, x, last)
		if !retry {
			return err
		}
		p.resent(x)
		x.Reused, place = false, true
		if t.Early {
			again := *t
			again.Early, t = false, &again
		}
	}
}

// resent counts a request that is sent once more.
func (p *Pool) resent(x *Exchange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.StaleRetries++
	x.Retried, x.Failed = true, StageNone
}

// enter finds the lane of t and announces a call to Close.
func (p *Pool) enter(t *Target) (*lane, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	p.busy.Add(1)
	key := laneKey{
		address: t.Address, serverName: t.ServerName, identity: t.Identity, tls: t.TLS,
		source: t.Dialer.Source, network: t.Dialer.Network,
		protocol: t.Protocol, early: t.Early, mustBeAsked: t.MustBeAsked,
	}
	l := p.lanes[key]
	if l == nil {
		l = newLane(p, t)
		p.lanes[key] = l
	}
	return l, nil
}

// exchange uses c for one request and puts it back, or away. It asks for a
// retry where that is safe and this was not the last attempt; the place of c
// in its lane is then kept.
func (p *Pool) exchange(ctx context.Context, c *conn, req *Request, resp *Response, x *Exchange, last bool) (retry bool, err error) {
	x.Local, x.Remote = c.local, c.remote
	reusable, err := c.roundTrip(ctx, req, resp, x.Reused)
	x.FirstByte = c.firstByte()
	refused := err != nil && isAlert(err) && x.FirstByte.IsZero()
	p.settle(c, x, refused)
	switch {
	case err == nil && !p.cfg.Reuse:
		c.lane.discard(c, ReasonOnce)
	case err == nil && !reusable:
		c.lane.discard(c, ReasonOrigin)
	case err == nil:
		c.lane.release(c)
	default:
		return p.broken(c, x, attempt{req.Method, last}, err)
	}
	return false, nil
}

// attempt is one of a request's.
type attempt struct {
	method string
	last   bool
}

// broken puts away a connection on which an exchange failed.
func (p *Pool) broken(c *conn, x *Exchange, a attempt, err error) (retry bool, _ error) {
	switch {
	case errors.Is(err, quic.Err0RTTRejected) && !a.last:
		c.close()
		c.lane.forget(c, ReasonEarly)
		return true, nil
	case x.Reused && x.FirstByte.IsZero() && isEnd(err) && p.lost(a.method, a.last):
		c.close()
		c.lane.forget(c, ReasonStale)
		return true, nil
	}
	x.Failed = StageHTTP
	if isAlert(err) {
		x.Failed = StageTLS
	}
	c.lane.discard(c, ReasonFailed)
	return false, err
}

// lost counts a race that the origin has won: it closed a connection while it
// was being reused. It says whether the request may be sent again.
func (p *Pool) lost(method string, last bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.RaceLost++
	again := p.cfg.Retry.again(method)
	if !again {
		p.stats.Unsafe++
	}
	return again && !last
}

// settle counts a request and, once for every connection, what its handshake
// has come to: only the first read tells whether a TLS 1.3 origin accepted
// the client's certificate.
func (p *Pool) settle(c *conn, x *Exchange, refused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Requests++
	if !c.lane.shared { // else counted where its stream was taken
		c.uses++
	}
	if refused && c.early != nil && !c.answered.Load() {
		*p.kind(c)--
		p.stats.HandshakesFailed++
		p.stats.HandshakeSent -= c.early.Sent
		p.stats.HandshakeReceived -= c.tallied
		c.early = nil
	}
	if !x.FirstByte.IsZero() {
		c.answered.Store(true)
	}
	switch {
	case x.Reused:
		p.stats.Reused++
	case refused:
		p.stats.HandshakesFailed++
	default:
		p.tally(c, x.Trace)
	}
}

// tally counts what making c was. The lock is held.
func (p *Pool) tally(c *conn, trace *wire.Trace) {
	*p.kind(c)++
	if c.tls != nil {
		p.stats.HandshakeSent += trace.Sent
		p.stats.HandshakeReceived += trace.Received
	}
}

func (p *Pool) kind(c *conn) *int64 {
	switch {
	case c.tls == nil && c.h3 == nil:
		return &p.stats.Plain
	case c.isResumed():
		return &p.stats.HandshakesResumed
	}
	return &p.stats.HandshakesFull
}

// CloseIdle closes every idle connection.
func (p *Pool) CloseIdle() {
	p.mu.Lock()
	var idle []*conn
	var standard []*netHTTP
	for _, l := range p.lanes {
		idle = append(idle, l.takeIdle(len(l.idle))...)
		if l.standard != nil {
			standard = append(standard, l.standard)
		}
	}
	p.mu.Unlock()
	for _, n := range standard {
		n.transport.CloseIdleConnections()
	}
	for _, c := range idle {
		c.lane.discard(c, ReasonPool)
	}
}

// Close closes every connection, fails the calls of Do that are under way,
// and waits for them; for what Open returned too, until its content is at its
// end or closed. More calls do nothing. It never fails.
func (p *Pool) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.busy.Wait()
		return nil
	}
	p.closed = true
	p.stop()
	if p.timer != nil {
		p.timer.Stop()
	}
	for _, l := range p.lanes {
		for _, w := range l.waiters {
			close(w.turn)
		}
		l.waiters = nil
		for c := range l.conns {
			if !c.isIdle && l.standard == nil {
				c.wake()
			}
		}
	}
	p.mu.Unlock()
	p.CloseIdle()
	p.busy.Wait()
	if p.cfg.Kind == NetHTTP {
		p.CloseIdle() // those that were in use
		p.dialling.Wait()
	}
	return nil
}

// isAlert reports whether TLS, not HTTP, is what failed.
func isAlert(err error) bool {
	if isQUICAlert(err) {
		return true
	}
	var op *net.OpError
	// crypto/tls does not export the alerts that it receives; it marks them so.
	return errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error")
}

// isEnd reports whether err is what a connection that was already closed
// gives: an end or a reset, never a timeout, an alert or an interruption.
func isEnd(err error) bool {
	if isQUICEnd(err) {
		return true
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return !isAlert(err) && !op.Timeout() && !errors.Is(err, net.ErrClosed)
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
