package pool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/originpull/originpull/wire"
)

// Protocol is what a connection speaks.
type Protocol string

// The protocols; "" is H1.
const (
	H1 Protocol = "h1" // HTTP/1.1 over TCP, with or without TLS
	H2 Protocol = "h2" // HTTP/2 over TLS, agreed on by ALPN
	H3 Protocol = "h3" // HTTP/3 over QUIC
)

// checkProtocol reports what cannot be.
func (t *Target) checkProtocol() error {
	if t.Early && t.MustBeAsked {
		return errors.New("a request in 0-RTT is sent before the origin can ask for a certificate: give up one of the two")
	}
	switch t.Protocol {
	case "", H1, H2:
		if t.Early {
			return errors.New("0-RTT needs h3: crypto/tls has none over TCP")
		}
		if t.Protocol == H2 && t.TLS == nil {
			return errors.New("h2 needs TLS: it is agreed on in the handshake (ALPN)")
		}
	case H3:
		if t.TLS == nil {
			return errors.New("h3 needs TLS: QUIC has no plaintext")
		}
		if t.Early && t.TLS.ClientSessionCache == nil {
			return errors.New("0-RTT needs resumption: it is sent under an earlier session's key")
		}
	default:
		return fmt.Errorf("unknown protocol %q: use h1, h2 or h3", t.Protocol)
	}
	return nil
}

// h3Line is HTTP/3 on one QUIC connection, one request at a time.
type h3Line struct {
	quic  *wire.QUIC
	http  *http3.ClientConn
	trace *wire.Trace
	early bool // the next request may leave in 0-RTT
	first time.Time
}

// connectQUIC opens a socket, enters it in the lane and shakes hands.
func (l *lane) connectQUIC(ctx context.Context, t *Target, x *Exchange) (*conn, error) {
	p := l.pool
	p.mu.Lock()
	p.stats.Dials++
	p.mu.Unlock()
	packets, err := t.Dialer.OpenPackets(ctx, t.Address)
	if err != nil {
		x.Failed = StageTCP
		l.vacate()
		return nil, p.cause(err)
	}
	c := &conn{lane: l, packets: packets, local: addrPort(packets.LocalAddr()), remote: t.Address}
	l.enter(c)
	x.Local, x.Remote = c.local, c.remote
	limit := p.cfg.HandshakeTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no handshake within %s: %w", limit, os.ErrDeadlineExceeded))
	defer cancel()
	ctx, a := t.expect(ctx)
	line, trace, err := wire.HandshakeQUIC(ctx, packets, wire.QUICConfig{
		Target: t.Address, TLS: l.tls, Early: t.Early,
		Idle: p.cfg.ResponseTimeout + p.cfg.IdleTimeout, // the pool's own timers come first
	})
	x.Trace = trace
	if err == nil {
		if err = a.check(trace); err != nil {
			_ = line.Close(uint64(http3.ErrCodeNoError)) // the failure is told already
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		x.Failed = StageTLS
		p.mu.Lock()
		p.stats.HandshakesFailed++
		p.mu.Unlock()
		l.discard(c, ReasonHandshake)
		return nil, p.cause(err)
	}
	// What the origin is asked for is what it sends: no gzip of ours.
	speaker := http3.Transport{DisableCompression: true, MaxResponseHeaderBytes: maxHeader}
	c.h3 = &h3Line{quic: line, http: speaker.NewClientConn(line.Conn), trace: trace, early: t.Early}
	return c, nil
}

// roundTrip sends req and reads its response. An origin that takes the session
// and not what came with it shows as quic.Err0RTTRejected; the connection is
// then of no more use, because what was given up on it can still hit the
// streams of the same numbers that would follow.
func (h *h3Line) roundTrip(ctx context.Context, cfg *Config, req *Request, resp *Response) error {
	h.first = time.Time{}
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.ResponseTimeout, fmt.Errorf("no response within %s: %w", cfg.ResponseTimeout, os.ErrDeadlineExceeded))
	defer cancel()
	early := h.early && (req.Method == http.MethodGet || req.Method == http.MethodHead)
	h.early = false
	answer, err := h.send(ctx, req, early)
	if err == nil {
		h.first = time.Now()
		if h.trace != nil {
			h.quic.MarkFirstByte(h.trace, h.first)
			h.trace = nil
		}
		err = take(answer, cfg.MaxBody, resp)
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (h *h3Line) send(ctx context.Context, req *Request, early bool) (*http.Response, error) {
	r := req.standard(ctx)
	switch {
	case early && r.Method == http.MethodGet:
		r.Method = http3.MethodGet0RTT
	case early:
		r.Method = http3.MethodHead0RTT
	}
	return h.http.RoundTrip(r)
}

// take moves an answer into resp.
func take(answer *http.Response, limit int64, resp *Response) error {
	resp.Status, resp.Header = answer.StatusCode, answer.Header
	body := bytes.NewBuffer(resp.Body[:0])
	n, err := io.Copy(body, io.LimitReader(answer.Body, limit+1))
	err = errors.Join(err, answer.Body.Close())
	resp.Body = body.Bytes()
	switch {
	case n > limit:
		return fmt.Errorf("the response is longer than %d bytes", limit)
	case err != nil:
		return fmt.Errorf("reading the response: %w", err)
	}
	return nil
}

// alive says whether the connection has not ended, as far as it is known.
func (h *h3Line) alive() bool { return h.quic.Context().Err() == nil }

// isQUICAlert reports whether a QUIC connection ended for a reason of TLS.
func isQUICAlert(err error) bool {
	transport, ok := errors.AsType[*quic.TransportError](err)
	return ok && (transport.ErrorCode.IsCryptoError() || transport.ErrorCode == quic.CryptoBufferExceeded)
}

// isQUICEnd reports whether a QUIC connection had ended in peace.
func isQUICEnd(err error) bool {
	if application, ok := errors.AsType[*quic.ApplicationError](err); ok {
		return application.Remote
	}
	if code, ok := errors.AsType[*http3.Error](err); ok {
		return code.Remote && (code.ErrorCode == http3.ErrCodeNoError || code.ErrorCode == http3.ErrCodeRequestRejected)
	}
	var idle *quic.IdleTimeoutError
	var reset *quic.StatelessResetError
	return errors.As(err, &idle) || errors.As(err, &reset)
}

func (h *h3Line) close() {
	// Who has left already does not hear it.
	_ = h.quic.Close(uint64(http3.ErrCodeNoError))
}
