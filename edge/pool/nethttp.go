package pool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/originpull/originpull/wire"
)

// Kind is whose pool the connections are in.
type Kind string

// The kinds of pools; "" is Own.
const (
	Own     Kind = "own"
	NetHTTP Kind = "nethttp" // that of net/http.Transport, for comparison: HTTP/1.1 only
)

// defaultIdleTimeout and the like are those of http.DefaultTransport, which is
// what a proxy has that does not tune it; MaxIdlePerHost's is 2.
const defaultMaxIdle = 100

// netHTTP is one lane in the care of net/http. The connections are dialled as
// the pool's own are; when to dial, what to keep and what to send again is
// net/http's to decide, and is read off its hooks.
type netHTTP struct {
	lane      *lane
	transport *http.Transport
	scheme    string
}

func newNetHTTP(l *lane, t *Target) *netHTTP {
	cfg := &l.pool.cfg
	n := &netHTTP{lane: l, scheme: "http"}
	target := *t
	n.transport = &http.Transport{
		MaxIdleConns: max(defaultMaxIdle, cfg.MaxIdlePerHost), MaxIdleConnsPerHost: cfg.MaxIdlePerHost, MaxConnsPerHost: cfg.MaxConnections,
		IdleConnTimeout: cfg.IdleTimeout, DisableKeepAlives: !cfg.Reuse,
		DisableCompression: true, MaxResponseHeaderBytes: maxHeader,
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return n.dial(ctx, &target) }
	if l.tls == nil {
		n.transport.DialContext = dial
	} else {
		n.scheme, n.transport.DialTLSContext = "https", dial
	}
	return n
}

// staged is why a dial failed, and where.
type staged struct {
	error
	stage Stage
}

func (s *staged) Unwrap() error { return s.error }

// dial is called by net/http, in a goroutine of its own: the request for which
// it was begun may long have gone on with another connection.
func (n *netHTTP) dial(ctx context.Context, t *Target) (net.Conn, error) {
	p := n.lane.pool
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, &staged{ErrClosed, StageWait}
	}
	p.dialling.Add(1)
	p.mu.Unlock()
	defer p.dialling.Done()
	var x Exchange
	c, err := n.lane.dial(ctx, t, &x)
	if err != nil {
		return nil, &staged{err, x.Failed}
	}
	p.dialling.Add(1) // until it has ended
	return &standardConn{Conn: c.stream, conn: c, trace: x.Trace, turn: make(chan struct{}, 1)}, nil
}

// pull is one request in the care of net/http. Its hooks are called by
// several goroutines, one after another.
type pull struct {
	lane *netHTTP
	x    Exchange
	end  context.CancelCauseFunc // of the request

	mu       sync.Mutex
	asked    time.Time // when a connection was asked for
	conn     *standardConn
	deadline *time.Timer
	over     bool // do has returned
}

// hooks follow the request through net/http.
func (u *pull) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:              func(string) { u.mu.Lock(); u.asked = time.Now(); u.mu.Unlock() },
		GotConn:              u.got,
		GotFirstResponseByte: u.first,
		PutIdleConn:          u.put,
	}
}

// got is called with the connection of each attempt.
func (u *pull) got(info httptrace.GotConnInfo) {
	c, ok := info.Conn.(*standardConn)
	if !ok {
		return
	}
	p := u.lane.lane.pool
	u.mu.Lock()
	defer u.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if u.conn != nil { // net/http tries again, and says so here alone
		u.x.Retried = true
		u.conn.judge(false)
		p.stats.RaceLost++
		p.stats.StaleRetries++
	}
	c.conn.uses++
	c.busy = true
	p.stats.Requests++
	u.conn, u.x.Reused = c, c.conn.uses > 1
	u.x.Local, u.x.Remote = c.conn.local, c.conn.remote
	if u.x.Reused {
		p.stats.Reused++
		u.x.Wait += time.Since(u.asked) // else it was the dial's
	}
	if u.deadline == nil {
		limit := p.cfg.ResponseTimeout
		u.deadline = time.AfterFunc(limit, func() {
			u.end(fmt.Errorf("no response within %s: %w", limit, os.ErrDeadlineExceeded))
		})
	}
}

// first is called by the connection's reader, perhaps when nobody waits any
// more.
func (u *pull) first() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.over {
		u.x.FirstByte = time.Now()
	}
}

// put is called when a connection becomes idle, or cannot.
func (u *pull) put(err error) {
	p := u.lane.lane.pool
	u.mu.Lock()
	defer u.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if u.conn == nil {
		return
	}
	u.conn.busy = false
	if err != nil {
		u.conn.reason = ReasonSurplus
	}
}

// do is Pool.Do.
func (n *netHTTP) do(ctx context.Context, req *Request, resp *Response, x *Exchange) error {
	p := n.lane.pool
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.ctx, func() { cancel(ErrClosed) })()
	u := &pull{lane: n, x: *x, end: cancel} // a copy: the pool's own pulls keep theirs on the stack
	request := req.standard(httptrace.WithClientTrace(ctx, u.hooks()))
	request.URL.Scheme = n.scheme
	if request.URL.Opaque = req.Path; strings.HasPrefix(req.Path, "//") || req.Path == "*" {
		request.URL = &url.URL{Scheme: n.scheme, Host: req.Host, Path: req.Path}
	}
	answer, err := n.transport.RoundTrip(request)
	if err == nil {
		u.answered(answer)
		err = take(answer, p.cfg.MaxBody, resp)
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	u.settle(req, err)
	*x = u.x
	return err
}

// answered notes, before the body is read, why the connection will end with it.
func (u *pull) answered(answer *http.Response) {
	p := u.lane.lane.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if answer.Close && p.cfg.Reuse {
		u.conn.reason = ReasonOrigin
	}
}

// settle counts what the request came to.
func (u *pull) settle(req *Request, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.over = true
	x, c := &u.x, u.conn
	if u.deadline != nil {
		u.deadline.Stop()
	}
	if dial, ok := errors.AsType[*staged](err); ok {
		x.Failed = dial.stage
		return
	}
	if c == nil {
		x.Failed = StageWait
		return
	}
	alert := err != nil && isAlert(err)
	p := c.conn.lane.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
	case alert:
		x.Failed = StageTLS
	default:
		x.Failed = StageHTTP
	}
	if err != nil && !alert && x.Reused && x.FirstByte.IsZero() && !isLate(err) && p.ctx.Err() == nil {
		p.stats.RaceLost++
		if !slices.Contains(replayed, req.Method) {
			p.stats.Unsafe++
		}
	}
	if err != nil && c.reason == "" {
		c.reason = ReasonFailed
	}
	if !x.Reused {
		c.judge(alert && x.FirstByte.IsZero())
		trace := *c.trace
		x.Trace = &trace
	}
}

// replayed are the methods that net/http sends again.
var replayed = []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace}

func isLate(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// standardConn is a connection in the care of net/http. The pool's lock guards
// its fields.
type standardConn struct {
	net.Conn // what Read and Write go to
	conn     *conn
	trace    *wire.Trace
	busy     bool   // a request is on it
	reason   string // why it will end, where that is known beforehand
	judged   bool   // its handshake is counted
	reading  bool
	closed   bool
	parting  bool  // closed, and read to its end
	over     bool  // counted
	broken   error // that Read returned

	turn chan struct{} // held by who reads
}
