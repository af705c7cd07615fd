package origin

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/wire"
)

// lingerFor and lingerBytes bound how long a refused handshake is drained.
// Closing with unread bytes would send a reset, which can overtake the alert
// and leave the peer without the reason.
const (
	lingerFor   = 250 * time.Millisecond
	lingerBytes = 256 << 10
)

// socket is a connection below TLS.
type socket struct {
	*wire.Conn
	owner  *conn
	heard  bool   // a byte has arrived
	replay []byte // read already, to be read again; only a planted mistake uses it
}

func (s *socket) Read(b []byte) (int, error) {
	if len(s.replay) > 0 {
		n := copy(b, s.replay)
		s.replay = s.replay[n:]
		return n, nil
	}
	n, err := s.Conn.Read(b)
	if n > 0 {
		s.heard = true
	}
	return n, err
}

// identity is what a connection says of its caller, over TCP or QUIC.
type identity struct {
	peer      netip.AddrPort
	encrypted bool
	quic      bool
	h2        bool // negotiated by ALPN

	guard   *guard // under which the connection was last found good
	sni     string // by hostName
	lax     bool   // fell to a lax default; only by mistake
	certs   []*x509.Certificate
	version uint16
	group   tls.CurveID
	resumed bool
	serial  string // of certs[0], once an entry asked
	san     string
}

// negotiated takes over what a handshake has agreed on.
func (i *identity) negotiated(state *tls.ConnectionState) {
	i.h2 = state.NegotiatedProtocol == ProtocolH2
	i.certs, i.version, i.group, i.resumed = state.PeerCertificates, state.Version, state.CurveID, state.DidResume
}

// conn is one accepted connection. The first Read does the handshake, in the
// goroutine in which http.Server reads the request. http.Server is not shown a
// *tls.Conn: it would do the handshake itself, keep its error, and answer
// plaintext on a TLS port.
//
// Fields without a note belong to that goroutine. Over HTTP/2 requests run at
// once: each has a copy of the identity and a reply of its own.
type conn struct {
	mu sync.Mutex // guards identity.guard over HTTP/2
	identity
	server *Server
	socket socket
	tls    *tls.Conn // nil on a plaintext origin

	begun   bool
	ended   bool // counted as plain, full, resumed, failed, …
	over    bool // nothing more is read; http.Server may try again after an error
	opening int  // so much of HTTP/2's preface has been read; -1: something else was
	reply   reply

	// http.Server reads ahead in another goroutine, and Shutdown looks on.
	served    atomic.Bool // a byte of a request has been read
	pending   atomic.Bool // of one that has not reached the guard
	answering atomic.Bool // a request is with the guard or behind it
}

func (c *conn) Read(b []byte) (int, error) {
	if !c.begun {
		c.begun = true
		c.over = !c.begin()
	}
	if c.over {
		// What went wrong is in the audit log. Any other error would make
		// http.Server write a plaintext 400.
		return 0, io.EOF
	}
	n, err := c.stream().Read(b)
	if n > 0 && !c.h2 && !c.answering.Load() {
		c.served.Store(true)
		c.pending.Store(true)
	}
	if n > 0 && !c.agreed(b[:n]) {
		c.over = true
		c.pending.Store(true)
		return 0, io.EOF
	}
	return n, err
}

// prefaceH2 is what a connection of HTTP/2 begins with (RFC 9113, section 3.4).
const prefaceH2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// agreed says whether what was read is in the protocol that the handshake
// chose. http.Server goes by the first bytes alone: it would speak HTTP/2 to
// whoever sends its preface, and HTTP/1.1 to everyone else.
func (c *conn) agreed(b []byte) bool {
	if c.opening < 0 || c.opening == len(prefaceH2) {
		return true
	}
	rest := prefaceH2[c.opening:]
	if n := min(len(b), len(rest)); string(b[:n]) == rest[:n] {
		c.opening += n
		return c.h2 || c.opening < len(prefaceH2)
	}
	c.opening = -1
	return !c.h2
}

// Write sees what http.Server answers by itself over HTTP/1.1: 400, 417, 431,
// 501, 505.
func (c *conn) Write(b []byte) (int, error) {
	if !c.h2 && !c.answering.Load() {
		c.pending.Store(false)
		c.server.refused(&c.identity, StageHTTP, unreadable)
	}
	return c.stream().Write(b)
}

// unreadable is why a request never reached the guard.
var unreadable = &denial{reason: "the request could not be read: malformed, too large or too slow"}

func (c *conn) stream() net.Conn {
	if c.tls != nil {
		return c.tls
	}
	return &c.socket
}

// Close closes the connection, with TLS's own goodbye after a handshake.
func (c *conn) Close() error { return c.stream().Close() }

// CloseWrite lets http.Server end a response that the peer has not read yet
// without a reset.
func (c *conn) CloseWrite() error {
	if c.tls != nil {
		return c.tls.CloseWrite()
	}
	return c.socket.closeWrite()
}

func (s *socket) closeWrite() error {
	if half, ok := s.Conn.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (c *conn) LocalAddr() net.Addr                { return c.socket.LocalAddr() }
func (c *conn) RemoteAddr() net.Addr               { return c.socket.RemoteAddr() }
func (c *conn) SetDeadline(t time.Time) error      { return c.socket.SetDeadline(t) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.socket.SetWriteDeadline(t) }

// SetReadDeadline does not undo what Shutdown has set: http.Server takes the
// deadline off when it hands a connection to HTTP/2.
func (c *conn) SetReadDeadline(t time.Time) error {
	err := c.socket.SetReadDeadline(t)
	if c.server.draining.Load() {
		c.wake()
	}
	return err
}

// begin prepares the connection for its first request and says whether there
// may be one.
func (c *conn) begin() bool {
	s := c.server
	if err := c.socket.SetDeadline(time.Now().Add(s.cfg.Timeouts.Handshake)); err != nil || s.draining.Load() {
		return false
	}
	if s.state.Load().guard.preface && !c.beginPreface() {
		return false
	}
	if c.tls == nil {
		c.guard = s.guardOf(&c.identity)
		c.end(&s.counts.plain)
	} else if !c.handshake() {
		return false
	}
	// http.Server set the header's deadline before the handshake took its time.
	if err := c.socket.SetWriteDeadline(time.Time{}); err != nil {
		return false
	}
	if err := c.socket.SetReadDeadline(time.Now().Add(s.cfg.Timeouts.Header)); err != nil {
		return false
	}
	return !s.draining.Load()
}

func (c *conn) handshake() bool {
	c.socket.FollowRecords() // not before: a preface is no record
	err := c.tls.Handshake()
	connection := c.tls.ConnectionState()
	c.negotiated(&connection)
	counts := &c.server.counts
	switch {
	case err != nil:
		c.handshakeFailed(err)
		return false
	case c.resumed:
		c.end(&counts.resumed)
	default:
		c.end(&counts.full)
	}
	sent, received := c.socket.Handed()
	counts.handshakeSent.Add(sent)
	counts.handshakeReceived.Add(received)
	return true
}

func (c *conn) handshakeFailed(err error) {
	end := &c.server.counts.failed
	if !c.socket.heard {
		end = &c.server.counts.noHello
	}
	c.end(end)
	if !c.socket.heard && !isTimeout(err) {
		return
	}
	if unverified, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		c.certs = unverified.UnverifiedCertificates
	}
	d := handshakeDenial(err)
	c.server.refused(&c.identity, StageTLS, d)
	if d.proof != 0 {
		c.linger()
	}
}

// linger gives the peer time to read the alert. Every error ends it.
func (c *conn) linger() {
	if err := c.socket.closeWrite(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return
	}
	if c.socket.SetReadDeadline(time.Now().Add(lingerFor)) != nil || c.server.draining.Load() {
		return
	}
	_, _ = io.CopyN(io.Discard, &c.socket, lingerBytes)
}

// beginPreface is the mistake of believing a PROXY line.
func (c *conn) beginPreface() bool {
	claimed, rest, err := readPreface(&c.socket)
	c.socket.replay = rest
	guard := c.server.state.Load().guard
	source := c.peer.Addr()
	if claimed.IsValid() {
		source = claimed
	}
	switch {
	case err != nil && !c.socket.heard:
		return false
	case err != nil:
		c.end(&c.server.counts.refused)
		c.server.refused(&c.identity, StageTCP, deny(Address, "PROXY preface: %v", err))
		return false
	case !guard.admits(source):
		c.end(&c.server.counts.refused)
		c.server.refused(&c.identity, StageTCP, deny(Address, "address %s is not allowed", source))
		return false
	}
	return true
}

// end counts what became of the connection, once.
func (c *conn) end(counter *atomic.Int64) {
	if !c.ended {
		c.ended = true
		counter.Add(1)
	}
}

// closed runs when http.Server has let go of the connection.
func (c *conn) closed() {
	if c.pending.Swap(false) {
		c.server.refused(&c.identity, StageHTTP, unreadable)
	}
	if c.tls == nil {
		c.end(&c.server.counts.plain)
	} else {
		c.end(&c.server.counts.noHello)
	}
}

// wake ends a wait for a first request; see Server.Shutdown.
func (c *conn) wake() {
	if !c.served.Load() {
		// An error means that the connection is closed already.
		_ = c.socket.SetReadDeadline(time.Unix(1, 0))
	}
}

// entry starts an audit line with what is known of the connection.
func (i *identity) entry() Entry {
	if len(i.certs) > 0 && i.serial == "" {
		i.serial, i.san = pki.SerialText(i.certs[0]), names(i.certs[0])
	}
	e := Entry{
		Peer: i.peer, Serial: i.serial, SAN: i.san,
		TLS: versionName(i.version), Group: groupName(i.group), Resumed: i.resumed, SNI: i.sni,
	}
	switch {
	case i.quic:
		e.Protocol = ProtocolH3
	case i.h2:
		e.Protocol = ProtocolH2
	}
	return e
}

// refused records a refusal that no request belongs to.
func (s *Server) refused(i *identity, stage string, d *denial) {
	if !s.audit.Keeps(Refused) {
		return
	}
	e := i.entry()
	e.Verdict, e.Stage, e.Proof, e.Reason = Refused, stage, d.proof.String(), d.reason
	s.audit.Record(&e)
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// peerOf is a connection's socket address, comparable with prefixes: an IPv4
// address of a dual-stack listener is unmapped, a zone dropped. What is no IP
// address becomes the zero AddrPort, which no allowlist contains.
func peerOf(addr net.Addr) netip.AddrPort {
	var peer netip.AddrPort
	switch socket := addr.(type) {
	case nil:
	case *net.TCPAddr:
		peer = socket.AddrPort()
	case *net.UDPAddr:
		peer = socket.AddrPort()
	default:
		var err error
		if peer, err = netip.ParseAddrPort(addr.String()); err != nil {
			return netip.AddrPort{}
		}
	}
	return netip.AddrPortFrom(plainAddr(peer.Addr()), peer.Port())
}

func plainAddr(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }
