package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Answer is a response whose content is still to come.
type Answer struct {
	Status int
	// Header has canonical names, and may be shared with other answers: nobody
	// may change it.
	Header http.Header
	// Content must be read to its end or closed, which ends the exchange: the
	// connection is kept if the content is at its end by then. Every read has
	// Config.ResponseTimeout for itself. An error but io.EOF says that the
	// content is not whole.
	Content io.ReadCloser
	// Trailer returns the trailer fields once Content is at its end; nil where
	// there are none.
	Trailer func() http.Header
}

var errNoStreams = errors.New("content does not stream over h3, nor through the nethttp pool: use h1 or h2, and the own pool")

// Open is Do with content that streams, in both directions: it returns when
// the header is there, and Config.MaxBody does not apply. The exchange ends
// with the header too; an error in what follows is Content's to tell. A request
// with Content is sent once.
func (p *Pool) Open(ctx context.Context, t *Target, req *Request) (*Answer, Exchange, error) {
	x := Exchange{Start: time.Now(), Remote: t.Address}
	answer, err := p.open(ctx, t, req, &x)
	x.End = time.Now()
	if err != nil {
		return nil, x, fmt.Errorf("%s %s from %s: %w", req.Method, req.Path, t.Address, err)
	}
	return answer, x, nil
}

func (p *Pool) open(ctx context.Context, t *Target, req *Request, x *Exchange) (*Answer, error) {
	err := req.validate()
	if err == nil && req.Content != nil && req.Body != nil {
		err = errors.New("a request has a body, or content that streams: not both")
	}
	if err != nil {
		x.Failed = StageHTTP
		return nil, err
	}
	if err = t.checkProtocol(); err == nil && (t.Protocol == H3 || p.cfg.Kind == NetHTTP) {
		err = errNoStreams
	}
	if err != nil {
		x.Failed = StageWait
		return nil, err
	}
	l, err := p.enter(t)
	if err != nil {
		x.Failed = StageWait
		return nil, err
	}
	answer, err := l.answer(ctx, t, req, x)
	if err != nil {
		p.busy.Done() // else when the content has ended
	}
	return answer, err
}

// opening is a request that is sent and answered on one connection.
type opening struct {
	ctx  context.Context
	conn *conn
	req  *Request
	x    *Exchange
	last bool // no attempt follows
}

// answer makes attempts until one is answered.
func (l *lane) answer(ctx context.Context, t *Target, req *Request, x *Exchange) (*Answer, error) {
	p := l.pool
	place := false // in the lane, kept from a connection that came to nothing
	for attempt := 1; ; attempt++ {
		last := attempt >= p.cfg.Retry.Attempts
		c, err := l.take(ctx, t, x, place)
		if err != nil {
			return nil, err
		}
		o := &opening{ctx: ctx, conn: c, req: req, x: x, last: last || req.Content != nil}
		answer, retry, err := o.begin()
		if !retry {
			return answer, err
		}
		p.resent(x)
		x.Reused, place = false, !l.shared
	}
}

// take returns a connection for one request.
func (l *lane) take(ctx context.Context, t *Target, x *Exchange, place bool) (*conn, error) {
	if l.shared {
		return l.join(ctx, t, x)
	}
	if !place {
		if c, err := l.acquire(ctx, x); c != nil || err != nil {
			return c, err
		}
	}
	return l.dial(ctx, t, x)
}

// begin sends the request and reads the header of its response, or says that
// another attempt may be made.
func (o *opening) begin() (*Answer, bool, error) {
	if o.conn.h2 != nil {
		return o.beginH2()
	}
	return o.beginH1()
}
