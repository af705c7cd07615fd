package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// gate accepts viewers.
type gate struct {
	net.Listener
	proxy *Proxy
}

// Accept returns the next viewer's connection, before any byte of it was read.
func (g *gate) Accept() (net.Conn, error) {
	raw, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, proxy: g.proxy}
	c.scan.begin()
	if g.proxy.outer != nil {
		c.tls = tls.Server(raw, g.proxy.outer)
		c.Conn = c.tls
	}
	g.proxy.counts.connections.Add(1)
	return c, nil
}

// conn is a viewer's connection. The first Read does the handshake, in the
// goroutine in which net/http reads the request. net/http is not shown a
// *tls.Conn: it would do that itself, before the gate could read along.
type conn struct {
	net.Conn // tls, or else the socket
	tls      *tls.Conn
	proxy    *Proxy

	begun   bool
	over    bool // nothing more is read
	h2      bool
	opening int // so much of HTTP/2's preface has been read
	scan    scanner
	instead []byte // what net/http reads in the place of what it must not
	linger  bool   // on Close

	until atomic.Int64 // the read deadline that net/http set, in Unix ns; 0 = none
}

// malformed is what net/http answers with 400, in a header or among chunks: a
// line that is none, and the end of the header.
const malformed = "(\r\n\r\n"

// lingerFor and lingerBytes bound how long a viewer that was refused is
// listened to. Closing with bytes unread would send a reset, which can overtake
// the answer.
const (
	lingerFor   = 250 * time.Millisecond
	lingerBytes = 256 << 10
)

// Read reads what net/http may see.
func (c *conn) Read(b []byte) (int, error) {
	if !c.begun {
		c.begun = true
		c.over = !c.begin()
	}
	if len(c.instead) > 0 {
		n := copy(b, c.instead)
		c.instead = c.instead[n:]
		return n, nil
	}
	if c.over {
		return 0, io.EOF // any other error would have net/http answer
	}
	n, err := c.Conn.Read(b)
	switch {
	case c.h2:
		if !c.preface(b[:n]) {
			c.over = true
			return 0, io.EOF
		}
	case n > 0:
		if at := c.scan.feed(b[:n]); at >= 0 {
			return c.refuse(b, at)
		}
	case err != nil:
		c.late(err)
	}
	return n, err
}

// refuse ends what net/http reads at a position.
func (c *conn) refuse(b []byte, at int) (int, error) {
	c.over = true
	if c.scan.state != atNothing {
		c.proxy.counts.malformed.Add(1)
		if c.instead = []byte(malformed); !c.scan.fresh {
			c.instead = []byte("\r\n" + malformed) // first ends the line
		}
		c.linger = true
	}
	if at > 0 {
		return at, nil
	}
	return c.Read(b)
}

// poke is the deadline with which net/http wakes a Read that waits.
var poke = time.Unix(1, 0)

// late answers a viewer that has begun a request and not ended its header in
// time (RFC 9110, section 15.5.9). net/http would close without a word.
func (c *conn) late(err error) {
	if !c.scan.reading() || c.until.Load() == poke.UnixNano() {
		return
	}
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		return
	}
	c.over = true
	c.proxy.counts.late.Add(1)
	if c.SetWriteDeadline(time.Now().Add(time.Second)) == nil {
		_, _ = io.WriteString(c.Conn, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") // whoever hears it
	}
}

// begin shakes hands and says whether there may be a request.
func (c *conn) begin() bool {
	if c.tls == nil {
		return true
	}
	limits := &c.proxy.cfg.Timeouts
	ctx, cancel := context.WithTimeout(context.Background(), limits.Handshake)
	defer cancel()
	if err := c.tls.HandshakeContext(ctx); err != nil {
		c.proxy.counts.handshakesFailed.Add(1)
		return false
	}
	state := c.tls.ConnectionState()
	c.h2 = state.NegotiatedProtocol == protoH2
	if state.DidResume {
		c.proxy.counts.handshakesResumed.Add(1)
	} else {
		c.proxy.counts.handshakesFull.Add(1)
	}
	return c.SetReadDeadline(time.Now().Add(limits.Header)) == nil
}

// prefaceH2 is what a connection of HTTP/2 begins with (RFC 9113, section 3.4).
const prefaceH2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// preface reports whether a connection on which ALPN chose HTTP/2 speaks it:
// net/http goes by the first bytes alone.
func (c *conn) preface(b []byte) bool {
	rest := prefaceH2[c.opening:]
	n := min(len(b), len(rest))
	c.opening += n
	return string(b[:n]) == rest[:n]
}

// SetReadDeadline notes what net/http sets.
func (c *conn) SetReadDeadline(t time.Time) error {
	if c.until.Store(0); !t.IsZero() {
		c.until.Store(t.UnixNano())
	}
	return c.Conn.SetReadDeadline(t)
}

// Close closes the connection.
func (c *conn) Close() error {
	if c.linger && c.CloseWrite() == nil && c.Conn.SetReadDeadline(time.Now().Add(lingerFor)) == nil {
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes) // until it has heard
	}
	return c.Conn.Close()
}

// CloseWrite lets net/http end a response that the viewer has not read yet
// without a reset.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
