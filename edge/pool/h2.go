package pool

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/originpull/originpull/wire"
)

// protoH2 is HTTP/2's name in ALPN (RFC 9113, section 3.2).
const protoH2 = "h2"

// defaultStreams is how many requests a connection carries whose origin sets
// no limit: net/http's own.
const defaultStreams = 1000

// h2Line is HTTP/2 on one TLS connection. net/http is its codec, one
// connection at a time, without net/http's pool; what the pool must know of
// streams is read off the frames beneath it.
type h2Line struct {
	http *http.ClientConn
	tap  *tap
}

// stream is one request on the wire.
type stream struct {
	id      uint32
	first   time.Time // of its reply; zero without one
	refused bool      // REFUSED_STREAM
}

// tap is the connection beneath the codec. It changes nothing and tells what
// passes.
type tap struct {
	net.Conn
	wire *wire.Conn
	// changed is called, by the reader, after SETTINGS, GOAWAY and the end.
	changed func()
	ended   chan struct{} // closed when reading has failed
	opened  atomic.Bool
	in      frames // the reader's own

	mu       sync.Mutex
	out      frames
	streams  map[uint32]*stream
	newest   uint32 // stream that a request was written on
	reads    int64
	received int64 // where the first application record began
	settled  bool  // the origin's SETTINGS have come
	limit    int   // streams that the origin allows at once; meaningful once settled
	goAway   bool
	last     uint32 // of goAway: streams beyond are not going to be served
	readErr  error
	writeErr error
}

const prefaceLength = len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

// newH2 begins HTTP/2 on a connection whose handshake agreed on it.
func newH2(ctx context.Context, cfg *Config, under net.Conn, beneath *wire.Conn, changed func()) (*h2Line, error) {
	t := &tap{
		Conn: under, wire: beneath, changed: changed, ended: make(chan struct{}),
		out: frames{skip: prefaceLength}, streams: map[uint32]*stream{}, limit: defaultStreams,
	}
	speaker := &http.Transport{
		// To net/http it is plaintext, because TLS is ours.
		DialContext:            func(context.Context, string, string) (net.Conn, error) { return t, nil },
		Protocols:              new(http.Protocols),
		DisableCompression:     true, // what the origin is asked for is what it sends
		MaxResponseHeaderBytes: maxHeader,
		HTTP2:                  &http.HTTP2Config{WriteByteTimeout: cfg.ResponseTimeout},
	}
	speaker.Protocols.SetUnencryptedHTTP2(true)
	line, err := speaker.NewClientConn(ctx, "http", under.RemoteAddr().String())
	if err != nil {
		// The preface could not be written: what the origin said is waiting.
		if until, bounded := ctx.Deadline(); bounded {
			err = errors.Join(err, under.SetReadDeadline(until))
		}
		if _, said := under.Read(make([]byte, 1)); isAlert(said) {
			err = said
		}
		return nil, fmt.Errorf("beginning h2: %w", err)
	}
	t.opened.Store(true)
	return &h2Line{http: line, tap: t}, nil
}

// Close is the codec's. What it gives up before it has begun is not its own.
func (t *tap) Close() error {
	if !t.opened.Load() {
		return nil
	}
	return t.Conn.Close()
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	changed := false
	t.mu.Lock()
	if n > 0 {
		if t.reads == 0 {
			t.received = t.wire.RecordStart()
		}
		t.reads++
		t.in.scan(p[:n], time.Now(), func(f frame) { changed = t.arrived(f) || changed })
	}
	if err != nil && t.readErr == nil {
		t.readErr, changed = err, true
		defer close(t.ended)
	}
	t.mu.Unlock()
	if changed {
		t.changed()
	}
	return n, err
}

// arrived takes note of a frame from the origin, and says whether the pool
// wants to know. The lock is held.
func (t *tap) arrived(f frame) (changed bool) {
	s := t.streams[f.stream]
	switch f.kind {
	case frameHeaders:
		if s != nil && s.first.IsZero() {
			s.first = f.began
		}
	case frameReset:
		if s != nil {
			s.refused = f.word(0) == codeRefused
		}
	case frameSettings:
		if f.flags&settingsAck != 0 {
			return false
		}
		t.settled = true
		if limit, found := f.maxConcurrent(); found {
			t.limit = int(min(limit, math.MaxInt32))
		}
		return true
	case frameGoAway:
		t.goAway, t.last = true, f.word(0)
		return true
	}
	return false
}

func (t *tap) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.out.scan(p, time.Time{}, func(f frame) {
		if f.kind == frameHeaders && f.stream > t.newest {
			t.newest = f.stream
			t.streams[f.stream] = &stream{id: f.stream}
		}
	})
	t.mu.Unlock()
	n, err := t.Conn.Write(p)
	if err != nil {
		t.mu.Lock()
		t.writeErr = err
		t.mu.Unlock()
	}
	return n, err
}

// state is what the pool goes by.
func (t *tap) state() (usable, settled bool, limit int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.usable(), t.settled, t.limit
}

// begun is where the first application record began; 0 while none has come.
func (t *tap) begun() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.received
}

func (t *tap) usable() bool { return !t.goAway && t.readErr == nil && t.writeErr == nil }

// h2Reply is what became of one request.
type h2Reply struct {
	first  time.Time // byte of the reply's first HEADERS; zero without one
	safe   bool      // the origin has not looked at the request: it may be sent again, whatever it asks
	ended  bool      // the origin ended the connection, in peace
	broken bool      // the connection is of no more use
}

// roundTrip sends req and reads its response.
func (h *h2Line) roundTrip(ctx context.Context, cfg *Config, req *Request, resp *Response) (h2Reply, error) {
	limit := fmt.Errorf("no response within %s: %w", cfg.ResponseTimeout, os.ErrDeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.ResponseTimeout, limit)
	defer cancel()
	call := &h2Call{tap: h.tap, before: h.tap.progress()}
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: call.claim})
	answer, err := h.http.RoundTrip(req.standard(traced))
	if err == nil {
		err = take(answer, cfg.MaxBody, resp)
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	} else if err != nil {
		err = h.tap.reason(ctx, err)
	}
	return call.end(err), err
}

// reason prefers what the connection ended with to its consequences. An
// origin that refuses may close before it has read everything: its alert is
// waiting to be read, and tells more than a broken pipe.
func (t *tap) reason(ctx context.Context, err error) error {
	t.mu.Lock()
	broken := t.writeErr != nil
	t.mu.Unlock()
	if broken {
		select {
		case <-t.ended:
		case <-ctx.Done():
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.readErr == nil:
		return err
	case isAlert(t.readErr):
		return fmt.Errorf("reading the response: %w", t.readErr)
	case isEnd(t.readErr) && !isEnd(err):
		return fmt.Errorf("%w: %w", err, t.readErr)
	}
	return err
}

func (t *tap) progress() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.reads
}

// h2Call ties a request to its stream.
type h2Call struct {
	tap    *tap
	before int64   // reads of the connection before the request
	stream *stream // nil until written
	ended  bool
}

// claim is called where the request's HEADERS have just been written, before
// another's can be: net/http writes one after the other.
func (c *h2Call) claim() {
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	c.stream = c.tap.streams[c.tap.newest]
	if c.ended {
		delete(c.tap.streams, c.tap.newest)
	}
}

func (c *h2Call) end(err error) h2Reply {
	t := c.tap
	t.mu.Lock()
	defer t.mu.Unlock()
	c.ended = true
	reply := h2Reply{broken: !t.usable(), ended: t.readErr != nil && isEnd(t.readErr)}
	if c.stream == nil {
		reply.safe = reply.broken
	} else {
		delete(t.streams, c.stream.id)
		reply.first = c.stream.first
		reply.safe = c.stream.refused || t.goAway && c.stream.id > t.last
	}
	// An origin that has gone silent altogether is not asked again.
	if errors.Is(err, os.ErrDeadlineExceeded) && t.reads == c.before {
		reply.broken = true
	}
	return reply
}

// agreed reports a handshake that ended without HTTP/2.
func agreed(trace *wire.Trace) error {
	switch trace.ALPN {
	case protoH2:
		return nil
	case "":
		return errors.New("the origin does not speak h2: it agreed on no protocol in the handshake (ALPN); switch HTTP/2 on there, or use h1")
	}
	return fmt.Errorf("the origin does not speak h2: it agreed on %q in the handshake (ALPN); switch HTTP/2 on there, or use h1", trace.ALPN)
}
