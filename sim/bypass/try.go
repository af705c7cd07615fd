package bypass

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
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
	Preface     string                 // sent before the TLS handshake
	ServerName  string                 // SNI as it is written; "" = Host, see NoSNI
	NoSNI       bool                   // send none
	Certificate string                 // name in the material, "" = none
	Sessions    tls.ClientSessionCache // nil: full handshakes only
	Host        string                 // "" = Host
	Header      [][2]string            // in order, duplicates allowed
	Lacks       origin.Proof           // beyond what the attempt lacks
	Malformed   bool                   // see Step
}

// protectedPath is an object of the built-in origin.
const protectedPath = "/o/bypass"

// Try makes the connection, sends the request once and closes. A refusal is
// a Step; the error means that the step proves nothing (a timeout, or no
// connection at all).
func (l *Lab) Try(ctx context.Context, t Try) (Step, error) {
	c, step, err := l.Connect(ctx, t)
	if c == nil {
		return step, err
	}
	defer c.Close()
	return c.Send(ctx, t)
}

// Connection is an attacker's open connection.
type Connection struct {
	tls      *tls.Conn
	reader   *bufio.Reader
	step     Step // what is known of every request on it
	patience time.Duration
	accepted bool // the origin has accepted the client's part of the handshake
}

// Connect dials and shakes hands. Without a connection the step says how the
// origin refused, or the error says why nothing is proven.
func (l *Lab) Connect(ctx context.Context, t Try) (*Connection, Step, error) {
	ctx, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	source := t.Source
	if !source.IsValid() {
		source = l.Attacker
	}
	step := Step{Name: t.Name, Stage: wire.StageTCP, Lacks: t.Lacks, Malformed: t.Malformed}
	raw, err := wire.Dialer{Source: source, Timeout: l.patience}.Dial(ctx, l.Target)
	if err != nil {
		return nil, step, fmt.Errorf("%s: dialing from %s: %w", t.Name, source, err)
	}
	step.Local = netip.MustParseAddrPort(raw.LocalAddr().String())
	if t.Preface != "" {
		// A failed write says nothing: how the connection was closed is seen
		// at the next read.
		_, _ = io.WriteString(raw, t.Preface)
	}
	conn, trace, err := wire.Handshake(ctx, raw, l.clientConfig(t))
	// The trace counts bytes: a close before the first one of the server shows
	// as EOF, as a reset or as a broken pipe, by chance.
	if trace != nil {
		step.Stage, step.Resumed = trace.Stage, trace.Resumed
	}
	if err == nil {
		c := &Connection{tls: conn, reader: bufio.NewReader(conn), step: step, patience: l.patience}
		c.accepted = conn.ConnectionState().Version < tls.VersionTLS13
		return c, step, nil
	}
	_ = raw.Close() // the refusal is what matters
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
	if t.Certificate != "" {
		pair := l.Material.clients[t.Certificate]
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return cfg
}

// Send writes the request of t and reads the answer.
func (c *Connection) Send(ctx context.Context, t Try) (Step, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	unblock := context.AfterFunc(ctx, func() { _ = c.tls.SetDeadline(time.Unix(1, 0)) })
	defer unblock()
	step := c.step
	step.Name = t.Name
	// A failed write says nothing yet: the alert that explains it may be
	// waiting to be read.
	_, wrote := c.tls.Write(render(t))
	answer, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return c.refused(ctx, step, errors.Join(err, wrote))
	}
	c.accepted, step.Stage = true, wire.StageHTTP
	step.Status, step.Proof = answer.StatusCode, answer.Header.Get(origin.ProofHeader)
	// Close reads the body to its end, so that the connection can be used
	// again. What the body says is kept nowhere: it may hold a secret.
	err = answer.Body.Close()
	if step.Protected() {
		return step, nil
	}
	if err != nil {
		return step, fmt.Errorf("%s: reading the answer: %w", t.Name, err)
	}
	step.Reason = answer.Status
	return step, nil
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
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\n", protectedPath, host)
	for _, h := range t.Header {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	return b.Bytes()
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
