package wire

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"
)

// Stage is the furthest point at which the peer has answered.
type Stage string

// The stages of a connection.
const (
	StageTCP  Stage = "tcp"  // it accepted the connection
	StageTLS  Stage = "tls"  // it sent bytes of a handshake
	StageHTTP Stage = "http" // it sent a byte of a reply
)

// Trace is what making one connection cost, TCP connect included.
type Trace struct {
	Start     time.Time     // of TCP connect
	Connect   time.Duration // TCP connect
	TLS       time.Duration // the handshake, as long as it lasted; zero without TLS
	FirstByte time.Duration // from Start to the first reply byte; zero until MarkFirstByte

	// Bytes beneath TLS before the first application record: Sent until the
	// handshake returned, Received up to but excluding the record with the
	// first reply byte, so that session tickets of TLS 1.3, which arrive
	// after the handshake returned, are included. Until MarkFirstByte,
	// Received is what had arrived when the handshake returned.
	Sent, Received int64

	Turns          int // when the handshake returned; TCP excluded
	FirstByteTurns int // when the first reply byte arrived, plus one for TCP
	Flights        int // when the handshake returned

	Version    string // as in Profile.Version
	Cipher     string // IANA name
	Group      string // as in Profile.Group; of a resumed TLS 1.2 session, the one that it began with
	Resumed    bool
	HelloRetry bool   // the server asked for another key share (RFC 8446, section 4.1.4)
	ALPN       string // the application protocol agreed on, as RFC 7301 names it; "" = none

	// QUIC: there is no TCP in FirstByteTurns and no Connect, Sent and
	// Received are UDP payload until the first reply byte, the request
	// included, and vary with acknowledgements.
	QUIC  bool
	Early bool // the request left in 0-RTT, and was taken

	Stage Stage
}

// Handshake runs a client's TLS handshake over c. The trace is never nil: with
// an error it tells how far the handshake came, and c is to be closed by the
// caller.
//
// Note: success does not mean that the server accepted the client's
// certificate. In TLS 1.3 the refusal arrives with the first read.
func Handshake(ctx context.Context, c *Conn, cfg *tls.Config) (*tls.Conn, *Trace, error) {
	c.records = true
	t := Plain(c)
	conn := tls.Client(c, cfg)
	start := time.Now()
	err := conn.HandshakeContext(ctx)
	t.TLS = time.Since(start)
	counts := c.Counts()
	t.Sent, t.Received, t.Turns, t.Flights = counts.Sent, counts.Received, counts.Turns, counts.Flights
	if counts.Received > 0 {
		t.Stage = StageTLS
	}
	state := conn.ConnectionState()
	if state.Version != 0 {
		t.Version = versionName(state.Version)
	}
	if err != nil {
		return nil, t, fmt.Errorf("TLS handshake with %s: %w", c.RemoteAddr(), err)
	}
	t.Cipher, t.Group = tls.CipherSuiteName(state.CipherSuite), groupName(state.CurveID)
	t.Resumed, t.HelloRetry, t.ALPN = state.DidResume, state.HelloRetryRequest, state.NegotiatedProtocol
	return conn, t, nil
}

// Plain begins the trace of a connection without TLS.
func Plain(c *Conn) *Trace {
	return &Trace{Start: c.dialed, Connect: c.connected.Sub(c.dialed), Stage: StageTCP}
}

// MarkFirstByte completes t. The codec calls it once, when the Read that
// returned the first reply byte has returned, with the time of that, and
// before it reads on.
func (t *Trace) MarkFirstByte(c *Conn, at time.Time) {
	t.FirstByte = at.Sub(t.Start)
	t.FirstByteTurns = c.Counts().Turns + 1
	t.Stage = StageHTTP
	if c.records {
		t.Received = c.cutter.last
	}
}

// MarkStreamByte completes t where requests share a connection, as over
// HTTP/2, when the first byte of the first reply's HEADERS arrived. There the
// server speaks unasked: its SETTINGS may come before, with or after that, and
// both ends acknowledge on the way. So received is where the first application
// record began (see RecordStart), whatever it held, and the request is one
// turn after those of the handshake, because nothing but it was waited for.
func (t *Trace) MarkStreamByte(received int64, at time.Time) {
	t.FirstByte = at.Sub(t.Start)
	t.FirstByteTurns = t.Turns + 2
	t.Received = received
	t.Stage = StageHTTP
}
