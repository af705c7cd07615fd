package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/pool"
)

// What an origin gets wrong is never stored, and never looks whole.
func TestFaultyOrigins(t *testing.T) {
	const fresh = "Cache-Control: max-age=60\r\n"
	long := strings.Repeat("X-Long: "+strings.Repeat("x", 1000)+"\r\n", 100)
	for name, c := range map[string]struct {
		response string
		status   int  // that the viewer gets
		cut      bool // its content ends with an error
		token    string
	}{
		"says nothing":               {"", 502, false, "http_protocol_error"},
		"closes in the header":       {"HTTP/1.1 200 OK\r\n" + fresh, 502, false, "http_protocol_error"},
		"is no HTTP":                 {"hello\r\n\r\n", 502, false, "http_protocol_error"},
		"ends before its content":    {"HTTP/1.1 200 OK\r\n" + fresh + "Content-Length: 4\r\n\r\n", 502, false, "http_response_incomplete"},
		"ends within its content":    {"HTTP/1.1 200 OK\r\n" + fresh + "Content-Length: 10\r\n\r\nfour", 200, true, ""},
		"ends within a chunk":        {"HTTP/1.1 200 OK\r\n" + fresh + "Transfer-Encoding: chunked\r\n\r\na\r\nfour", 200, true, ""},
		"ends without a last chunk":  {"HTTP/1.1 200 OK\r\n" + fresh + "Transfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n", 200, true, ""},
		"says two lengths":           {"HTTP/1.1 200 OK\r\n" + fresh + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nfour", 502, false, "http_protocol_error"},
		"says one length twice":      {"HTTP/1.1 200 OK\r\n" + fresh + "Content-Length: 4\r\nContent-Length: 4\r\n\r\nfour", 502, false, "http_protocol_error"},
		"says length and coding":     {"HTTP/1.1 200 OK\r\n" + fresh + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n", 502, false, "http_protocol_error"},
		"ends lines with LF":         {"HTTP/1.1 200 OK\n" + fresh + "Content-Length: 4\r\n\r\nfour", 502, false, "http_protocol_error"},
		"folds a line":               {"HTTP/1.1 200 OK\r\n" + fresh + "X: a\r\n b\r\nContent-Length: 4\r\n\r\nfour", 502, false, "http_protocol_error"},
		"has an endless header":      {"HTTP/1.1 200 OK\r\n" + fresh + long + "Content-Length: 4\r\n\r\nfour", 502, false, "http_protocol_error"},
		"sends interim ones forever": {strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 1000), 502, false, "http_protocol_error"},
		"switches protocols":         {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 502, false, "http_protocol_error"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newScripted(t, c.response, nil)
			viewer := client(t, nil, "")
			for try := 1; try <= 2; try++ {
				got := ask(t, viewer, l.request(t, "GET", "/", nil))
				if got.status != c.status || (got.err != nil) != c.cut {
					t.Errorf("try %d: %+v", try, got)
				}
				want := ""
				if c.token != "" {
					want = "originpull; error=" + c.token
				}
				if said := got.header.Get("Proxy-Status"); said != want {
					t.Errorf("try %d: Proxy-Status %q, want %q", try, said, want)
				}
				if n := l.requests.Load(); n != int64(try) {
					t.Errorf("try %d: %d requests at the origin", try, n)
				}
			}
			if s := l.proxy.Stats().Cache; s.Stored != 0 || s.Entries != 0 || s.Bytes != 0 {
				t.Errorf("stored: %+v", s)
			}
		})
	}
}

// More than the length is not content, and not the next response.
func TestOriginSendsMore(t *testing.T) {
	l := newScripted(t, "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\nfourHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", nil)
	viewer := client(t, nil, "")
	for _, path := range []string{"/a", "/a", "/b"} {
		if got := ask(t, viewer, l.request(t, "GET", path, nil)); got.body != "four" || got.err != nil {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if n := l.requests.Load(); n != 2 {
		t.Errorf("%d requests at the origin", n)
	}
}

// What a viewer is told where nobody answers, and the preset's word before it.
func TestUnreachableOrigins(t *testing.T) {
	closed := listen(t, &http.Server{})
	for name, c := range map[string]struct {
		change func(*Config)
		status int
		token  string
	}{
		"nobody listens": {func(cfg *Config) { cfg.Edge.Target.Address = refused(t) }, 502, "connection_refused"},
		"as a preset has it": {func(cfg *Config) {
			cfg.Edge.Target.Address = refused(t)
			cfg.Edge.Status = edge.Statuses{edge.PhaseRefused: 521}
		}, 521, "connection_refused"},
		"no time": {func(cfg *Config) { cfg.Edge.Pool = pool.Config{ResponseTimeout: time.Nanosecond} }, 504, "http_response_timeout"},
	} {
		l := &lab{}
		l.serve(t, closed, c.change)
		got := ask(t, client(t, nil, ""), l.request(t, "GET", "/", nil))
		if got.status != c.status || got.header.Get("Proxy-Status") != "originpull; error="+c.token {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// refused is an address that nobody listens on.
func refused(t *testing.T) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return netip.MustParseAddrPort(listener.Addr().String())
}
