package origin

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/originpull/originpull/wire"
)

// quicConn is one QUIC connection, from its first datagram on.
type quicConn struct {
	owner *quicServer

	mu sync.Mutex
	identity
	conn    *quic.Conn  // nil until accepted
	timer   *time.Timer // closes a connection without requests; nil until accepted
	busy    int         // requests being answered
	spent   bool        // it is to take no more of them
	served  bool        // one was answered
	settled bool        // its handshake is complete, and counted
	ended   bool
}

// accepted takes over a connection whose handshake is complete, or will be:
// in 0-RTT it is not.
func (c *quicConn) accepted(conn *quic.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
	if c.ended {
		return
	}
	c.owner.remember(c)
	c.timer = time.AfterFunc(c.owner.server.cfg.Timeouts.Header, c.expire)
	if c.settle(); !c.settled {
		c.owner.conns.Go(func() {
			select {
			case <-conn.HandshakeComplete():
			case <-conn.Context().Done():
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.settle()
		})
	}
}

// settle counts the handshake once it is complete; the lock is held.
func (c *quicConn) settle() {
	if c.settled || c.ended {
		return
	}
	select {
	case <-c.conn.HandshakeComplete():
	default:
		return
	}
	c.settled = true
	state := c.conn.ConnectionState().TLS
	c.negotiated(&state)
	if c.resumed {
		c.owner.server.counts.resumed.Add(1)
	} else {
		c.owner.server.counts.full.Add(1)
	}
}

// expire closes a connection that has waited for a request for too long.
func (c *quicConn) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy == 0 {
		// It may be closed already.
		_ = c.conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
	}
}

// rest starts the wait for the next request, or for the end. A response may
// still be on its way when its handler has returned: closing at once would
// cut it off.
func (c *quicConn) rest() {
	leaving := c.owner.isLeaving()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.busy > 0 || c.ended:
	case leaving || c.spent:
		c.timer.Reset(lingerFor)
	default:
		c.timer.Reset(c.owner.server.cfg.Timeouts.Idle)
	}
}

// closed runs when the connection has ended, for the reason given.
func (c *quicConn) closed(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.timer.Stop()
		c.settle()
		c.owner.forget(c)
	}
	c.ended = true
	if c.settled {
		return
	}
	s := c.owner.server
	if _, left := errors.AsType[*quic.ApplicationError](cause); left && c.conn == nil {
		// Whoever leaves with a word of HTTP/3 had finished the handshake.
		s.counts.full.Add(1)
		return
	}
	if c.served {
		// It was answered in 0-RTT and has left before the server saw the end
		// of its handshake. For the client that is a resumed one.
		s.counts.resumed.Add(1)
		return
	}
	s.counts.failed.Add(1)
	if unverified, ok := errors.AsType[*tls.CertificateVerificationError](cause); ok {
		c.certs = unverified.UnverifiedCertificates
	}
	s.refused(&c.identity, StageTLS, quicDenial(cause))
}

// quicDenial classifies why a QUIC handshake failed.
func quicDenial(cause error) *denial {
	transport, ok := errors.AsType[*quic.TransportError](cause)
	if !ok || transport.Remote {
		return &denial{reason: fmt.Sprintf("handshake failed: %v", cause)}
	}
	if transport.ErrorCode == quic.CryptoBufferExceeded {
		return &denial{reason: fmt.Sprintf("handshake failed: the client sent more than the %d bytes of handshake that quic-go takes: its certificate chain is too long for HTTP/3", wire.MaxQUICHandshake)}
	}
	for _, inner := range transport.Unwrap() {
		if inner != nil && !errors.Is(inner, net.ErrClosed) {
			return handshakeDenial(inner)
		}
	}
	return handshakeDenial(cause)
}

// serveQUIC answers a request. Requests on one connection run at once, each
// with a copy of what the connection says.
func serveQUIC(w http.ResponseWriter, r *http.Request) {
	c, ok := r.Context().Value(connKey{}).(*quicConn)
	if !ok {
		panic("origin: a request without its connection")
	}
	s := c.owner.server
	caller, early := c.request()
	answer := reply{ResponseWriter: w, server: s, identity: &caller, request: r, early: early}
	control := http.NewResponseController(w)
	now := time.Now()
	// A stream that takes no deadline is closed, and its next use says so.
	_ = control.SetReadDeadline(now.Add(s.cfg.Timeouts.Read))
	_ = control.SetWriteDeadline(now.Add(s.cfg.Timeouts.Write))
	spent := answer.decide(s.state.Load().quic.guard)
	c.answered(caller.guard, spent)
}

// request begins a request and says whether it came in 0-RTT, before the
// client has proven anything that a recording could not.
func (c *quicConn) request() (identity, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy++
	c.timer.Stop()
	if c.settle(); !c.settled {
		state := c.conn.ConnectionState().TLS
		c.negotiated(&state)
	}
	return c.identity, !c.settled
}

// answered ends a request.
func (c *quicConn) answered(good *guard, spent bool) {
	c.mu.Lock()
	c.busy--
	c.guard = good
	c.served, c.spent = true, c.spent || spent
	c.mu.Unlock()
	c.rest()
}
