package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"sync"
	"time"
)

// h2Flow is a request on an HTTP/2 stream whose content streams.
type h2Flow struct {
	opening
	call   *h2Call
	cancel context.CancelCauseFunc
	timer  *time.Timer // of the next piece, in either direction
	body   io.ReadCloser
	sent   *h2Upload // nil = no content

	once sync.Once
	err  error // of the first end; set by once
}

// h2Upload is the request's content as net/http reads it.
type h2Upload struct {
	io.ReadCloser
	flow   *h2Flow
	read   int64
	once   sync.Once
	closed chan struct{}
}

// Read is no wait for the origin: no response is due meanwhile.
func (u *h2Upload) Read(b []byte) (int, error) {
	u.flow.timer.Stop()
	n, err := u.ReadCloser.Read(b)
	u.flow.timer.Reset(u.flow.patience())
	if u.read += int64(n); errors.Is(err, io.EOF) && u.read < u.flow.req.Length { // net/http would send the end
		err = errTooShort
	}
	return n, err
}

// Close says that nobody reads any more.
func (u *h2Upload) Close() error {
	err := u.ReadCloser.Close()
	u.once.Do(func() { close(u.closed) })
	return err
}

func (f *h2Flow) patience() time.Duration { return f.conn.lane.pool.cfg.ResponseTimeout }

// beginH2 sends the request and reads the header of its response.
func (o *opening) beginH2() (*Answer, bool, error) {
	c, x := o.conn, o.x
	p := c.lane.pool
	x.Local, x.Remote = c.local, c.remote
	f := &h2Flow{opening: *o, call: &h2Call{tap: c.h2.tap, before: c.h2.tap.progress()}}
	var ctx context.Context
	ctx, f.cancel = context.WithCancelCause(o.ctx)
	late := fmt.Errorf("no response within %s: %w", f.patience(), os.ErrDeadlineExceeded)
	f.timer = time.AfterFunc(f.patience(), func() { f.cancel(late) })
	answered := c.answered.Load()
	answer, err := c.h2.http.RoundTrip(f.request(ctx)) //nolint:bodyclose // finish does
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		} else {
			err = c.h2.tap.reason(ctx, err)
		}
	}
	x.FirstByte = f.call.first()
	if !x.Reused && !x.FirstByte.IsZero() {
		x.Trace.MarkStreamByte(c.h2.tap.begun(), x.FirstByte)
	}
	p.settle(c, x, err != nil && isAlert(err) && x.FirstByte.IsZero())
	if err != nil {
		f.release(err)
		reply := f.call.end(err)
		retry, err := p.endShared(o.ctx, x, ended{c, o.req.Method, answered, o.last, reply}, err)
		return nil, retry, err
	}
	f.body = answer.Body
	return &Answer{
		Status: answer.StatusCode, Header: answer.Header, Content: f,
		Trailer: func() http.Header { return answer.Trailer },
	}, false, nil
}

// request is the request for net/http's codec.
func (f *h2Flow) request(ctx context.Context) *http.Request {
	hooks := &httptrace.ClientTrace{WroteHeaders: f.call.claim}
	if f.req.Interim != nil {
		hooks.Got1xxResponse = func(status int, header textproto.MIMEHeader) error {
			f.req.Interim(status, http.Header(header))
			return nil
		}
	}
	out := f.req.standard(httptrace.WithClientTrace(ctx, hooks))
	if f.req.Content != nil {
		f.sent = &h2Upload{ReadCloser: f.req.Content, flow: f, closed: make(chan struct{})}
		out.Body, out.ContentLength, out.Trailer = f.sent, max(f.req.Length, -1), f.req.Trailer
	}
	return out
}

// release ends what the request holds beside its stream.
func (f *h2Flow) release(err error) {
	f.timer.Stop()
	f.cancel(err)
	if f.sent != nil {
		_ = f.req.Content.Close() // ends a Read that waits
		<-f.sent.closed
	}
}

// Read reads content.
func (f *h2Flow) Read(b []byte) (int, error) {
	f.timer.Reset(f.patience())
	n, err := f.body.Read(b)
	if err == nil {
		return n, nil
	}
	if !errors.Is(err, io.EOF) {
		err = fmt.Errorf("reading the response: %w", err)
	}
	f.finish(err)
	return n, f.err
}

// Close gives up what has not been read.
func (f *h2Flow) Close() error {
	f.finish(errGivenUp)
	return nil
}

// finish ends the exchange and gives its stream back.
func (f *h2Flow) finish(err error) {
	f.once.Do(func() {
		f.err = err
		whole := errors.Is(err, io.EOF)
		_ = f.body.Close() // a reset, where it is not at its end
		f.release(err)
		reply := f.call.end(err)
		p := f.conn.lane.pool
		switch {
		case !p.cfg.Reuse:
			f.conn.lane.leave(f.conn, ReasonOnce)
		case !whole && reply.broken:
			f.conn.lane.leave(f.conn, ReasonFailed)
		default:
			f.conn.lane.leave(f.conn, "")
		}
		p.busy.Done()
	})
}

// first is when the reply began; zero before.
func (c *h2Call) first() time.Time {
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	if c.stream == nil {
		return time.Time{}
	}
	return c.stream.first
}
