package origin

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// h2Over is a client of HTTP/2 on one connection that is open already; it
// never dials.
func h2Over(t *testing.T, conn net.Conn) *http.ClientConn {
	t.Helper()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{
		Protocols:   &protocols,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
	}
	client, err := transport.NewClientConn(t.Context(), "http", "origin:80")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// getH2 makes one request; the scheme is that of the transport's trick.
func getH2(t *testing.T, client *http.ClientConn, host string, header ...string) outcome {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://origin/o/k", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Add(name, value)
	}
	response, err := client.RoundTrip(request)
	if err != nil {
		return outcome{err: err}
	}
	body, err := io.ReadAll(response.Body)
	err = errors.Join(err, response.Body.Close())
	return outcome{status: response.StatusCode, proof: response.Header.Get(ProofHeader), body: string(body), err: err}
}

func closeH2(t *testing.T, client *http.ClientConn) {
	t.Helper()
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}

// offer opens a TLS connection of a caller that offers the protocols.
func (r *rig) offer(c caller, protocols ...string) *session {
	r.t.Helper()
	c.alpn = protocols
	s := r.open(c)
	if s.err != nil {
		r.t.Fatal(s.err)
	}
	return s
}

// TestH2HasTheSameGuard makes several requests at once on one connection: each
// is decided, counted and written down by itself.
func TestH2HasTheSameGuard(t *testing.T) {
	for _, version := range []string{"1.2", "1.3"} {
		t.Run(version, func(t *testing.T) {
			l := newLab(t)
			r := l.start(l.config(policy(t, MTLS, Header)))
			c := l.legitimate()
			c.version = version
			s := r.offer(c, "h2", "http/1.1")
			if got := s.conn.(*tls.Conn).ConnectionState().NegotiatedProtocol; got != "h2" {
				t.Fatalf("negotiated %q", got)
			}
			client := h2Over(t, s.conn)
			right := "X-Origin-Verify: " + secretNow
			var asking sync.WaitGroup
			for range 20 {
				asking.Go(func() {
					if o := getH2(t, client, protectedHost, right); !o.served() || len(o.body) != 32 {
						t.Errorf("served: %+v", o)
					}
					if o := getH2(t, client, protectedHost, "X-Origin-Verify: wrong"); o.status != 403 || o.proof != "" {
						t.Errorf("wrong secret: %+v", o)
					}
					if o := getH2(t, client, "other.test", right); o.status != http.StatusMisdirectedRequest {
						t.Errorf("another host: %+v", o)
					}
				})
			}
			asking.Wait()
			closeH2(t, client)
			r.stop()
			tally := map[string]int{}
			for _, e := range r.audit.entries(t) {
				if e.Protocol != ProtocolH2 || e.Peer != s.peer || e.TLS != version || e.Stage != StageHTTP {
					t.Errorf("entry %+v", e)
				}
				tally[e.Verdict+" "+e.Proof]++
			}
			if len(tally) != 3 || tally["allowed "] != 20 || tally["refused secret"] != 20 || tally["refused authority"] != 20 {
				t.Errorf("audit log %v", tally)
			}
			counts := r.server.Counts()
			if counts.Accepted != 1 || counts.Full != 1 || counts.Requests != 60 || counts.Bytes != 20*32 {
				t.Errorf("counts %+v", counts)
			}
		})
	}
}

// TestH2RevokedOnAnOpenConnection loses the connection, as over HTTP/1.1.
func TestH2RevokedOnAnOpenConnection(t *testing.T) {
	l := newLab(t)
	p := policy(t, MTLS)
	r := l.start(l.config(p))
	s := r.offer(l.legitimate(), "h2")
	client := h2Over(t, s.conn)
	if o := getH2(t, client, protectedHost); !o.served() {
		t.Fatalf("before: %+v", o)
	}
	l.revoke(l.edge)
	r.reload(p, l.credentials())
	if o := getH2(t, client, protectedHost); o.status != 403 {
		t.Errorf("revoked: %+v", o)
	}
	if o := getH2(t, client, protectedHost); o.err == nil {
		t.Errorf("the connection was kept: %+v", o)
	}
	if e := r.entry(s.peer); e.Proof != Freshness.String() || e.Protocol != ProtocolH2 {
		t.Errorf("entry %+v", e)
	}
}

// TestALPNIsKept: what the handshake chose is what is spoken.
func TestALPNIsKept(t *testing.T) {
	l := newLab(t)
	r := l.start(l.config(policy(t)))
	t.Run("h1 stays h1", func(t *testing.T) {
		for _, offered := range [][]string{nil, {"http/1.1"}} {
			s := r.offer(caller{}, offered...)
			if o := s.do(); !o.served() {
				t.Errorf("offered %v: %+v", offered, o)
			}
			if e := r.entry(s.peer); e.Protocol != "" {
				t.Errorf("offered %v: entry %+v", offered, e)
			}
		}
	})
	for _, test := range []struct {
		name    string
		offered []string
		say     string
	}{
		{"h1 after h2 was chosen", []string{"h2"}, "GET /o/k HTTP/1.1\r\nHost: " + protectedHost + "\r\n\r\n"},
		{"h2 after h1 was chosen", []string{"http/1.1"}, prefaceH2},
		{"h2 unasked", nil, prefaceH2},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := r.offer(caller{}, test.offered...)
			if _, err := io.WriteString(s.conn, test.say); err != nil {
				t.Fatal(err)
			}
			if heard, err := io.ReadAll(s.reader); err != nil || strings.Contains(string(heard), ProtectedContent) || strings.Contains(string(heard), "\x00\x00") {
				t.Errorf("heard %q, %v", heard, err)
			}
			if e := r.entry(s.peer); e.Verdict != Refused || e.Reason != unreadable.reason {
				t.Errorf("entry %+v", e)
			}
		})
	}
}

// TestShutdownEndsIdleH2 does not wait for whoever makes no request.
func TestShutdownEndsIdleH2(t *testing.T) {
	l := newLab(t)
	r := l.start(l.config(policy(t)))
	silent, begun := r.offer(caller{}, "h2"), r.offer(caller{}, "h2")
	if _, err := io.WriteString(begun.conn, prefaceH2+"\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	if _, err := begun.reader.ReadByte(); err != nil { // its settings
		t.Fatal(err)
	}
	// A client of TLS 1.3 is done before the origin is.
	for r.server.Counts().Full != 2 {
		runtime.Gosched()
	}
	r.stop()
	for _, s := range []*session{silent, begun} {
		if _, err := io.ReadAll(s.reader); err != nil {
			t.Error(err)
		}
	}
	if c := r.server.Counts(); c.Full != 2 || c.Requests != 0 {
		t.Errorf("counts %+v", c)
	}
}

// TestServersSpeakH2 makes requests at once on one connection to every real
// server, and one on a connection that offers HTTP/1.1 alone.
func TestServersSpeakH2(t *testing.T) {
	everyServer(t, func(t *testing.T, d Driver) {
		l := newLab(t)
		b := l.bench(d, func(s *Setup) {
			mutual(s)
			s.Protocol = ProtocolH2
		})
		ask := func(version string, requests int, offered ...string) {
			raw, err := net.Dial("tcp", b.running.Address().String())
			if err != nil {
				t.Fatal(err)
			}
			b.dialed++
			defer func() { _ = raw.Close() }()
			cfg := b.clientTLS(pull{version: version, cert: l.edge})
			cfg.NextProtos = offered
			conn := tls.Client(raw, cfg)
			if err := conn.HandshakeContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			protocol := ""
			if conn.ConnectionState().NegotiatedProtocol == "h2" {
				protocol = ProtocolH2
			}
			if (protocol == ProtocolH2) != (offered[0] == "h2") {
				t.Fatalf("offered %v, chosen %q", offered, conn.ConnectionState().NegotiatedProtocol)
			}
			if protocol == "" {
				out := pulled{}
				if out.request(conn, pull{}); !out.served() {
					t.Errorf("HTTP/1.1: %v, status %d", out.err, out.status)
				}
			} else {
				client := h2Over(t, conn)
				var asking sync.WaitGroup
				for range requests {
					asking.Go(func() {
						if o := getH2(t, client, protectedHost); !o.served() || len(o.body) != 1000 {
							t.Errorf("HTTP/2: %+v", o)
						}
					})
				}
				asking.Wait()
				if o := getH2(t, client, "other.test"); o.served() || o.err != nil {
					t.Errorf("another host: %+v", o)
				}
				closeH2(t, client)
			}
			local := raw.LocalAddr().(*net.TCPAddr).AddrPort()
			e, err := b.running.Await(t.Context(), local)
			if err != nil || e.Protocol != protocol || e.TLS != version {
				t.Errorf("entry %+v, %v, want protocol %q", e, err, protocol)
			}
		}
		for _, version := range wireVersions {
			ask(version, 10, "h2", "http/1.1")
			ask(version, 1, "http/1.1")
		}
		want := Counts{Accepted: 4, Full: 4, Requests: 24, Bytes: 22000}
		if got := b.counts(); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
	})
}

// TestServersWithoutH2 are refused by name.
func TestServersWithoutH2(t *testing.T) {
	s := Setup{Protocol: ProtocolH2, Config: Config{Certificate: "server", Policy: Policy{Host: protectedHost}}}
	for name, want := range map[string]string{"nginx": "built without HTTP/2", "apache": "mod_http2.so"} {
		d, _ := DriverNamed(name)
		if err := d.Check(Installed{Version: "1.0"}, s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v lacks %q", name, err, want)
		}
	}
}
