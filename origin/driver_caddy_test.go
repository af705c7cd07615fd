package origin

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/wire"
)

// pullH3 is pull over QUIC; early sends the request in 0-RTT where the session
// allows it.
func (b *bench) pullH3(p pull, early bool) (out pulled, used bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	packets, err := wire.Dialer{}.OpenPackets(ctx, b.running.Address())
	if err != nil {
		b.t.Fatal(err)
	}
	cfg := b.clientTLS(p)
	cfg.NextProtos = []string{http3.NextProtoH3}
	if p.sni != "" {
		cfg.ServerName, cfg.InsecureSkipVerify = p.sni, true
	}
	b.dialed, b.quic = b.dialed+1, true
	q, trace, err := wire.HandshakeQUIC(ctx, packets, wire.QUICConfig{Target: b.running.Address(), TLS: cfg, Early: early})
	if err != nil {
		return pulled{err: err}, false
	}
	defer func() { _ = q.Close(uint64(http3.ErrCodeNoError)) }()
	out.trace = trace
	host, method := protectedHost, http.MethodGet
	if p.host != "" {
		host = p.host
	}
	if early {
		method = http3.MethodGet0RTT
	}
	request, err := http.NewRequestWithContext(ctx, method, "https://"+host+"/o/k", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if name, value, ok := strings.Cut(p.header, ": "); ok {
		request.Header.Set(name, value)
	}
	response, err := (&http3.Transport{}).NewClientConn(q.Conn).RoundTrip(request)
	if err != nil {
		return pulled{err: err}, false
	}
	out.body, out.err = io.ReadAll(response.Body)
	_ = response.Body.Close() // it has been read
	q.MarkFirstByte(trace, time.Now())
	out.status = response.StatusCode
	out.head = "\r\n" + ProofHeader + ": " + response.Header.Get(ProofHeader) + "\r\n"
	return out, q.ConnectionState().Used0RTT
}

// TestCaddyServesHTTP3: full, resumed and 0-RTT handshakes, each with mTLS
// too, and every connection is in the counts.
func TestCaddyServesHTTP3(t *testing.T) {
	d, _ := DriverNamed("caddy")
	installed(t, d)
	for _, mtls := range []bool{false, true} {
		l := newLab(t)
		b := l.bench(d, func(s *Setup) {
			if mtls {
				mutual(s)
			}
			s.Protocol = ProtocolH3
		})
		sessions := tls.NewLRUClientSessionCache(4)
		for i, test := range []struct {
			early, resumed bool
			turns          int
		}{{false, false, 1}, {false, true, 1}, {true, true, 0}, {true, true, 0}} {
			if test.early && underRace {
				test.early, test.turns = false, 1
			}
			got, used := b.pullH3(pull{cert: l.edge, sessions: sessions}, test.early)
			if !got.served() || len(got.body) != 1000 {
				t.Fatalf("mTLS %t, %d: %v, status %d", mtls, i, got.err, got.status)
			}
			tr := got.trace
			if tr.FirstByte > 150*time.Millisecond {
				// Slower than QUIC's probe timeout: packets were sent again, and a
				// turn made of it.
				test.turns, tr.FirstByteTurns = tr.Turns, tr.Turns+1
			}
			if used != test.early || tr.Resumed != test.resumed || tr.Turns != test.turns || tr.FirstByteTurns != test.turns+1 || tr.Group != "x25519" {
				t.Errorf("mTLS %t, %d: 0-RTT %t, trace %+v", mtls, i, used, tr)
			}
		}
		if got := b.pull(pull{version: "1.3", cert: l.edge}); !got.served() {
			t.Errorf("over TCP beside it: %v, status %d", got.err, got.status)
		}
		want := Counts{Accepted: 5, Untold: 4, Full: 1, Requests: 5, Bytes: 5000}
		if got := b.counts(); got != want {
			t.Errorf("mTLS %t: counts %+v, want %+v", mtls, got, want)
		}
	}
}

// TestCaddyHTTP3IsNoWeaker than its TCP side: certificate, server name, host
// and secret are asked for.
func TestCaddyHTTP3IsNoWeaker(t *testing.T) {
	d, _ := DriverNamed("caddy")
	installed(t, d)
	l := newLab(t)
	b := l.bench(d, func(s *Setup) {
		p, err := NewPolicy(protectedHost, []string{MTLS, Header}, Settings{
			ClientRoots: "roots", Pin: PinNone, SecretHeader: "X-Origin-Verify", Secret: "now",
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Config.Policy, s.Protocol = p, ProtocolH3
	})
	right := "X-Origin-Verify: " + secretNow
	for _, test := range []struct {
		name   string
		p      pull
		status int // 0: the connection is refused
	}{
		{"all right", pull{cert: l.edge, header: right}, 200},
		{"no certificate", pull{header: right}, 0},
		{"another authority's", pull{cert: l.client(edgeURI, pki.OtherAuthority), header: right}, 0},
		{"expired", pull{cert: l.client(edgeURI, pki.Expired), header: right}, 0},
		{"another server name", pull{cert: l.edge, header: right, sni: publicHost}, 0},
		{"another host", pull{cert: l.edge, header: right, host: publicHost}, 421},
		{"no secret", pull{cert: l.edge}, 403},
		{"wrong secret", pull{cert: l.edge, header: "X-Origin-Verify: x"}, 403},
	} {
		got, _ := b.pullH3(test.p, false)
		if got.status != test.status || (got.err != nil) != (test.status == 0) || got.served() != (test.status == 200) {
			t.Errorf("%s: %v, status %d, want %d", test.name, got.err, got.status, test.status)
		}
	}
	b.counts()
}

// TestHTTP3IsRefusedByName before a server starts.
func TestHTTP3IsRefusedByName(t *testing.T) {
	for name, want := range map[string]string{"nginx": "HTTP/3 is not written", "haproxy": "HTTP/3 is not written", "apache": "HTTP/3 is not written", "caddy": "cannot pin subject"} {
		d, _ := DriverNamed(name)
		s := Setup{Protocol: ProtocolH3, Config: Config{Certificate: "server", Policy: Policy{
			Host: protectedHost, Strategies: []string{MTLS}, Pin: PinSubject, PinValue: "CN=edge",
		}}}
		if err := d.Check(Installed{Version: "2.6.2"}, s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v lacks %q", name, err, want)
		}
	}
	d, _ := DriverNamed("caddy")
	s := Setup{Protocol: ProtocolH3, Config: Config{Certificate: "server"}}
	if err := d.Check(Installed{Version: "2.6.2"}, s); err == nil || !strings.Contains(err.Error(), "name of the protected host") {
		t.Errorf("without a host: %v", err)
	}
}
