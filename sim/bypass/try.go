package bypass

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/wire"
)

// Try is one connection of an attacker and the request it sends. The zero
// value of a field is what the legitimate edge would use, except that no
// certificate and no secret are shown.
type Try struct {
	Name        string
	Source      netip.Addr             // zero: the lab's attacker
	Side        string                 // listener, "" = the TLS port
	Preface     string                 // sent before the TLS handshake
	ServerName  string                 // SNI as it is written; "" = Host, see NoSNI
	NoSNI       bool                   // send none
	Certificate string                 // name in the material, "" = none
	Sessions    tls.ClientSessionCache // nil: full handshakes only
	OldTLS      bool                   // offer TLS 1.1 and nothing newer
	SplitHello  bool                   // send the ClientHello in two records
	Inside      string                 // sent after the handshake, before the request
	Method      string                 // "" = GET
	Request     string                 // request target; "" = the protected object
	Host        string                 // "" = Host
	Header      [][2]string            // in order, duplicates allowed
	Trailer     [][2]string            // after an empty chunked body
	Lacks       origin.Proof           // beyond what the attempt lacks
	Malformed   bool                   // see Step

	// Routes: an answer that is no refusal of the guard's gives a route away.
	Routes bool
	// Seeks is a secret to look for in the answer, head and body.
	Seeks string

	shown *tls.Certificate // in place of Certificate
	leg   bool             // of the legitimate edge: nothing of it is evidence
}

// port is where the try goes.
func (l *Lab) port(t Try) netip.AddrPort {
	if t.Side == "" {
		return l.Target
	}
	return l.origin.Side(t.Side)
}

// protectedPath is an object of the built-in origin.
const protectedPath = "/o/bypass"

// Try makes the connection, sends the request once and closes. A refusal is
// a Step; the error means that the step proves nothing (a timeout, or no
// connection at all).
func (l *Lab) Try(ctx context.Context, t Try) (Step, error) {
	if l.overQUIC {
		return l.TryQUIC(ctx, t)
	}
	c, step, err := l.Connect(ctx, t)
	if c == nil {
		return step, err
	}
	defer c.Close()
	if !l.overH2 {
		return c.Send(ctx, t)
	}
	if conn, ok := c.tls.(*tls.Conn); !ok || conn.ConnectionState().NegotiatedProtocol != overH2 {
		return step, fmt.Errorf("%s: %w", t.Name, errNoH2)
	}
	return c.sendH2(ctx, t)
}

// Connection is an attacker's open connection.
type Connection struct {
	tls      net.Conn // without TLS on the plaintext port
	reader   *bufio.Reader
	raw      *wire.Conn
	step     Step // what is known of every request on it
	patience time.Duration
	accepted bool // the origin has accepted the client's part of the handshake
	lab      *Lab
}

// Connect dials and shakes hands. Without a connection the step says how the
// origin refused, or the error says why nothing is proven.
func (l *Lab) Connect(ctx context.Context, t Try) (*Connection, Step, error) {
	if l.site != nil {
		t = l.site.adapted(t, l.of)
	}
	ctx, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	source := t.Source
	if !source.IsValid() {
		source = l.Attacker
	}
	step := Step{Name: t.Name, Stage: wire.StageTCP, Lacks: t.Lacks, Malformed: t.Malformed}
	target := l.port(t)
	if !target.IsValid() {
		return nil, step, fmt.Errorf("%s: the origin has no %s listener", t.Name, t.Side)
	}
	if target.Addr().Is6() {
		source = target.Addr()
	}
	raw, err := l.dialer(source).Dial(ctx, target)
	if l.server != "" && errors.Is(err, syscall.ECONNRESET) {
		// It closed what it had accepted before connect returned; the pulls
		// before and after show that it listens.
		step.Reason = refusal(step.Stage, err)
		return nil, step, nil
	}
	if err != nil {
		return nil, step, fmt.Errorf("%s: dialing from %s: %w", t.Name, source, err)
	}
	step.Local = netip.MustParseAddrPort(raw.LocalAddr().String())
	if t.Preface != "" {
		// A failed write says nothing: how the connection was closed is seen
		// at the next read.
		_, _ = io.WriteString(raw, t.Preface)
	}
	if t.Side == SidePlain {
		return &Connection{tls: raw, raw: raw, reader: bufio.NewReader(raw), step: step, patience: l.patience, lab: l}, step, nil
	}
	if t.SplitHello {
		raw.Conn = &splitter{Conn: raw.Conn}
	}
	conn, trace, err := wire.Handshake(ctx, raw, l.clientConfig(t))
	// The trace counts bytes: a close before the first one of the server shows
	// as EOF, as a reset or as a broken pipe, by chance.
	if trace != nil {
		step.Stage, step.Resumed = trace.Stage, trace.Resumed
	}
	if err == nil {
		state := conn.ConnectionState()
		step.seen.handshake(trace, state, l.shows(t))
		c := &Connection{tls: conn, raw: raw, reader: bufio.NewReader(conn), step: step, patience: l.patience, lab: l}
		c.accepted = state.Version < tls.VersionTLS13
		return c, step, nil
	}
	_ = raw.Close() // the refusal is what matters
	step.count(raw)
	if err := silence(ctx, err); err != nil {
		return nil, step, fmt.Errorf("%s: handshake: %w", t.Name, err)
	}
	step.Reason = refusal(step.Stage, err)
	return nil, step, nil
}

// refusal is what the client saw, without what differs from run to run.
func refusal(at wire.Stage, err error) string {
	op, broken := errors.AsType[*net.OpError](err)
	switch {
	case at == wire.StageTCP:
		return "closed before the origin's first byte"
	case broken && op.Op == "remote error":
		return op.Error()
	case broken || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return "closed without an answer"
	}
	return err.Error()
}

// clientConfig is the attacker's side of the handshake. An attacker does not
// care who the origin is. It forces its certificate: tls.Config.Certificates would send
// none where the origin does not advertise the certificate's authority, and
// every case of family C would become C01.
func (l *Lab) clientConfig(t Try) *tls.Config {
	base := &tls.Config{ServerName: t.ServerName, InsecureSkipVerify: true, ClientSessionCache: t.Sessions}
	if t.ServerName == "" && !t.NoSNI {
		base.ServerName = Host
	}
	profile := l.Profile
	profile.Resumption = t.Sessions != nil
	cfg := profile.Client(base)
	if l.overH2 {
		cfg.NextProtos = []string{overH2}
	}
	if t.OldTLS {
		cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	}
	if pair := l.shows(t); pair != nil {
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
	}
	return cfg
}

// shows is the certificate of a try; nil for none.
func (l *Lab) shows(t Try) *tls.Certificate {
	if t.shown != nil || t.Certificate == "" {
		return t.shown
	}
	pair := l.Material.clients[t.Certificate]
	return &pair
}

// Send writes the request of t and reads the answer.
func (c *Connection) Send(ctx context.Context, t Try) (Step, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	unblock := context.AfterFunc(ctx, func() { _ = c.tls.SetDeadline(time.Unix(1, 0)) })
	defer unblock()
	step := c.step
	step.Name = t.Name
	if c.lab.site != nil {
		t = c.lab.site.adapted(t, c.lab.of)
	}
	// A failed write says nothing yet: the alert that explains it may be
	// waiting to be read.
	_, wrote := c.tls.Write(render(t))
	answer, err := http.ReadResponse(c.reader, &http.Request{Method: t.Method})
	step.count(c.raw)
	if err != nil {
		return c.refused(ctx, step, errors.Join(err, wrote))
	}
	c.accepted, step.Stage = true, wire.StageHTTP
	step.Status, step.Proof = answer.StatusCode, answer.Header.Get(origin.ProofHeader)
	// Of what the body says only evidence is kept, because it may hold a secret.
	// It is read to its end, so that the connection can be used again.
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	err = errors.Join(err, answer.Body.Close())
	if c.lab.site != nil {
		step.Proof = ""
		if c.lab.site.protected(answer.StatusCode, answer.Header, body) {
			step.Proof = origin.ProtectedContent
		}
	}
	if step.Protected() && t.Seeks == "" {
		c.lab.keep(&step.seen, answer, body)
		return step, nil
	}
	if err != nil {
		return step, fmt.Errorf("%s: reading the answer: %w", t.Name, err)
	}
	step.Reason = answer.Status
	step.look(t, answer, body)
	if step.Leaked {
		c.lab.keep(&step.seen, answer, body)
	}
	return step, nil
}

// count notes the bytes of the connection so far.
func (s *Step) count(raw *wire.Conn) {
	counts := raw.Counts()
	s.sent, s.received = counts.Sent, counts.Received
}

// maxBody bounds what is read of an answer, in bytes.
const maxBody = 1 << 20

// look finds out what the answer gives away.
func (s *Step) look(t Try, answer *http.Response, body []byte) {
	if t.Seeks != "" {
		head := fmt.Sprint(answer.Header)
		s.Leaked = strings.Contains(head, t.Seeks) || bytes.Contains(body, []byte(t.Seeks))
		s.Kept, s.Proof = !s.Leaked, ""
	}
	if t.Routes {
		switch answer.StatusCode {
		case http.StatusBadRequest, http.StatusForbidden, http.StatusMisdirectedRequest:
		default:
			s.Leaked = true
		}
	}
}

// refused is the step when no answer came. Until the first answer a TLS 1.3
// client cannot know that its certificate was accepted.
func (c *Connection) refused(ctx context.Context, step Step, err error) (Step, error) {
	if err := silence(ctx, err); err != nil {
		return step, fmt.Errorf("%s: reading the answer: %w", step.Name, err)
	}
	if c.accepted {
		step.Stage = wire.StageHTTP
	}
	step.Reason = refusal(step.Stage, err)
	return step, nil
}

// Close closes the connection; the attempt does not care how.
func (c *Connection) Close() { _ = c.tls.Close() }

// render writes the request as t has it, without mending anything.
func render(t Try) []byte {
	host := t.Host
	if host == "" {
		host = Host
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s%s %s HTTP/1.1\r\nHost: %s\r\n", t.Inside, cmp.Or(t.Method, http.MethodGet), cmp.Or(t.Request, protectedPath), host)
	for _, h := range t.Header {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	if len(t.Trailer) > 0 {
		b.WriteString("Transfer-Encoding: chunked\r\n")
		for _, h := range t.Trailer {
			fmt.Fprintf(&b, "Trailer: %s\r\n", h[0])
		}
		b.WriteString("\r\n0\r\n")
		for _, h := range t.Trailer {
			fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
		}
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// splitter sends the first TLS record as two: whoever looks for the server
// name in one record finds none (CVE-2026-32305).
type splitter struct {
	net.Conn
	begun bool
}

// recordHeader is the length of a TLS record's header, in bytes.
const recordHeader = 5

func (s *splitter) Write(b []byte) (int, error) {
	if s.begun || len(b) < recordHeader+2 {
		return s.Conn.Write(b)
	}
	s.begun = true
	length := int(b[3])<<8 | int(b[4])
	if recordHeader+length > len(b) {
		return s.Conn.Write(b)
	}
	const first = 1
	var split []byte
	for _, part := range [][]byte{b[recordHeader : recordHeader+first], b[recordHeader+first : recordHeader+length]} {
		split = append(split, b[0], b[1], b[2], byte(len(part)>>8), byte(len(part)))
		split = append(split, part...)
	}
	if _, err := s.Conn.Write(append(split, b[recordHeader+length:]...)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// silence returns an error when err is no refusal: the time was up, or the
// run was stopped.
func silence(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return nil
}
