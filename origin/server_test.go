package origin

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/wire"
)

func TestCountsAndAuditAreExact(t *testing.T) {
	for _, version := range []string{"1.2", "1.3"} {
		l := newLab(t)
		p := policy(t, Allowlist, MTLS)
		p.Allow = append(p.Allow, netip.MustParsePrefix("127.0.9.1/32"))
		r := l.start(l.config(p))
		edge := l.legitimate()
		edge.version, edge.sessions = version, tls.NewLRUClientSessionCache(1)
		s := r.open(edge) // full, 3 requests
		for range 3 {
			if o := s.do(); !o.served() || len(o.body) != 32 {
				t.Fatalf("%+v", o)
			}
		}
		_ = s.conn.Close()
		r.call(edge)                     // resumed, 1 request
		r.call(caller{version: version}) // failed: no certificate
		silent := r.open(caller{plain: true})
		_ = silent.conn.Close()                                      // no hello
		r.call(caller{plain: true})                                  // failed: plaintext
		half := r.open(caller{plain: true, preface: "\x16\x03\x01"}) // failed: half a record
		_ = half.conn.Close()
		r.entry(half.peer)
		p.Allow = p.Allow[:1]
		r.reload(p, l.credentials())
		r.call(caller{}) // refused
		r.stop()
		want := Counts{Accepted: 7, Refused: 1, Full: 1, Resumed: 1, Failed: 3, NoHello: 1, Requests: 4, Bytes: 4 * 32}
		if got := withoutBytes(t, r.server.Counts()); got != want {
			t.Errorf("%s: %+v, want %+v", version, got, want)
		}
		var lines []string
		for _, e := range r.audit.entries(t) {
			lines = append(lines, e.Verdict+" "+e.Stage+" "+e.Proof)
		}
		slices.Sort(lines) // connections are served side by side
		allowed := "allowed http "
		wantLines := []string{allowed, allowed, allowed, allowed, "refused tcp address", "refused tls ", "refused tls ", "refused tls chain"}
		if strings.Join(lines, "\n") != strings.Join(wantLines, "\n") {
			t.Errorf("%s: audit:\n%s\nwant:\n%s", version, strings.Join(lines, "\n"), strings.Join(wantLines, "\n"))
		}
	}
}

func TestEntryNamesTheCaller(t *testing.T) {
	l := newLab(t)
	r := l.start(l.config(policy(t, MTLS)))
	c := l.legitimate()
	c.version, c.request = "1.2", "GET /o/k?q=1"
	_, peer := r.call(c)
	e := r.entry(peer)
	if e.Time.IsZero() {
		t.Error("no time")
	}
	got := e
	got.Time = Entry{}.Time
	want := Entry{
		Peer: peer, Serial: pki.SerialText(l.edge.Leaf), SAN: edgeURI, TLS: "1.2", Group: "x25519",
		Verdict: Allowed, Stage: StageHTTP, SNI: protectedHost, Host: protectedHost, Path: "/o/k", Method: "GET", Status: 200,
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	refused := l.client(edgeURI, pki.Expired)
	_, peer = r.call(caller{cert: refused})
	e = r.entry(peer)
	if e.Serial != pki.SerialText(refused.Leaf) || e.SAN != edgeURI || e.SNI != protectedHost || e.TLS != "1.3" {
		t.Errorf("refused handshake: %+v", e)
	}
}

func TestAuditLevels(t *testing.T) {
	for level, want := range map[Level]int{"": 2, LevelAll: 2, LevelRefused: 1, LevelOff: 0} {
		l := newLab(t)
		cfg := l.config(policy(t, Header))
		cfg.AuditLevel = level
		r := l.start(cfg)
		r.call(l.legitimate())
		r.call(caller{})
		if got := len(r.audit.entries(t)); got != want {
			t.Errorf("level %q: %d entries, want %d", level, got, want)
		}
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestLostAuditLineIsReported(t *testing.T) {
	audit, err := NewAudit(fullDisk{}, LevelAll)
	if err != nil {
		t.Fatal(err)
	}
	audit.Record(&Entry{Verdict: Allowed})
	if err := audit.Err(); err == nil || err.Error() != "the audit log lost a line: disk full" {
		t.Errorf("%v", err)
	}
	l := newLab(t)
	cfg := l.config(policy(t))
	server, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server.audit = audit
	if err := server.Shutdown(t.Context()); err == nil {
		t.Error("Shutdown does not tell of the lost line")
	}
}

// TestNothingIsSentToARefusedAddress: a refused peer gets an end or a reset, and
// not one byte.
func TestNothingIsSentToARefusedAddress(t *testing.T) {
	l := newLab(t)
	r := l.start(l.config(policy(t, Allowlist)))
	for _, preface := range []string{"", "PROXY TCP4 127.0.1.1 127.0.0.1 1 443\r\n", "GET / HTTP/1.1\r\nHost: secret.test\r\n\r\n"} {
		s := r.open(caller{plain: true, preface: preface})
		received, _ := io.ReadAll(s.conn)
		if len(received) != 0 {
			t.Errorf("%q: received %q", preface, received)
		}
		if e := r.entry(s.peer); e.Stage != StageTCP || e.Proof != "address" {
			t.Errorf("%q: %+v", preface, e)
		}
	}
}

// TestPROXYPrefaceIsNoHello: from an allowed address a preface is just noise.
func TestPROXYPrefaceIsNoHello(t *testing.T) {
	l := newLab(t)
	c := l.legitimate()
	c.preface = "PROXY TCP4 127.0.1.7 127.0.0.1 4711 443\r\n"
	r := l.start(l.config(policy(t, Allowlist)))
	o, peer := r.call(c)
	if e := r.entry(peer); o.err == nil || e.Verdict != Refused || e.Stage != StageTLS || e.Proof != "" {
		t.Errorf("TLS: %+v, audit %+v", o, e)
	}

	cfg := l.config(policy(t, Allowlist))
	cfg.Certificate = ""
	r = l.start(cfg)
	c.plain = true
	o, peer = r.call(c)
	if e := r.entry(peer); o.status != 400 || o.proof != "" || e.Verdict != Refused || e.Stage != StageHTTP {
		t.Errorf("plaintext: %+v, audit %+v", o, e)
	}
}

func TestTrustedPrefaceStillDecides(t *testing.T) {
	l := newLab(t)
	p := policy(t, Allowlist)
	p.Mistake = "trust-proxy-header"
	r := l.start(l.config(p))
	for _, preface := range []string{"", "PROXY TCP4 127.0.9.7 127.0.0.1 1 443\r\n", "PROXY luck\r\n", "PROXY TCP4 luck 127.0.0.1 1 443\r\n", "PROXY " + strings.Repeat("x", 200)} {
		s := r.open(caller{preface: preface})
		if o := s.do(); o.err == nil {
			t.Errorf("%q: %+v", preface, o)
		}
		if e := r.entry(s.peer); e.Stage != StageTCP || e.Proof != "address" {
			t.Errorf("%q: %+v", preface, e)
		}
	}
	r.stop()
	if c := r.server.Counts(); c.Refused != 5 || c.Accepted != 5 {
		t.Errorf("%+v", c)
	}
}

func TestPlaintextOrigin(t *testing.T) {
	l := newLab(t)
	cfg := l.config(policy(t, Header))
	cfg.Certificate = ""
	r := l.start(cfg)
	c := l.legitimate()
	c.plain = true
	r.expect("the edge", c, want{200, StageHTTP, 0})
	r.expect("no secret", caller{plain: true}, want{403, StageHTTP, Secret})
	o, _ := r.call(caller{plain: true, host: publicHost})
	if o.proof != PublicContent {
		t.Errorf("public host: %+v", o)
	}
	silent := r.open(caller{plain: true})
	_ = silent.conn.Close()
	r.stop()
	if got, want := r.server.Counts(), (Counts{Accepted: 4, Plain: 4, Requests: 3, Denied: 1, Bytes: 64}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestUnreadableRequests: what http.Server answers by itself is on record too.
func TestUnreadableRequests(t *testing.T) {
	l := newLab(t)
	r := l.start(l.config(policy(t)))
	for _, test := range []struct {
		header []string
		status int
	}{
		{[]string{"Content-Length: 1", "Content-Length: 2"}, 400},
		{[]string{"Transfer-Encoding: xchunked"}, 501},
		{[]string{"Expect: luck"}, 417},
		{[]string{"Padding: " + strings.Repeat("x", 2*maxHeader)}, 431},
		{[]string{"No colon"}, 400},
		{[]string{"Host: public.test"}, 400},
	} {
		o, peer := r.call(caller{header: test.header})
		e := r.entry(peer)
		if o.status != test.status || o.proof != "" || e.Verdict != Refused || e.Stage != StageHTTP || !strings.HasPrefix(e.Reason, "the request could not be read") {
			t.Errorf("%.40q: %+v, audit %+v", test.header, o, e)
		}
	}
}

// TestUnreadableLaterRequest: the same behind a good request, in one segment.
func TestUnreadableLaterRequest(t *testing.T) {
	l := newLab(t)
	r := l.start(l.config(policy(t)))
	s := r.open(caller{header: []string{"", "luck luck", ""}})
	if o := s.do(); !o.served() {
		t.Fatalf("the good request: %+v", o)
	}
	rest, _ := io.ReadAll(s.reader)
	if !strings.HasPrefix(string(rest), "HTTP/1.1 400 ") {
		t.Errorf("received %q", rest)
	}
	if e := r.entry(s.peer); e.Verdict != Refused || e.Reason != unreadable.reason {
		t.Errorf("%+v", e)
	}
	r.stop()
	if got := len(r.audit.entries(t)); got != 2 {
		t.Errorf("%d entries, want 2", got)
	}
}

func TestObjects(t *testing.T) {
	l := newLab(t)
	cfg := l.config(policy(t))
	cfg.Response = Response{Size: 300_000, Status: 203, CacheControl: "max-age=60"}
	r := l.start(cfg)
	a, _ := r.call(caller{request: "GET /o/a"})
	again, _ := r.call(caller{request: "GET /o/a"})
	b, _ := r.call(caller{request: "GET /o/b"})
	head, _ := r.call(caller{request: "HEAD /o/a"})
	if a.status != 203 || len(a.body) != 300_000 || a.body != again.body || a.body == b.body || head.body != "" || head.status != 203 {
		t.Errorf("statuses %d %d, lengths %d %d %d %d", a.status, head.status, len(a.body), len(again.body), len(b.body), len(head.body))
	}
	for i := range len(a.body) - 1 {
		if (int(a.body[i])+1)%objectPeriod != int(a.body[i+1]) {
			t.Fatalf("byte %d is %d, the next %d", i, a.body[i], a.body[i+1])
		}
	}
	cfg.Response = Response{Status: 204}
	r = l.start(cfg)
	if o, _ := r.call(caller{}); o.status != 204 || o.body != "" || o.proof != ProtectedContent {
		t.Errorf("%+v", o)
	}
}

func TestKeyExchangeGroupIsPinned(t *testing.T) {
	for _, group := range []string{"", "x25519", "p256", "x25519mlkem768"} {
		l := newLab(t)
		cfg := l.config(policy(t))
		cfg.Group = group
		r := l.start(cfg)
		_, peer := r.call(caller{})
		if group == "" {
			group = "x25519"
		}
		if e := r.entry(peer); e.Group != group {
			t.Errorf("group %q, want %q", e.Group, group)
		}
	}
}

func TestTicketsOff(t *testing.T) {
	for _, version := range []string{"1.2", "1.3"} {
		l := newLab(t)
		cfg := l.config(policy(t, MTLS))
		cfg.Tickets = false
		r := l.start(cfg)
		c := caller{version: version, cert: l.edge, sessions: tls.NewLRUClientSessionCache(1)}
		for range 2 {
			if o, _ := r.call(c); !o.served() || o.resumed {
				t.Errorf("%s: %+v", version, o)
			}
		}
	}
}

func TestOldVersionsAreRefused(t *testing.T) {
	l := newLab(t)
	r := l.start(l.config(policy(t)))
	s := r.open(caller{plain: true})
	client := tls.Client(s.conn, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, ServerName: protectedHost})
	if err := client.Handshake(); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
	if e := r.entry(s.peer); e.Stage != StageTLS || e.Verdict != Refused {
		t.Errorf("%+v", e)
	}
}

// withoutBytes takes the bytes of handshakes out, which must be there.
func withoutBytes(t *testing.T, c Counts) Counts {
	t.Helper()
	if c.HandshakeReceived < 200 || c.HandshakeSent < 200 {
		t.Errorf("handshakes of %d bytes received and %d sent", c.HandshakeReceived, c.HandshakeSent)
	}
	c.HandshakeReceived, c.HandshakeSent = 0, 0
	return c
}

// TestHandshakeBytes compares what the two ends count beneath TLS: the client
// of each handshake, and the origin in total.
func TestHandshakeBytes(t *testing.T) {
	l := newLab(t)
	for _, version := range wire.Versions() {
		for _, resumption := range []bool{false, true} {
			r := l.start(l.config(policy(t, MTLS)))
			at := r.doors[edgeAddr].(*net.TCPAddr).AddrPort()
			profile := wire.Profile{Version: version, Group: "x25519", Resumption: resumption}
			cfg := profile.Client(r.clientTLS(caller{cert: l.edge, version: version}))
			var want Counts
			for i := range 3 {
				trace := onePull(t, at, cfg)
				want.HandshakeReceived += trace.Sent
				want.HandshakeSent += trace.Received
				if trace.Resumed != (resumption && i > 0) {
					t.Errorf("handshake %d: resumed %v", i, trace.Resumed)
				}
			}
			r.stop()
			got := r.server.Counts()
			if got.HandshakeReceived != want.HandshakeReceived || got.HandshakeSent != want.HandshakeSent {
				t.Errorf("TLS %s, resumption %v: the origin counts %d received and %d sent, the clients %d and %d", version, resumption,
					got.HandshakeReceived, got.HandshakeSent, want.HandshakeReceived, want.HandshakeSent)
			}
		}
	}
}

// onePull makes one measured connection and one request on it. The request
// leaves together with the end of the handshake, as far as that is possible.
func onePull(t *testing.T, at netip.AddrPort, cfg *tls.Config) *wire.Trace {
	t.Helper()
	c, err := wire.Dialer{}.Dial(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	conn, trace, err := wire.Handshake(t.Context(), c, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /o/k HTTP/1.1\r\nHost: "+protectedHost+"\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	trace.MarkFirstByte(c, time.Now())
	_ = conn.Close()
	return trace
}
