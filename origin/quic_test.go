package origin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/originpull/originpull/pki"
)

// openQUIC opens a door for datagrams from one address.
func (r *rig) openQUIC(from netip.Addr, serving *sync.WaitGroup) {
	r.t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	r.udp[from] = socket.LocalAddr()
	serving.Go(func() {
		if err := r.server.ServeQUIC(packetDoor{socket, from}); err != nil {
			r.t.Errorf("serve QUIC: %v", err)
		}
	})
}

// packetDoor says that its callers come from one address.
type packetDoor struct {
	net.PacketConn
	from netip.Addr
}

func (d packetDoor) ReadFrom(b []byte) (int, net.Addr, error) {
	n, addr, err := d.PacketConn.ReadFrom(b)
	if udp, ok := addr.(*net.UDPAddr); ok {
		addr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(d.from, udp.AddrPort().Port()))
	}
	return n, addr, err
}

func (d packetDoor) WriteTo(b []byte, addr net.Addr) (int, error) {
	port := addr.(*net.UDPAddr).AddrPort().Port()
	return d.PacketConn.WriteTo(b, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)))
}

// h3Session is an open QUIC connection of a caller.
type h3Session struct {
	caller caller
	quic   *quic.Conn
	conn   *http3.ClientConn
	peer   netip.AddrPort // as the origin sees it
	err    error
	close  func()
}

// giveUp is how long a caller over QUIC waits: a refused one hears nothing.
const giveUp = 500 * time.Millisecond

func (r *rig) openH3(c caller) *h3Session {
	r.t.Helper()
	if !c.from.IsValid() {
		c.from = attackerAddr
	}
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		r.t.Fatal(err)
	}
	return r.h3On(socket, c)
}

// h3On opens a connection from a socket, which it closes in the end.
func (r *rig) h3On(socket net.PacketConn, c caller) *h3Session {
	r.t.Helper()
	transport := &quic.Transport{Conn: socket}
	s := &h3Session{caller: c, peer: netip.AddrPortFrom(c.from, socket.LocalAddr().(*net.UDPAddr).AddrPort().Port())}
	s.close = sync.OnceFunc(func() {
		if s.quic != nil {
			_ = s.quic.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
		}
		if err := errors.Join(transport.Close(), socket.Close()); err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(s.close)
	cfg := r.clientTLS(c)
	cfg.NextProtos = []string{http3.NextProtoH3}
	ctx, cancel := context.WithTimeout(r.t.Context(), giveUp)
	defer cancel()
	dial := transport.Dial
	if c.early {
		dial = transport.DialEarly
	}
	if s.quic, s.err = dial(ctx, r.udp[c.from], cfg, nil); s.err == nil {
		s.conn = (&http3.Transport{}).NewClientConn(s.quic)
	}
	return s
}

func (s *h3Session) do(ctx context.Context) outcome {
	if s.err != nil {
		return outcome{err: s.err}
	}
	c := s.caller
	if c.host == "" {
		c.host = protectedHost
	}
	method, path, ok := strings.Cut(c.request, " ")
	if !ok {
		method, path = http.MethodGet, "/o/k"
	}
	ctx, cancel := context.WithTimeout(ctx, 10*giveUp)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "https://"+c.host+path, nil)
	if err != nil {
		return outcome{err: err}
	}
	if c.early {
		request.Method += "_0RTT"
	}
	for _, line := range c.header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Add(name, value)
	}
	response, err := s.conn.RoundTrip(request)
	if err != nil {
		return outcome{err: err}
	}
	body, err := io.ReadAll(response.Body)
	err = errors.Join(err, response.Body.Close())
	return outcome{
		status: response.StatusCode, proof: response.Header.Get(ProofHeader), body: string(body),
		resumed: s.quic.ConnectionState().TLS.DidResume, err: err,
	}
}

// callH3 opens, makes one request and closes.
func (r *rig) callH3(c caller) (outcome, netip.AddrPort) {
	r.t.Helper()
	s := r.openH3(c)
	o := s.do(r.t.Context())
	s.close()
	return o, s.peer
}

func overH3(r *rig, _ Policy, _ string) (outcome, netip.AddrPort) { return r.callH3(caller{}) }

// TestQUICIsGuardedLikeTCP: what each strategy refuses over TCP it refuses
// over QUIC, at the same stage and for the same proof.
func TestQUICIsGuardedLikeTCP(t *testing.T) {
	for _, test := range []struct {
		name, strategy string
		craft          func(*lab) caller
		stage          string
		proof          Proof
		status         int
	}{
		{"foreign address", Allowlist, headers(), StageTCP, Address, 0},
		{"forwarded address", Allowlist, headers("X-Forwarded-For: 127.0.1.7"), StageTCP, Address, 0},
		{"no secret", Header, headers(), StageHTTP, Secret, 403},
		{"two secrets", Header, headers("X-Origin-Verify: "+secretNow, "X-Origin-Verify: "+secretNow), StageHTTP, Secret, 403},
		{"no certificate", MTLS, headers(), StageTLS, Chain, 0},
		{"other authority", MTLS, flawed(pki.OtherAuthority), StageTLS, Chain, 0},
		{"expired", MTLS, flawed(pki.Expired), StageTLS, Validity, 0},
		{"server's usage", MTLS, flawed(pki.WrongUsage), StageTLS, Purpose, 0},
		{"another name", MTLS, flawed(pki.WrongName), StageTLS, Subject, 0},
		{"public SNI", MTLS, named(publicHost), StageHTTP, Authority, 421},
		{"revoked", MTLS, func(l *lab) caller {
			stolen := l.client(edgeURI, pki.NoFlaw)
			l.revoke(stolen)
			return caller{cert: stolen}
		}, StageTLS, Freshness, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			c := test.craft(l)
			r := l.start(l.config(policy(t, test.strategy)))
			o, peer := r.callH3(c)
			e := r.entry(peer)
			if o.status != test.status || o.proof != "" {
				t.Errorf("answer %+v, want status %d", o, test.status)
			}
			if e.Verdict != Refused || e.Stage != test.stage || e.Proof != test.proof.String() || e.Reason == "" || e.Protocol != "h3" {
				t.Errorf("audit %+v, want refused at %s for %s", e, test.stage, test.proof)
			}
		})
	}
}

func TestQUICAllowedEntry(t *testing.T) {
	l := newLab(t)
	r := l.start(l.config(policy(t, Allowlist, Header, MTLS)))
	o, peer := r.callH3(l.legitimate())
	if !o.served() || len(o.body) != 32 {
		t.Fatalf("%+v", o)
	}
	e := r.entry(peer)
	if e.Protocol != "h3" || e.TLS != "1.3" || e.Group != "x25519" || e.SNI != protectedHost || e.Host != protectedHost || e.SAN != edgeURI || e.Serial == "" || e.Status != 200 {
		t.Errorf("audit %+v", e)
	}
	r.stop()
	if c := r.server.Counts(); c.Accepted != 1 || c.Full != 1 || c.Requests != 1 || c.Bytes != 32 {
		t.Errorf("counts %+v", c)
	}
}

// TestQUICPooledConnectionMeetsTheNewPolicy: a connection outlives a policy.
func TestQUICPooledConnectionMeetsTheNewPolicy(t *testing.T) {
	l := newLab(t)
	p := policy(t, MTLS)
	r := l.start(l.config(p))
	s := r.openH3(l.legitimate())
	if o := s.do(t.Context()); !o.served() {
		t.Fatalf("%+v", o)
	}
	l.revoke(l.edge)
	r.reload(p, l.credentials())
	if o := s.do(t.Context()); o.status != http.StatusForbidden || o.proof != "" {
		t.Errorf("after revocation: %+v", o)
	}
	if e := r.entry(s.peer); e.Proof != Freshness.String() || e.Stage != StageHTTP {
		t.Errorf("audit %+v", e)
	}
	select {
	case <-s.quic.Context().Done():
	case <-time.After(10 * time.Second):
		t.Error("the connection of a revoked certificate stays open")
	}
}

// TestQUICShutdownEndsSilentConnections: one that never speaks HTTP/3 does not
// hold the server up.
func TestQUICShutdownEndsSilentConnections(t *testing.T) {
	l := newLab(t)
	r := l.start(l.config(policy(t)))
	s := r.openH3(caller{from: edgeAddr})
	if s.err != nil {
		t.Fatal(s.err)
	}
	idle := r.openH3(caller{from: edgeAddr})
	if o := idle.do(t.Context()); !o.served() {
		t.Fatalf("%+v", o)
	}
	began := time.Now()
	r.stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("shutdown took %s", took)
	}
	// The silent client has finished its handshake; whether the server has seen
	// the end of it before it was told to stop is a race, and Failed if not.
	if c := r.server.Counts(); c.Accepted != 2 || c.Full+c.Failed != 2 || c.Full < 1 || c.Ended() != c.Accepted {
		t.Errorf("counts %+v", c)
	}
}

// TestQUICRefusesAPlaintextOrigin and a chain that quic-go does not take.
func TestQUICRefusesAPlaintextOrigin(t *testing.T) {
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ServeQUIC(socket); err == nil || !strings.Contains(err.Error(), "QUIC needs TLS") {
		t.Errorf("error is %v", err)
	}
	if _, err := New(Config{Early: true}); err == nil || !strings.Contains(err.Error(), "0-RTT needs session tickets") {
		t.Errorf("error is %v", err)
	}
}

// TestQUICNamesTheLimitOfHandshakeBytes: quic-go ends a connection whose
// certificate chain is longer than 16 KiB.
func TestQUICNamesTheLimitOfHandshakeBytes(t *testing.T) {
	l := newLab(t)
	r := l.start(l.config(policy(t, MTLS)))
	long := *l.edge
	for len(long.CertPEM) < 24<<10 { // base64: 18 KiB and more of DER
		long.CertPEM = append(long.CertPEM[:len(long.CertPEM):len(long.CertPEM)], l.edge.CertPEM...)
	}
	o, peer := r.callH3(caller{from: edgeAddr, cert: &long})
	if e := r.entry(peer); o.err == nil || e.Stage != StageTLS || !strings.Contains(e.Reason, "more than the 16384 bytes of handshake that quic-go takes") {
		t.Errorf("%+v, audit %+v", o, e)
	}
}

func TestListenOpensOnePortTwice(t *testing.T) {
	listener, socket, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	tcp, udp := listener.Addr().(*net.TCPAddr).Port, socket.LocalAddr().(*net.UDPAddr).Port
	if tcp != udp || tcp == 0 {
		t.Errorf("TCP port %d, UDP port %d", tcp, udp)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	// A port that one of the two is taken on is an error that names it.
	if _, _, err := Listen(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(udp))); err == nil {
		t.Error("a taken UDP port was opened")
	}
}
