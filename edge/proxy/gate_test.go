package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// smuggled is a request that must never be taken for one.
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: site.test\r\n\r\n"

// What two readers could frame differently is refused, and nothing behind it
// is ever a request.
func TestGateRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		request string
		status  string
	}{
		"length and coding":         {"POST / HTTP/1.1\r\nHost: s\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		"coding and length":         {"POST / HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", "400"},
		"two lengths":               {"POST / HTTP/1.1\r\nHost: s\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n", "400"},
		"one length twice":          {"POST / HTTP/1.1\r\nHost: s\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", "400"},
		"a list of lengths":         {"POST / HTTP/1.1\r\nHost: s\r\nContent-Length: 0, 0\r\n\r\n", "400"},
		"a signed length":           {"POST / HTTP/1.1\r\nHost: s\r\nContent-Length: +0\r\n\r\n", "400"},
		"no length":                 {"POST / HTTP/1.1\r\nHost: s\r\nContent-Length: \r\n\r\n", "400"},
		"a length beyond numbers":   {"POST / HTTP/1.1\r\nHost: s\r\nContent-Length: 9999999999999999999\r\n\r\n", "400"},
		"two codings":               {"POST / HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		"an unknown coding":         {"POST / HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501"},
		"a hidden coding":           {"POST / HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", "400"},
		"a coding in HTTP/1.0":      {"POST / HTTP/1.0\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		"a bare LF after the line":  {"GET / HTTP/1.1\nHost: s\r\n\r\n", "400"},
		"a bare LF after a field":   {"GET / HTTP/1.1\r\nHost: s\nX: y\r\n\r\n", "400"},
		"a bare LF at the end":      {"GET / HTTP/1.1\r\nHost: s\r\n\n", "400"},
		"a bare CR":                 {"GET / HTTP/1.1\r\nHost: s\r\nX: a\rb\r\n\r\n", "400"},
		"a folded line":             {"GET / HTTP/1.1\r\nHost: s\r\nX: a\r\n b\r\n\r\n", "400"},
		"a folded coding":           {"POST / HTTP/1.1\r\nHost: s\r\nTransfer-Encoding:\r\n\tchunked\r\n\r\n0\r\n\r\n", "400"},
		"a space before the colon":  {"POST / HTTP/1.1\r\nHost: s\r\nContent-Length : 4\r\n\r\n", "400"},
		"a line without a colon":    {"GET / HTTP/1.1\r\nHost: s\r\nX\r\n\r\n", "400"},
		"a NUL":                     {"GET / HTTP/1.1\r\nHost: s\r\nX: \x00\r\n\r\n", "400"},
		"an empty line before":      {"\r\nGET / HTTP/1.1\r\nHost: s\r\n\r\n", "400"},
		"no Host":                   {"GET / HTTP/1.1\r\n\r\n", "400"},
		"two Hosts":                 {"GET / HTTP/1.1\r\nHost: s\r\nHost: t\r\n\r\n", "400"},
		"another version":           {"GET / HTTP/3.1\r\nHost: s\r\n\r\n", "505"},
		"the preface of HTTP/2":     {prefaceH2 + "\x00\x00\x00\x04\x00\x00\x00\x00\x00", "400"},
		"an endless header":         {"GET / HTTP/1.1\r\nHost: s\r\nX: " + strings.Repeat("x", 100<<10) + "\r\n\r\n", "431"},
		"endless headers":           {"GET / HTTP/1.1\r\nHost: s\r\n" + strings.Repeat("X: y\r\n", 20000) + "\r\n", "431"},
		"a chunk with a bare LF":    {"POST /read HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n", "400"},
		"a chunk without a size":    {"POST /read HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n;x\r\nx\r\n0\r\n\r\n", "400"},
		"a chunk of 0x size":        {"POST /read HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n", "400"},
		"a chunk beyond numbers":    {"POST /read HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx\r\n0\r\n\r\n", "400"},
		"a chunk that is longer":    {"POST /read HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n", "400"},
		"an extension with a CR":    {"POST /read HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n1;a\rb\r\nx\r\n0\r\n\r\n", "400"},
		"a trailer that is no line": {"POST /read HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX y\r\n\r\n", "400"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/smuggled" {
					t.Error("the origin was asked for what was smuggled")
				}
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Cache-Control", "max-age=60")
			}, nil)
			got := l.raw(t, c.request+smuggled)
			if !strings.HasPrefix(got, "HTTP/1.1 "+c.status+" ") || strings.Count(got, "HTTP/1.1 ") != 1 {
				t.Errorf("answered %q", got)
			}
			if s := l.proxy.Stats().Cache; s.Stored != 0 {
				t.Errorf("stored: %+v", s)
			}
		})
	}
}

// Requests that have one meaning pass, however they are cut.
func TestGatePasses(t *testing.T) {
	requests := "POST /a HTTP/1.1\r\nHost: s\r\nContent-Length: 3\r\n\r\nabc" +
		"POST /b HTTP/1.1\r\nHost: s\r\ntransfer-encoding: Chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n00a \r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n" +
		"GET /c HTTP/1.1\r\nHost: s\r\nX:\t a b \t\r\n\r\n" +
		"GET /d HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n"
	l := newLab(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Seen", r.URL.Path)
		_, _ = w.Write(bytes.Repeat([]byte("."), int(n)))
	}, nil)
	for _, step := range []int{1, 7, len(requests)} {
		conn, err := net.Dial("tcp", l.at)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(requests); at += step {
			if _, err := io.WriteString(conn, requests[at:min(at+step, len(requests))]); err != nil {
				t.Fatal(err)
			}
		}
		r := bufio.NewReader(conn)
		for i, want := range []string{"/a 3", "/b 13", "/c 0", "/d 0"} {
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatalf("%d bytes a time, answer %d: %v", step, i, err)
			}
			body, err := io.ReadAll(resp.Body)
			if got := fmt.Sprint(resp.Header.Get("X-Seen"), " ", len(body)); err != nil || got != want {
				t.Errorf("%d bytes a time: %s, %v, want %s", step, got, err, want)
			}
			_ = resp.Body.Close()
		}
		_ = conn.Close()
	}
	if n := l.proxy.counts.malformed.Load(); n != 0 {
		t.Errorf("%d refused", n)
	}
}

// FuzzScanner holds what the gate lets pass against net/http: where both
// accept a request, they agree on where it ends.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{
		smuggled,
		"POST /b HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nX: 1\r\n\r\n" + smuggled,
		"POST /a HTTP/1.1\r\nHost: s\r\nContent-Length: 3\r\n\r\nabc" + smuggled,
		"GET / HTTP/1.1\r\nHost: s\r\n x\r\n\r\n", "POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\nx",
		"POST / HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: gzip\r\n\r\n",
	} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, text []byte, step uint8) {
		var whole, parts scanner
		whole.begin()
		parts.begin()
		at := whole.feed(bytes.Clone(text))
		cut := -1
		for i := 0; i < len(text) && cut < 0; i += int(step) + 1 {
			if p := parts.feed(bytes.Clone(text[i:min(i+int(step)+1, len(text))])); p >= 0 {
				cut = i + p
			}
		}
		if (at < 0) != (cut < 0) && len(text) < lineKept {
			t.Fatalf("%q is cut at %d as a whole, and at %d in parts: one of them not at all", text, at, cut)
		}
		if at >= 0 {
			return
		}
		// All of it was let pass: net/http must end its requests where the
		// scanner does.
		r := bufio.NewReader(bytes.NewReader(text))
		for {
			request, err := http.ReadRequest(r)
			if err == nil {
				_, err = io.Copy(io.Discard, request.Body)
			}
			if err != nil {
				return // not more than a part, or net/http's to refuse
			}
			if r.Buffered() == 0 && whole.state != atRequest && whole.state != atNothing {
				t.Fatalf("%q: net/http is at the end of a request, the scanner in state %d", text, whole.state)
			}
		}
	})
}
