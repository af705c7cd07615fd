package proxy

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/originpull/originpull/pki"
)

// site answers by path.
func site(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	switch r.URL.Path {
	case "/kept":
		h.Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "kept")
	case "/moved":
		h.Set("Location", "http://127.0.0.1:1/elsewhere")
		w.WriteHeader(http.StatusFound)
	case "/hop":
		h.Set("Connection", "X-Hop")
		h.Set("X-Hop", "1")
		h.Set("X-End", "2")
		h.Set("Keep-Alive", "timeout=5")
	case "/trailer":
		h.Set("Trailer", "X-Sum")
		h.Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "content")
		_ = http.NewResponseController(w).Flush()
		h.Set("X-Sum", "7")
		h.Set(http.TrailerPrefix+"X-Late", "8")
	case "/hints":
		h.Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		h.Del("Link")
		w.WriteHeader(http.StatusProcessing)
		_, _ = io.WriteString(w, "hinted")
	case "/none":
		w.WriteHeader(http.StatusNoContent)
	case "/large":
		_, _ = w.Write(bytes.Repeat([]byte("x"), 3000000))
	default: // what the origin saw
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s %v\n", r.Method, r.RequestURI, r.Host, err)
		for _, name := range slices.Sorted(keys(r.Header)) {
			_, _ = fmt.Fprintf(w, "%s: %s\n", name, strings.Join(r.Header[name], "|"))
		}
		_, _ = fmt.Fprintf(w, "%d bytes, %d announced, trailer %v\n", len(body), r.ContentLength, r.Trailer)
	}
}

func keys(h http.Header) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range h {
			if !yield(name) {
				return
			}
		}
	}
}

// everyWay runs a test for viewers of plain HTTP/1.1, of TLS and of h2.
func everyWay(t *testing.T, handler http.HandlerFunc, test func(t *testing.T, l *lab, c *http.Client)) {
	a := newAuthority(t)
	for name, protocol := range map[string]string{"plain": "", "tls": protoH1, "h2": protoH2} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, handler, func(cfg *Config) {
				if protocol != "" {
					cfg.Viewers.Certificate = a.issue(t, siteName, pki.ServerAuth)
				}
			})
			var met *tls.Config
			if protocol != "" {
				met = &tls.Config{RootCAs: a.roots, ServerName: siteName}
			}
			test(t, l, client(t, met, protocol))
		})
	}
}

// over is l.request by the scheme that c needs.
func over(t *testing.T, c *http.Client, r *http.Request) answer {
	t.Helper()
	if c.Transport.(*http.Transport).TLSClientConfig != nil {
		r.URL.Scheme = "https"
	}
	return ask(t, c, r)
}

func TestServesViewers(t *testing.T) {
	everyWay(t, site, func(t *testing.T, l *lab, c *http.Client) {
		via := "1.1 originpull"
		if c.Transport.(*http.Transport).Protocols.HTTP2() {
			via = "2.0 originpull"
		}
		for i, want := range []string{
			"originpull;fwd=uri-miss;fwd-status=200;ttl=59;stored", "originpull;hit;ttl=59",
		} {
			got := over(t, c, l.request(t, "GET", "/kept", nil))
			if got.status != 200 || got.body != "kept" || got.header.Get("Cache-Status") != want || got.header.Get("Via") != "1.1 originpull" {
				t.Errorf("request %d: %+v", i, got)
			}
		}
		if got := over(t, c, l.request(t, "HEAD", "/kept", nil)); got.status != 200 || got.body != "" || got.header.Get("Content-Length") != "4" || !strings.Contains(got.header.Get("Cache-Status"), ";hit;") {
			t.Errorf("HEAD: %+v", got)
		}
		if got := over(t, c, l.request(t, "GET", "/moved", nil)); got.status != 302 || got.header.Get("Location") != "http://127.0.0.1:1/elsewhere" {
			t.Errorf("a redirect: %+v", got)
		}
		got := over(t, c, l.request(t, "POST", "/seen?a=%2F&b", strings.NewReader("four"), "Via", "1.0 other", "X-Mine", "a", "X-Mine", "b",
			"X-Forwarded-For", "192.0.2.1", "X-Forwarded-For", "192.0.2.2", "X-Forwarded-Proto", "gopher"))
		scheme := "http"
		if c.Transport.(*http.Transport).TLSClientConfig != nil {
			scheme = "https"
		}
		want := "POST /seen?a=%2F&b origin.test <nil>\nContent-Length: 4\nUser-Agent: Go-http-client/"
		if !strings.HasPrefix(got.body, want) || !strings.Contains(got.body, "\nVia: 1.0 other|"+via+"\nX-Forwarded-For: 192.0.2.1, 192.0.2.2, 127.0.0.1\nX-Forwarded-Proto: "+scheme+"\nX-Mine: a|b\n4 bytes, 4 announced, trailer map[]\n") {
			t.Errorf("the origin saw %s", got.body)
		}
		if got := over(t, c, l.request(t, "GET", "/large", nil)); len(got.body) != 3000000 || got.err != nil {
			t.Errorf("large: %d bytes, %v", len(got.body), got.err)
		}
		if got := over(t, c, l.request(t, "GET", "/none", nil)); got.status != 204 || got.body != "" {
			t.Errorf("no content: %+v", got)
		}
		if got := over(t, c, l.request(t, "TRACE", "/", nil)); got.status != 405 || got.header.Get("Allow") == "" {
			t.Errorf("TRACE: %+v", got)
		}
		if s := l.proxy.Stats().Pool; s.Connects != 1 {
			t.Errorf("%d connections to the origin", s.Connects)
		}
	})
}

// Fields of the hop stay on it, in both directions, and no viewer can have the
// edge's own field taken off or added to.
func TestHopByHop(t *testing.T) {
	l := newLab(t, site, func(cfg *Config) { cfg.Edge.Header = [][2]string{{"X-Secret", "edge's own"}} })
	c := client(t, nil, "")
	got := ask(t, c, l.request(t, "GET", "/seen", nil,
		"Connection", "keep-alive, X-Secret, X-Forwarded-For, X-Named", "X-Named", "1", "x-secret", "viewer's", "Te", "trailers",
		"Keep-Alive", "timeout=5", "Proxy-Connection", "keep-alive", "Proxy-Authorization", "Basic eA==", "Upgrade", "websocket", "User-Agent", "u"))
	want := "GET /seen origin.test <nil>\nUser-Agent: u\nVia: 1.1 originpull\nX-Forwarded-For: 127.0.0.1\nX-Forwarded-Proto: http\nX-Secret: edge's own\n0 bytes, 0 announced, trailer map[]\n"
	if got.body != want {
		t.Errorf("the origin saw\n%swant\n%s", got.body, want)
	}
	got = ask(t, c, l.request(t, "GET", "/hop", nil))
	for _, name := range []string{"X-Hop", "Keep-Alive", "Connection"} {
		if got.header.Get(name) != "" {
			t.Errorf("the viewer saw %s: %s", name, got.header.Get(name))
		}
	}
	if got.header.Get("X-End") != "2" {
		t.Errorf("the viewer saw %v", got.header)
	}
}

// A field that Connection names is not the origin's to see: nor does the cache
// choose a variant by it.
func TestConnectionChoosesNoVariant(t *testing.T) {
	l := newLab(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "X-Tongue")
		_, _ = io.WriteString(w, "tongue "+r.Header.Get("X-Tongue"))
	}, nil)
	c := client(t, nil, "")
	ask(t, c, l.request(t, "GET", "/", nil, "X-Tongue", "de", "Connection", "X-Tongue"))
	if got := ask(t, c, l.request(t, "GET", "/", nil, "X-Tongue", "de")); got.body != "tongue de" {
		t.Errorf("the viewer got %q", got.body)
	}
}

func TestInterimAndTrailer(t *testing.T) {
	everyWay(t, site, func(t *testing.T, l *lab, c *http.Client) {
		var hints []string
		r := l.request(t, "GET", "/hints", nil)
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
				hints = append(hints, fmt.Sprint(status, " ", h.Get("Link")))
				return nil
			},
		}))
		got := over(t, c, r)
		if got.body != "hinted" || got.header.Get("Link") != "" || !slices.Equal(hints, []string{"103 </style.css>; rel=preload", "102 "}) {
			t.Errorf("%+v after %q", got, hints)
		}
		for _, from := range []string{"miss", "hit"} {
			got := over(t, c, l.request(t, "GET", "/trailer", nil))
			if got.body != "content" || got.trailer.Get("X-Sum") != "7" || got.trailer.Get("X-Late") != "8" {
				t.Errorf("%s: %+v", from, got)
			}
		}
		if n := l.requests.Load(); n != 2 {
			t.Errorf("%d requests at the origin", n)
		}
	})
}

// Content of unknown length, and its trailer, reach the origin.
func TestUpload(t *testing.T) {
	everyWay(t, site, func(t *testing.T, l *lab, c *http.Client) {
		r := l.request(t, "PUT", "/seen", io.MultiReader(strings.NewReader(strings.Repeat("x", 300000))))
		r.Trailer = http.Header{"X-Sum": {"9"}}
		got := over(t, c, r)
		if !strings.HasSuffix(got.body, "300000 bytes, -1 announced, trailer map[X-Sum:[9]]\n") {
			t.Errorf("the origin saw %s", got.body)
		}
		r = l.request(t, "GET", "/kept", strings.NewReader("content"))
		if got := over(t, c, r); got.header.Get("Cache-Status") != "originpull;fwd=bypass;fwd-status=200" {
			t.Errorf("GET with content: %+v", got.header)
		}
		if s := l.proxy.Stats().Cache; s.Stored != 0 || s.Passes != 2 {
			t.Errorf("cache %+v", s)
		}
	})
}

// What requests ask for, and where, is passed on byte by byte.
func TestTargets(t *testing.T) {
	l := newLab(t, site, nil)
	for line, want := range map[string]string{
		"GET /a//b/../c?x=%2f HTTP/1.1":          "GET /a//b/../c?x=%2f",
		"GET http://other.test/abs?q HTTP/1.1":   "GET /abs?q",
		"GET http://other.test HTTP/1.1":         "GET /",
		"GET http://other.test?q HTTP/1.1":       "GET /?q",
		"OPTIONS * HTTP/1.1":                     "OPTIONS *",
		"OPTIONS http://other.test HTTP/1.1":     "OPTIONS *",
		"OPTIONS /a HTTP/1.1\r\nMax-Forwards: 1": "OPTIONS /a",
		"OPTIONS /a HTTP/1.1\r\nMax-Forwards: 0": "",
		"GET /a HTTP/1.0":                        "GET /a",
	} {
		got := l.raw(t, line+"\r\nHost: site.test\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.") || !strings.Contains(got, " 200 OK\r\n") || want != "" && !strings.Contains(got, "\n"+want+" origin.test") {
			t.Errorf("%s: %s", line, got)
		}
	}
	if got := l.raw(t, "CONNECT site.test:443 HTTP/1.1\r\nHost: site.test:443\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 501 ") {
		t.Errorf("CONNECT: %s", got)
	}
	if n := l.requests.Load(); n != 8 {
		t.Errorf("%d requests at the origin", n)
	}
}

// Two hosts never share an object where the origin is told which one it is.
func TestKeepHost(t *testing.T) {
	l := newLab(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, r.Host)
	}, func(cfg *Config) { cfg.Edge.KeepHost = true })
	c := client(t, nil, "")
	for _, host := range []string{"one.test", "two.test", "ONE.test"} {
		r := l.request(t, "GET", "/", nil)
		r.Host = host
		if got := ask(t, c, r); got.body != strings.ToLower(host) {
			t.Errorf("%s got %q", host, got.body)
		}
	}
	if n := l.requests.Load(); n != 2 {
		t.Errorf("%d requests at the origin", n)
	}
}
