package origin

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/originpull/originpull/pki"
)

const (
	protectedHost = "secret.test"
	publicHost    = "public.test"
	edgeURI       = "spiffe://lab/edge"
	secretNow     = "current-secret"
	secretBefore  = "previous-secret"
)

var (
	edgeAddr     = netip.MustParseAddr("127.0.1.1")
	attackerAddr = netip.MustParseAddr("127.0.9.1")
	// publicAuthority stands in for the authorities that a system trusts.
	publicAuthority *pki.Authority
)

// TestMain sets the system's roots before anything reads them: crypto/x509
// loads them once.
func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "origin-roots")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if publicAuthority, err = pki.New(pki.Config{Name: "public authority"}); err != nil {
		panic(err)
	}
	file := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(file, publicAuthority.Roots(), 0o600); err != nil {
		panic(err)
	}
	for name, value := range map[string]string{"SSL_CERT_FILE": file, "SSL_CERT_DIR": dir} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	return m.Run()
}

// hasSystemRoots says whether SSL_CERT_FILE sets the system's roots here.
func hasSystemRoots() bool { return runtime.GOOS == "linux" }

// lab is one authority and what it issued.
type lab struct {
	t         *testing.T
	authority *pki.Authority
	edge      *pki.Certificate
	server    *pki.Certificate
}

func newLab(t *testing.T) *lab {
	t.Helper()
	authority, err := pki.New(pki.Config{Intermediates: 1})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, authority: authority}
	l.server = l.issue(pki.Request{Name: "origin", Usage: pki.ServerAuth, DNSNames: []string{protectedHost, publicHost}})
	l.edge = l.client(edgeURI, pki.NoFlaw)
	return l
}

func (l *lab) issue(r pki.Request) *pki.Certificate {
	l.t.Helper()
	c, err := l.authority.Issue(r)
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

func (l *lab) client(uri string, flaw pki.Flaw) *pki.Certificate {
	l.t.Helper()
	return l.issue(pki.Request{Name: "edge", Usage: pki.ClientAuth, URIs: []string{uri}, Flaw: flaw})
}

func (l *lab) revoke(c *pki.Certificate) {
	l.t.Helper()
	if err := l.authority.Revoke(c); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) credentials() pki.Credentials {
	l.t.Helper()
	list, err := l.authority.RevocationList()
	if err != nil {
		l.t.Fatal(err)
	}
	return pki.Credentials{
		Certificates:    map[string]pki.KeyPair{"server": l.server.KeyPair()},
		Roots:           map[string]string{"roots": string(l.authority.Roots())},
		RevocationLists: map[string]string{"revoked": string(list)},
		Secrets:         map[string]string{"now": secretNow, "before": secretBefore},
	}
}

// policy is a correct one of the given strategies.
func policy(t *testing.T, strategies ...string) Policy {
	t.Helper()
	p, err := NewPolicy(protectedHost, strategies, Settings{
		EdgeAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.1.0/24")},
		SecretHeader:  "X-Origin-Verify", Secret: "now",
		ClientRoots: "roots", RevocationList: "revoked", Pin: PinSAN, PinValue: edgeURI,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.PublicHosts = []string{publicHost}
	return p
}

// rig is a running origin with two doors: one listener for each address that
// callers come from, so that no test needs more than 127.0.0.1.
type rig struct {
	t      *testing.T
	lab    *lab
	server *Server
	audit  *auditBuffer
	doors  map[netip.Addr]net.Addr
	udp    map[netip.Addr]net.Addr // likewise, for QUIC
	stop   func()
}

// auditBuffer is a log in memory that can be read while it is written.
type auditBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (a *auditBuffer) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.b.Write(b)
}

func (a *auditBuffer) entries(t *testing.T) []Entry {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	entries, err := ReadAudit(bytes.NewReader(a.b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func (l *lab) config(p Policy) Config {
	return Config{Policy: p, Credentials: l.credentials(), Certificate: "server", Tickets: true, Response: Response{Size: 32}}
}

func (l *lab) start(cfg Config) *rig {
	l.t.Helper()
	r := &rig{t: l.t, lab: l, audit: &auditBuffer{}, doors: map[netip.Addr]net.Addr{}, udp: map[netip.Addr]net.Addr{}}
	cfg.Audit = r.audit
	server, err := New(cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	r.server = server
	var serving sync.WaitGroup
	for _, from := range []netip.Addr{edgeAddr, attackerAddr} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			l.t.Fatal(err)
		}
		r.doors[from] = listener.Addr()
		if cfg.Certificate != "" {
			r.openQUIC(from, &serving)
		}
		serving.Go(func() {
			if err := server.Serve(door{listener, from}); err != nil {
				l.t.Errorf("serve: %v", err)
			}
		})
	}
	r.stop = sync.OnceFunc(func() {
		if err := server.Shutdown(l.t.Context()); err != nil && l.t.Context().Err() == nil {
			l.t.Errorf("shutdown: %v", err)
		}
		serving.Wait()
	})
	l.t.Cleanup(func() {
		r.stop()
		if c := server.Counts(); c.Accepted != c.Ended() {
			l.t.Errorf("counts do not reconcile: %+v", c)
		}
	})
	return r
}

func (r *rig) reload(p Policy, c pki.Credentials) {
	r.t.Helper()
	if err := r.server.Reload(p, c); err != nil {
		r.t.Fatal(err)
	}
}

// door says that its callers come from one address.
type door struct {
	net.Listener
	from netip.Addr
}

func (d door) Accept() (net.Conn, error) {
	c, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp := c.(*net.TCPConn)
	port := tcp.RemoteAddr().(*net.TCPAddr).AddrPort().Port()
	return visitor{tcp, net.TCPAddrFromAddrPort(netip.AddrPortFrom(d.from, port))}, nil
}

type visitor struct {
	*net.TCPConn
	addr net.Addr
}

func (v visitor) RemoteAddr() net.Addr { return v.addr }

// caller is one way to call an origin. The zero value comes from the attacker's
// address with SNI and Host right, and nothing else to show.
type caller struct {
	from     netip.Addr
	plain    bool
	early    bool   // over HTTP/3: in 0-RTT
	version  string // "1.2" or "1.3"; "" is 1.3
	sni      string // "-" for none
	host     string
	cert     *pki.Certificate
	sessions tls.ClientSessionCache
	header   []string // "Name: value"
	request  string   // first line without version; "" is GET /o/k
	preface  string   // sent before anything else
	alpn     []string
}

// outcome is what came back.
type outcome struct {
	status  int
	proof   string
	body    string
	resumed bool
	closed  bool // the response said so
	err     error
}

func (o outcome) served() bool { return o.err == nil && o.status == 200 && o.proof == ProtectedContent }

// session is an open connection of a caller.
type session struct {
	caller caller
	conn   net.Conn
	reader *bufio.Reader
	peer   netip.AddrPort // as the origin sees it
	err    error
}

func (r *rig) open(c caller) *session {
	r.t.Helper()
	if !c.from.IsValid() {
		c.from = attackerAddr
	}
	raw, err := net.Dial("tcp", r.doors[c.from].String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = raw.Close() })
	return r.on(raw, c)
}

// on makes a session of a connection.
func (r *rig) on(raw net.Conn, c caller) *session {
	r.t.Helper()
	if err := raw.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
	local := raw.LocalAddr().(*net.TCPAddr).AddrPort()
	s := &session{caller: c, conn: raw, peer: netip.AddrPortFrom(c.from, local.Port())}
	if c.preface != "" {
		_, s.err = io.WriteString(raw, c.preface)
	}
	if !c.plain {
		client := tls.Client(raw, r.clientTLS(c))
		s.conn = client
		if s.err == nil {
			s.err = client.Handshake()
		}
	}
	s.reader = bufio.NewReader(s.conn)
	return s
}

func (r *rig) clientTLS(c caller) *tls.Config {
	r.t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.lab.authority.Roots())
	cfg := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13, ClientSessionCache: c.sessions, NextProtos: c.alpn}
	if c.version == "1.2" {
		cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	}
	switch c.sni {
	case "":
		cfg.ServerName = protectedHost
	default:
		// Whoever lies about the name does not care what the origin is called.
		cfg.InsecureSkipVerify = true
		cfg.ServerName = strings.TrimPrefix(c.sni, "-")
	}
	if c.cert != nil {
		pair, err := c.cert.TLS()
		if err != nil {
			r.t.Fatal(err)
		}
		// Certificates would be held back from an origin that does not name
		// their authority.
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return cfg
}

// do makes one request. Errors of the transport are outcomes: TLS 1.3 tells a
// client that its certificate was refused at the first read.
func (s *session) do() outcome {
	if s.err != nil {
		return outcome{err: s.err}
	}
	c := s.caller
	if c.request == "" {
		c.request = "GET /o/k"
	}
	if c.host == "" {
		c.host = protectedHost
	}
	text := c.request + " HTTP/1.1\r\nHost: " + c.host + "\r\n"
	for _, line := range c.header {
		text += line + "\r\n"
	}
	// A failed write is seen again by the read.
	_, _ = io.WriteString(s.conn, text+"\r\n")
	method, _, _ := strings.Cut(c.request, " ")
	response, err := http.ReadResponse(s.reader, &http.Request{Method: method})
	if err != nil {
		return outcome{err: err}
	}
	body, err := io.ReadAll(response.Body)
	err = errors.Join(err, response.Body.Close())
	o := outcome{status: response.StatusCode, proof: response.Header.Get(ProofHeader), body: string(body), closed: response.Close, err: err}
	if client, ok := s.conn.(*tls.Conn); ok {
		o.resumed = client.ConnectionState().DidResume
	}
	return o
}

// call opens, makes one request and closes.
func (r *rig) call(c caller) (outcome, netip.AddrPort) {
	r.t.Helper()
	s := r.open(c)
	o := s.do()
	_ = s.conn.Close()
	return o, s.peer
}

// edge is the legitimate caller under every strategy.
func (l *lab) legitimate() caller {
	return caller{from: edgeAddr, cert: l.edge, header: []string{"X-Origin-Verify: " + secretNow}}
}

// entry waits for the last audit line of a peer.
func (r *rig) entry(peer netip.AddrPort) Entry {
	r.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		entries := r.audit.entries(r.t)
		for i := len(entries) - 1; i >= 0; i-- {
			if entries[i].Peer == peer {
				return entries[i]
			}
		}
		runtime.Gosched()
	}
	r.t.Fatalf("no audit entry of %s", peer)
	return Entry{}
}
