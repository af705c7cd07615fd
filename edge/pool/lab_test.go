package pool

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/wire"
)

const (
	rtt        = 100 * time.Millisecond
	originName = "origin.test"
)

var (
	modelled = netip.MustParseAddrPort("127.0.0.1:4433")
	loopback = netip.MustParseAddrPort("127.0.0.1:0")
)

// lab is an authority with a server and two clients under it.
type lab struct {
	server *tls.Config
	roots  *x509.CertPool
	client map[string]tls.Certificate
}

func newLab(t testing.TB) *lab {
	t.Helper()
	authority, err := pki.New(pki.Config{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{roots: x509.NewCertPool(), client: map[string]tls.Certificate{}}
	l.roots.AppendCertsFromPEM(authority.Roots())
	issue := func(name string, usage pki.Usage) tls.Certificate {
		issued, err := authority.Issue(pki.Request{Name: name, Usage: usage, DNSNames: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := issued.TLS()
		if err != nil {
			t.Fatal(err)
		}
		return certificate
	}
	for _, name := range []string{"one", "two"} {
		l.client[name] = issue(name, pki.ClientAuth)
	}
	l.server = &tls.Config{
		Certificates: []tls.Certificate{issue(originName, pki.ServerAuth)},
		ClientCAs:    l.roots, ClientAuth: tls.RequireAndVerifyClientCert,
	}
	return l
}

// target is at as that identity ("" has no certificate).
func (l *lab) target(at netip.AddrPort, identity string, profile wire.Profile) *Target {
	base := &tls.Config{RootCAs: l.roots}
	if identity != "" {
		base.Certificates = []tls.Certificate{l.client[identity]}
	}
	return &Target{Address: at, ServerName: originName, Identity: identity, TLS: profile.Client(base)}
}

// script is what a hand-made origin does with its n-th connection, n from 0.
type script func(n int, conn net.Conn)

// scripted runs an origin that follows s. Its end is waited for.
type scripted struct {
	at       netip.AddrPort
	listener net.Listener
	wg       sync.WaitGroup
	mu       sync.Mutex
	accepted int
}

func serve(t testing.TB, network wire.Network, at netip.AddrPort, s script) *scripted {
	t.Helper()
	listener, err := network.Listen(at)
	if err != nil {
		t.Fatal(err)
	}
	o := &scripted{listener: listener, at: listener.Addr().(*net.TCPAddr).AddrPort()}
	o.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			o.mu.Lock()
			n := o.accepted
			o.accepted++
			o.mu.Unlock()
			o.wg.Go(func() {
				s(n, conn)
				_ = conn.Close()
			})
		}
	})
	return o
}

func (o *scripted) stop(t testing.TB) {
	t.Helper()
	if err := o.listener.Close(); err != nil {
		t.Error(err)
	}
	o.wg.Wait()
}

func (o *scripted) connections() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return int64(o.accepted)
}

const small = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

// under wraps a script in TLS.
func under(cfg *tls.Config, s script) script {
	return func(n int, conn net.Conn) {
		c := tls.Server(conn, cfg)
		s(n, c)
		_ = c.Close()
	}
}

var smallBytes = []byte(small)

// always answers every request with the small response, and allocates nothing
// for it.
func always(_ int, conn net.Conn) {
	r := bufio.NewReader(conn)
	for readRequest(r) == nil {
		if _, err := conn.Write(smallBytes); err != nil {
			return
		}
	}
}

// readRequest reads a header and, for every request of this package's tests,
// thereby the request.
func readRequest(r *bufio.Reader) error {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			return nil
		}
	}
}

func newPool(t testing.TB, cfg Config) *Pool {
	t.Helper()
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var get = &Request{Method: "GET", Host: originName, Path: "/"}

// do makes a request that must succeed.
func do(t testing.TB, p *Pool, target *Target) Exchange {
	t.Helper()
	var resp Response
	x, err := p.Do(t.Context(), target, get, &resp)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Status != 200 || string(resp.Body) != "hello" || x.Failed != StageNone {
		t.Fatalf("status %d, body %q, failed %q", resp.Status, resp.Body, x.Failed)
	}
	return x
}

// done closes the pool and the origin and reconciles their counts.
func done(t testing.TB, p *Pool, o *scripted) Stats {
	t.Helper()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	s := p.Stats()
	o.stop(t)
	if got := o.connections(); s.Connects != got {
		t.Errorf("the origin accepted %d connections, the pool counts %d", got, s.Connects)
	}
	reconcile(t, s)
	return s
}

func reconcile(t testing.TB, s Stats) {
	t.Helper()
	if ends := s.Plain + s.HandshakesFull + s.HandshakesResumed + s.HandshakesFailed; s.Connects != ends {
		t.Errorf("%d connects, but %d ends of them: %+v", s.Connects, ends, s)
	}
	closed := int64(0)
	for _, n := range s.Closed {
		closed += n
	}
	if s.Connects != s.Open+closed {
		t.Errorf("%d connects, but %d open and %d closed: %+v", s.Connects, s.Open, closed, s)
	}
	if s.Open != 0 {
		t.Errorf("%d open after Close", s.Open)
	}
	if s.Dials < s.Connects || s.Requests-s.Reused > s.Connects || s.MaxOpen > s.Connects {
		t.Errorf("counts contradict each other: %+v", s)
	}
	if s.IdleClosed != s.Closed[ReasonIdle] {
		t.Errorf("idle: %d and %d", s.IdleClosed, s.Closed[ReasonIdle])
	}
}

// failed is what an exchange that must fail came to.
func failed(t testing.TB, x Exchange, err error, stage Stage) {
	t.Helper()
	if err == nil || x.Failed != stage || x.End.IsZero() {
		t.Errorf("error %v at stage %q instead of %q", err, x.Failed, stage)
	}
}
