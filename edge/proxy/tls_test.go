package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/pki"
)

// Viewers who must show a certificate of an authority show that, and no other;
// a session that they resume is judged anew.
func TestViewerCertificates(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		l := newLab(t, site, func(cfg *Config) {
			cfg.Viewers = Viewers{Certificate: a.issue(t, siteName, pki.ServerAuth), Authority: a.roots}
		})
		sessions := tls.NewLRUClientSessionCache(1)
		dial := func(shown *tls.Certificate) (bool, error) {
			cfg := &tls.Config{RootCAs: a.roots, ServerName: siteName, MaxVersion: version, ClientSessionCache: sessions}
			if shown != nil {
				cfg.Certificates = []tls.Certificate{*shown}
			}
			conn, err := tls.Dial("tcp", l.at, cfg)
			if err != nil {
				return false, err
			}
			defer func() { _ = conn.Close() }()
			if _, err = io.WriteString(conn, "GET /kept HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n"); err != nil {
				return false, err
			}
			_, err = io.ReadAll(conn)
			return conn.ConnectionState().DidResume, err
		}
		for name, shown := range map[string]*tls.Certificate{
			"none": nil, "another authority's": other.issue(t, "viewer", pki.ClientAuth), "a server's": a.issue(t, "viewer", pki.ServerAuth),
		} {
			if _, err := dial(shown); err == nil {
				t.Errorf("TLS %x: a viewer with %s certificate was let in", version, name)
			}
		}
		good := a.issue(t, "viewer", pki.ClientAuth)
		for i, resumed := range []bool{false, true} {
			if got, err := dial(good); err != nil || got != resumed {
				t.Errorf("TLS %x: handshake %d: resumed %t, %v", version, i, got, err)
			}
		}
		if err := l.proxy.Reload(Viewers{Certificate: a.issue(t, siteName, pki.ServerAuth), Authority: other.roots}, edge.Aim{}); err != nil {
			t.Fatal(err)
		}
		if _, err := dial(good); err == nil {
			t.Errorf("TLS %x: a session outlived its authority", version)
		}
		if n := l.requests.Load(); n != 1 {
			t.Errorf("TLS %x: %d requests at the origin", version, n)
		}
	}
}

// What ALPN chose is what is spoken.
func TestProtocolIsWhatWasChosen(t *testing.T) {
	a := newAuthority(t)
	l := newLab(t, site, func(cfg *Config) { cfg.Viewers.Certificate = a.issue(t, siteName, pki.ServerAuth) })
	for offered, sent := range map[string]string{
		protoH2: "GET /kept HTTP/1.1\r\nHost: s\r\n\r\n",
		protoH1: prefaceH2 + "\x00\x00\x00\x04\x00\x00\x00\x00\x00",
	} {
		conn, err := tls.Dial("tcp", l.at, &tls.Config{RootCAs: a.roots, ServerName: siteName, NextProtos: []string{offered}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn)
		if err != nil || strings.Contains(string(got), "200") {
			t.Errorf("%s: %q, %v", offered, got, err)
		}
		_ = conn.Close()
	}
	if l.requests.Load() != 0 {
		t.Error("the origin was asked")
	}
}

// Reload changes what comes afterwards: certificates in both directions, the
// origin, the secret. Connections that are open stay.
func TestReload(t *testing.T) {
	a, next := newAuthority(t), newAuthority(t)
	var seen []string
	origin := func(name string, clients authority) *httptest.Server {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			seen = append(seen, name+" "+r.TLS.PeerCertificates[0].Subject.CommonName+" "+r.Header.Get("X-Secret"))
		}))
		s.TLS = &tls.Config{
			Certificates: []tls.Certificate{*a.issue(t, "origin.test", pki.ServerAuth)},
			ClientCAs:    clients.roots, ClientAuth: tls.RequireAndVerifyClientCert,
		}
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	target := func(s *httptest.Server, shown *tls.Certificate) pool.Target {
		return pool.Target{
			Address: netip.MustParseAddrPort(s.Listener.Addr().String()), ServerName: "origin.test", Identity: "edge",
			TLS: &tls.Config{RootCAs: a.roots, Certificates: []tls.Certificate{*shown}},
		}
	}
	one, two := origin("one", a), origin("two", next)
	l := &lab{}
	l.serve(t, one.Listener.Addr().String(), func(cfg *Config) {
		cfg.Viewers.Certificate = a.issue(t, siteName, pki.ServerAuth)
		cfg.Edge.Target = target(one, a.issue(t, "before", pki.ClientAuth))
		cfg.Edge.Header = [][2]string{{"X-Secret", "old"}}
	})
	var locals []string
	pull := func(c *http.Client) error {
		r := l.request(t, "POST", "/", nil)
		r.URL.Scheme = "https"
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: func(g httptrace.GotConnInfo) {
			locals = append(locals, g.Conn.LocalAddr().String())
		}}))
		resp, err := c.Do(r)
		if err != nil {
			return err
		}
		if resp.StatusCode != 200 {
			t.Errorf("status %d", resp.StatusCode)
		}
		return resp.Body.Close()
	}
	known := client(t, &tls.Config{RootCAs: a.roots, ServerName: siteName}, "")
	if err := pull(known); err != nil {
		t.Fatal(err)
	}
	err := l.proxy.Reload(Viewers{Certificate: next.issue(t, siteName, pki.ServerAuth)}, edge.Aim{Target: target(two, next.issue(t, "after", pki.ClientAuth)), Header: [][2]string{{"X-Secret", "new"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := pull(known); err != nil {
		t.Errorf("on a connection that was open: %v", err)
	}
	if err := pull(client(t, &tls.Config{RootCAs: next.roots, ServerName: siteName}, "")); err != nil {
		t.Errorf("a viewer who trusts the new certificate: %v", err)
	}
	if err := pull(client(t, &tls.Config{RootCAs: a.roots, ServerName: siteName}, "")); err == nil {
		t.Error("the old certificate is shown still")
	}
	if locals[0] != locals[1] {
		t.Errorf("the connection ended: %q", locals)
	}
	if got := strings.Join(seen, ", "); got != "one before old, two after new, two after new" {
		t.Errorf("the origins saw %s", got)
	}
	for name, v := range map[string]Viewers{"off": {}, "without certificate": {Authority: a.roots}} {
		if err := l.proxy.Reload(v, edge.Aim{Target: target(one, a.issue(t, "x", pki.ClientAuth))}); err == nil {
			t.Errorf("TLS %s was taken", name)
		}
	}
}

// An origin over h2 is asked over h2.
func TestOriginOverH2(t *testing.T) {
	a := newAuthority(t)
	s := httptest.NewUnstartedServer(http.HandlerFunc(site))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{*a.issue(t, "origin.test", pki.ServerAuth)}, NextProtos: []string{"h2"}}
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	l := &lab{}
	l.serve(t, s.Listener.Addr().String(), func(cfg *Config) {
		cfg.Edge.Target.Protocol, cfg.Edge.Target.ServerName = pool.H2, "origin.test"
		cfg.Edge.Target.TLS = &tls.Config{RootCAs: a.roots}
	})
	c := client(t, nil, "")
	got := ask(t, c, l.request(t, "PUT", "/seen", io.MultiReader(strings.NewReader("four")), "User-Agent", "u"))
	if got.body != "PUT /seen origin.test <nil>\nUser-Agent: u\nVia: 1.1 originpull\nX-Forwarded-For: 127.0.0.1\nX-Forwarded-Proto: http\n4 bytes, -1 announced, trailer map[]\n" {
		t.Errorf("the origin saw %q", got.body)
	}
	if got := ask(t, c, l.request(t, "GET", "/trailer", nil)); got.body != "content" || got.trailer.Get("X-Sum") != "7" {
		t.Errorf("%+v", got)
	}
	if got := ask(t, c, l.request(t, "GET", "/large", nil)); len(got.body) != 3000000 {
		t.Errorf("%d bytes", len(got.body))
	}
}

func TestNewTellsAllThatIsWrong(t *testing.T) {
	_, err := New(Config{Name: "two words", Viewers: Viewers{Authority: newAuthority(t).roots}, Timeouts: Timeouts{Read: -1, Idle: -2}})
	for _, want := range []string{`"two words" is no token`, "without TLS", "read timeout", "idle timeout", "needs the host"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func TestMetrics(t *testing.T) {
	l := newLab(t, site, nil)
	c := client(t, nil, "")
	for _, path := range []string{"/kept", "/kept", "/moved"} {
		ask(t, c, l.request(t, "GET", path, nil))
	}
	l.raw(t, "GET / HTTP/1.1\nHost: s\r\n\r\n")
	w := httptest.NewRecorder()
	l.proxy.Metrics().ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), "GET", "/metrics", nil))
	for _, want := range []string{
		`originpull_edge_requests_total{protocol="h1",status="2xx"} 2`,
		`originpull_edge_requests_total{protocol="h1",status="3xx"} 1`,
		`originpull_edge_replies_total{outcome="hit"} 1`,
		`originpull_edge_cache_requests_total{outcome="hit"} 1`,
		`originpull_edge_malformed_requests_total 1`,
		`originpull_edge_content_bytes_total 8`,
		`originpull_edge_connections_total 2`,
		`originpull_edge_origin_requests_total 2`,
		`originpull_edge_origin_connections_total 1`,
		`originpull_edge_cache_objects 1`,
	} {
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(want) + `$`).MatchString(w.Body.String()) {
			t.Errorf("no line %s", want)
		}
	}
	if t.Failed() {
		t.Log(w.Body)
	}
}
