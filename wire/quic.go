package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/quic-go/quic-go"
)

// MaxQUICHandshake is how many bytes of TLS handshake quic-go takes from its
// peer at each encryption level. A longer certificate chain ends the
// connection with CRYPTO_BUFFER_EXCEEDED (RFC 9000, section 7.5).
const MaxQUICHandshake = 16 << 10

// ErrHandshakeTooLong is wrapped by what HandshakeQUIC returns when the server
// sends more than MaxQUICHandshake.
var ErrHandshakeTooLong = fmt.Errorf("the server's handshake is longer than the %d bytes that quic-go takes: use a shorter certificate chain, or h1", MaxQUICHandshake)

// QUIC is a client's connection over a socket of its own.
type QUIC struct {
	*quic.Conn
	Packets   *Packets
	transport *quic.Transport
}

// QUICConfig is what a handshake over QUIC needs beside a socket.
type QUICConfig struct {
	Target netip.AddrPort
	TLS    *tls.Config // its NextProtos name the protocol over QUIC
	// Early returns before the handshake is complete where a session allows
	// 0-RTT. What is sent then can be replayed.
	Early bool
	Idle  time.Duration // without a word from the peer; 0 = quic-go's 30 s
}

// HandshakeQUIC runs a client's QUIC handshake over p, which it closes with an
// error. The trace is never nil: with an error it tells how far the handshake
// came.
//
// Note: as with Handshake, success does not mean that the server accepted the
// client's certificate. The refusal arrives instead of the first reply.
func HandshakeQUIC(ctx context.Context, p *Packets, cfg QUICConfig) (*QUIC, *Trace, error) {
	t := &Trace{Start: p.opened, Stage: StageTCP, QUIC: true}
	q := &QUIC{Packets: p, transport: &quic.Transport{Conn: p}}
	dial := q.transport.Dial
	if cfg.Early {
		dial = q.transport.DialEarly
	}
	settings := &quic.Config{MaxIdleTimeout: cfg.Idle, MaxIncomingStreams: -1}
	if deadline, ok := ctx.Deadline(); ok {
		// The context's end is to be the reason, not quic-go's own 5 s.
		settings.HandshakeIdleTimeout = 2 * max(time.Until(deadline), time.Millisecond)
	}
	var err error
	q.Conn, err = dial(ctx, net.UDPAddrFromAddrPort(cfg.Target), cfg.TLS, settings)
	t.TLS = time.Since(t.Start)
	if p.Counts().Received > 0 {
		t.Stage = StageTLS
	}
	if err != nil {
		err = errors.Join(tooLong(err), q.transport.Close(), p.Close())
		return nil, t, fmt.Errorf("QUIC handshake with %s: %w", cfg.Target, err)
	}
	q.observe(t)
	return q, t, nil
}

// tooLong names the limit that the error is about.
func tooLong(err error) error {
	transport, ok := errors.AsType[*quic.TransportError](err)
	if ok && !transport.Remote && transport.ErrorCode == quic.CryptoBufferExceeded {
		return fmt.Errorf("%w: %w", ErrHandshakeTooLong, err)
	}
	return err
}

// observe brings t up to what the handshake has agreed on so far.
func (q *QUIC) observe(t *Trace) {
	state := q.ConnectionState()
	t.Version, t.Cipher, t.Group = versionName(state.TLS.Version), tls.CipherSuiteName(state.TLS.CipherSuite), groupName(state.TLS.CurveID)
	t.Resumed, t.HelloRetry, t.Early = state.TLS.DidResume, state.TLS.HelloRetryRequest, state.Used0RTT
	t.ALPN = state.TLS.NegotiatedProtocol
	counts := q.Packets.Counts()
	t.Sent, t.Received, t.Flights = counts.Sent, counts.Received, counts.Flights
	t.Turns = counts.Turns
	if t.HelloRetry {
		t.Turns++
	}
	if t.Early {
		// What left in 0-RTT has waited for nothing.
		t.Turns = 0
	}
}

// MarkFirstByte completes t when the first reply byte has arrived. A request
// is one turn: it leaves in one datagram as soon as it may.
func (q *QUIC) MarkFirstByte(t *Trace, at time.Time) {
	q.observe(t)
	t.FirstByte = at.Sub(t.Start)
	t.FirstByteTurns = t.Turns + 1
	t.Stage = StageHTTP
}

// Close says goodbye with an application's code and closes the socket.
func (q *QUIC) Close(code uint64) error {
	return errors.Join(q.CloseWithError(quic.ApplicationErrorCode(code), ""), q.transport.Close(), q.Packets.Close())
}
