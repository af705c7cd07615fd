package origin

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/wire"
)

// bench is a real server under test.
type bench struct {
	*lab
	driver  Driver
	running *Running
	dialed  int64
	quic    bool // some of them over QUIC
}

// installed skips what is not here, loudly, and fails in CI.
func installed(t *testing.T, d Driver) Installed {
	t.Helper()
	found, err := d.Find(t.Context())
	switch {
	case err == nil && serversRun:
		return found
	case os.Getenv("CI") == "true":
		t.Fatalf("NOT RUN, and CI runs every server: %v", err)
	case err == nil:
		t.Skipf("NOT RUN: real servers are run on Linux only")
	default:
		t.Skipf("NOT RUN: %v", err)
	}
	return found
}

func (l *lab) bench(d Driver, change func(*Setup)) *bench {
	l.t.Helper()
	s := Setup{Baseline: true, Config: Config{
		Policy: Policy{Host: protectedHost}, Credentials: l.credentials(), Certificate: "server", Tickets: true,
		Response: Response{Size: 1000, CacheControl: "max-age=60"},
	}}
	if change != nil {
		change(&s)
	}
	running, err := d.Start(l.t.Context(), s)
	if err != nil {
		l.t.Fatal(err)
	}
	b := &bench{lab: l, driver: d, running: running}
	l.t.Cleanup(func() { b.stop() })
	return b
}

func (b *bench) stop() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.t.Context()), 20*time.Second)
	defer cancel()
	if err := b.running.Stop(ctx); err != nil {
		b.t.Error(err)
	}
}

// hear waits until the server has written of every connection: the end of a
// QUIC connection is a datagram, which it must hear of before it stops.
func (b *bench) hear() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		counts, err := b.running.Counts(ctx)
		if err != nil || counts.Ended() >= b.dialed {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// counts stops the server: only then everything is in them.
func (b *bench) counts() Counts {
	b.t.Helper()
	if b.quic {
		b.hear()
	}
	b.stop()
	counts, err := b.running.Counts(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	if counts.Accepted != b.dialed || counts.Ended() != b.dialed {
		b.t.Errorf("%d connections were made: %+v", b.dialed, counts)
	}
	return counts
}

// pull is one request of the tool's own client on a connection of its own.
type pull struct {
	version  string
	group    string
	p384     bool // the certificates are on that curve
	cert     *pki.Certificate
	sessions tls.ClientSessionCache
	plain    bool
	source   netip.Addr
	host     string
	sni      string // over HTTP/3; "" is the protected host
	path     string
	header   string
	idle     bool // closes after the handshake, before a request
}

type pulled struct {
	status int
	head   string
	body   []byte
	trace  *wire.Trace
	err    error
	peer   netip.AddrPort
	leaf   *x509.Certificate
}

// has compares a line of the header without regard to case: HAProxy writes
// names in lower case.
func (out pulled) has(name, value string) bool {
	return strings.Contains(strings.ToLower(out.head), "\r\n"+strings.ToLower(name+": "+value)+"\r\n")
}

func (out pulled) served() bool {
	return out.err == nil && out.status == 200 && out.has(ProofHeader, ProtectedContent)
}

func (b *bench) pull(p pull) (out pulled) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	target := b.running.Address()
	if p.plain {
		target = b.running.PlainAddress()
	}
	conn, err := wire.Dialer{Source: p.source}.Dial(ctx, target)
	b.dialed++
	if err != nil { // reset before the connect was noticed
		out.err = err
		return out
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		b.t.Fatal(err)
	}
	out.peer = conn.LocalAddr().(*net.TCPAddr).AddrPort()
	var stream io.ReadWriter = conn
	if p.plain {
		out.trace = wire.Plain(conn)
	} else {
		var client *tls.Conn
		client, out.trace, out.err = wire.Handshake(ctx, conn, b.clientTLS(p))
		if out.err != nil {
			return out
		}
		out.leaf = client.ConnectionState().PeerCertificates[0]
		stream = client
	}
	if p.idle {
		return out
	}
	out.request(stream, p)
	out.trace.MarkFirstByte(conn, time.Now())
	return out
}

func (out *pulled) request(stream io.ReadWriter, p pull) {
	host, path := protectedHost, "/o/k"
	if p.host != "" {
		host = p.host
	}
	if p.path != "" {
		path = p.path
	}
	// A failed write is seen again by the read.
	_, _ = io.WriteString(stream, "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n"+p.header+"\r\n")
	reply, err := io.ReadAll(stream)
	head, body, whole := bytes.Cut(reply, []byte("\r\n\r\n"))
	if !whole {
		out.err = errors.Join(err, io.ErrUnexpectedEOF)
		return
	}
	out.head, out.body = string(head)+"\r\n", body
	if len(out.head) > 12 {
		out.status = int(out.head[9]-'0')*100 + int(out.head[10]-'0')*10 + int(out.head[11]-'0')
	}
}

func (b *bench) clientTLS(p pull) *tls.Config {
	b.t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(b.authority.Roots())
	profile := wire.Profile{Version: "1.3", Group: "x25519", Resumption: p.sessions != nil, P384: p.p384}
	if p.version != "" {
		profile.Version = p.version
	}
	if p.group != "" {
		profile.Group = p.group
	}
	cfg := profile.Client(&tls.Config{RootCAs: roots, ServerName: protectedHost, ClientSessionCache: p.sessions})
	if p.cert != nil {
		pair, err := p.cert.TLS()
		if err != nil {
			b.t.Fatal(err)
		}
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return cfg
}

// everyServer runs a test on each server that is here.
func everyServer(t *testing.T, test func(t *testing.T, d Driver)) {
	for _, d := range Drivers() {
		t.Run(d.Name, func(t *testing.T) {
			found := installed(t, d)
			t.Logf("%s %s, %s, %s", d.Name, found.Version, found.TLS, found.Path)
			test(t, d)
		})
	}
}

func mutual(s *Setup) {
	p, err := NewPolicy(protectedHost, []string{MTLS}, Settings{ClientRoots: "roots", Pin: PinNone})
	if err != nil {
		panic(err)
	}
	s.Config.Policy = p
}

func TestServersServe(t *testing.T) {
	everyServer(t, func(t *testing.T, d Driver) {
		l := newLab(t)
		b := l.bench(d, nil)
		dir := b.running.dir
		for _, p := range []pull{{version: "1.2"}, {version: "1.3"}, {plain: true}} {
			got := b.pull(p)
			if !got.served() || len(got.body) != 1000 || !got.has("Cache-Control", "max-age=60") {
				t.Errorf("%+v: %v, status %d, %d bytes:\n%s", p, got.err, got.status, len(got.body), got.head)
				continue
			}
			if p.plain {
				continue
			}
			if !got.leaf.Equal(l.server.Leaf) {
				t.Errorf("%+v: served with the certificate of %q", p, got.leaf.Subject)
			}
			// The client's first choice everywhere, or servers could not be compared.
			if !strings.HasSuffix(got.trace.Cipher, "_AES_128_GCM_SHA256") {
				t.Errorf("%+v: cipher %s", p, got.trace.Cipher)
			}
			if turns, _ := wire.Turns(p.version, false); got.trace.Turns != turns || got.trace.Version != p.version || got.trace.Group != "x25519" {
				t.Errorf("%+v: trace %+v, want %d turns", p, got.trace, turns)
			}
		}
		pids, err := b.running.Pids()
		if err != nil || len(pids) == 0 {
			t.Errorf("pids %v, %v", pids, err)
		}
		want := Counts{Accepted: 3, Plain: 1, Full: 2, Requests: 3, Bytes: 3000}
		if got := b.counts(); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
		if left, err := groupPids(pids[0]); err != nil || len(left) != 0 {
			t.Errorf("processes %v are left, %v", left, err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("folder %s is left: %v", filepath.Base(dir), err)
		}
	})
}
