package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// flow is an exchange on an HTTP/1.1 connection whose content streams.
type flow struct {
	opening
	upload *upload // of the request's content; nil = none
	unbind func() bool

	mu      sync.Mutex // held by Read
	done    bool
	err     error // what Read returns once done
	framing framing
	ends    bool  // the response ends before the connection does
	left    int64 // bytes of content, or of a chunk
	tail    bool  // a chunk's line end is due
	trailer http.Header

	own sync.Mutex // guards the two below
	// cut: the deadline has passed on purpose. lost: the connection is not this
	// exchange's any more.
	cut, lost bool
}

// beginH1 sends the request and reads the header of its response.
func (o *opening) beginH1() (*Answer, bool, error) {
	c, x := o.conn, o.x
	x.Local, x.Remote = c.local, c.remote
	f := &flow{opening: *o}
	resp, err := f.exchange()
	x.FirstByte = c.in.first
	p := c.lane.pool
	p.settle(c, x, err != nil && isAlert(err) && x.FirstByte.IsZero())
	if err != nil {
		f.give()
		retry, err := p.broken(c, x, attempt{o.req.Method, o.last}, err)
		return nil, retry, err
	}
	return f.answer(resp), false, nil
}

// exchange sends what can be sent and reads the header.
func (f *flow) exchange() (*Response, error) {
	c, req := f.conn, f.req
	f.renew()
	f.unbind = func() bool { return true }
	if f.ctx.Done() != nil {
		f.unbind = context.AfterFunc(f.ctx, f.interrupt)
	}
	c.in.first, c.in.budget, c.in.interim = time.Time{}, maxHeader, req.Interim
	out := req.appendTo(borrow()[:0], !c.lane.pool.cfg.Reuse)
	_, broken := c.stream.Write(out)
	giveBack(out)
	if broken == nil && len(req.Body) > inlineBody {
		_, broken = c.stream.Write(req.Body)
	}
	if req.Content != nil {
		f.upload = startUpload(f, broken)
	}
	// As in send: what the origin says tells more than a broken pipe.
	resp := new(Response)
	var err error
	f.framing, err = c.in.final(resp)
	c.in.interim = nil
	if err == nil && broken == nil {
		return resp, nil
	}
	f.endUpload(false)
	return resp, f.reason(err, broken)
}

// reason prefers causes to consequences.
func (f *flow) reason(err, broken error) error {
	p := f.conn.lane.pool
	switch {
	case p.ctx.Err() != nil:
		return ErrClosed
	case f.ctx.Err() != nil:
		return context.Cause(f.ctx)
	case f.upload != nil && f.upload.source != nil:
		return fmt.Errorf("reading the request's content: %w", f.upload.source)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("no response within %s: %w", p.cfg.ResponseTimeout, err)
	case broken != nil && !isAlert(err):
		return fmt.Errorf("sending the request: %w", broken)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("the origin closed the connection without a response: %w", err)
	}
	return fmt.Errorf("reading the response: %w", err)
}

// answer begins the content.
func (f *flow) answer(resp *Response) *Answer {
	a := &Answer{Status: resp.Status, Header: resp.Header, Content: f}
	f.ends = f.framing.chunked || f.framing.hasLength
	switch {
	case f.req.Method == http.MethodHead || resp.Status == http.StatusNoContent || resp.Status == http.StatusNotModified:
		f.ends = true
		f.finish(io.EOF)
	case f.framing.chunked:
		a.Trailer = func() http.Header { return f.trailer }
	case f.framing.hasLength:
		if f.left = f.framing.length; f.left == 0 {
			f.finish(io.EOF)
		}
	}
	return a
}

// renew gives the next read or write its time.
func (f *flow) renew() {
	f.own.Lock()
	defer f.own.Unlock()
	if !f.cut && !f.lost {
		f.conn.deadline()
	}
}

// suspend takes the time off: for as long as the request's content is waited
// for, no response is due.
func (f *flow) suspend() {
	f.own.Lock()
	defer f.own.Unlock()
	if !f.cut && !f.lost {
		_ = f.conn.wire.SetDeadline(time.Time{}) // a connection that refuses is closed; its next use says so
	}
}

// interrupt ends what waits for the connection.
func (f *flow) interrupt() {
	f.own.Lock()
	defer f.own.Unlock()
	if !f.lost {
		f.cut = true
		_ = f.conn.wire.SetDeadline(time.Unix(1, 0)) // a closed connection waits for nothing
	}
}

// give ends the exchange's hold on the connection, and reports whether its
// deadline is sound.
func (f *flow) give() bool {
	f.unbind()
	f.own.Lock()
	defer f.own.Unlock()
	f.lost = true
	return !f.cut
}

// Read reads content.
func (f *flow) Read(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done {
		return 0, f.err
	}
	f.renew()
	n, err := f.read(b)
	if err == nil {
		return n, nil
	}
	if err != io.EOF { //nolint:errorlint // the end of the content, which read alone says
		err = f.reason(unexpected(err), nil)
	}
	f.finish(err)
	return n, f.err
}

// Close gives up what has not been read.
func (f *flow) Close() error {
	f.interrupt()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.done {
		f.finish(errGivenUp)
	}
	return nil
}

// errGivenUp is what reading content gives that was closed early.
var errGivenUp = errors.New("the content was closed before its end")

// finish ends the exchange; f.mu is held, or nobody else has f yet.
func (f *flow) finish(err error) {
	f.done, f.err = true, err
	whole := err == io.EOF //nolint:errorlint // see Read
	c := f.conn
	p := c.lane.pool
	uploaded := f.endUpload(whole)
	sound := f.give()
	reusable := whole && uploaded && sound && f.ends && !f.framing.close && !f.framing.oldVersion && c.in.r == c.in.w && !c.in.full
	c.in.release()
	switch {
	case !whole:
		c.lane.discard(c, ReasonFailed)
	case !p.cfg.Reuse:
		c.lane.discard(c, ReasonOnce)
	case !reusable:
		c.lane.discard(c, ReasonOrigin)
	default:
		c.lane.release(c)
	}
	p.busy.Done()
}

// read reads some content; io.EOF says that it is whole.
func (f *flow) read(b []byte) (int, error) {
	switch {
	case len(b) == 0:
		return 0, nil
	case f.framing.chunked:
		return f.readChunk(b)
	case f.framing.hasLength:
		n, err := f.readLength(b)
		if f.left -= int64(n); f.left == 0 {
			return n, io.EOF
		}
		return n, unexpected(err)
	}
	in := &f.conn.in
	if in.r == in.w {
		return in.source.Read(b)
	}
	n := copy(b, in.buf[in.r:in.w])
	in.r += n
	return n, nil
}

// readLength asks for one byte more than is due, like content: what follows
// unasked for must not be taken for the next response.
func (f *flow) readLength(b []byte) (int, error) {
	in := &f.conn.in
	ask := min(int64(len(b)), f.left+1)
	if ask == f.left {
		ask-- // the last byte comes with the one too many, in another read
	}
	if in.r == in.w && ask == 0 {
		if err := in.fill(); err != nil {
			return 0, err
		}
	}
	if in.r < in.w {
		n := copy(b[:min(int64(len(b)), f.left)], in.buf[in.r:in.w])
		in.r += n
		return n, nil
	}
	n, err := in.source.Read(b[:ask])
	in.full = int64(n) == ask
	if int64(n) > f.left {
		n = int(f.left)
	}
	if n > 0 {
		err = nil // it comes again
	}
	return n, err
}

func (f *flow) readChunk(b []byte) (int, error) {
	in := &f.conn.in
	for f.left == 0 {
		if f.tail {
			line, err := in.chunkLine()
			if err == nil && len(line) > 0 {
				err = errChunkEnd
			}
			if err != nil {
				return 0, unexpected(err)
			}
			f.tail = false
		}
		size, err := in.chunkSize()
		if err != nil {
			return 0, unexpected(err)
		}
		if size == 0 {
			if f.trailer, err = in.trailers(); err != nil {
				return 0, unexpected(err)
			}
			return 0, io.EOF
		}
		f.left, f.tail = size, true
	}
	b = b[:min(int64(len(b)), f.left)]
	n := 0
	var err error
	if in.r < in.w {
		n = copy(b, in.buf[in.r:in.w])
		in.r += n
	} else if n, err = in.source.Read(b); n > 0 {
		err = nil // it comes again
	}
	f.left -= int64(n)
	return n, unexpected(err)
}
