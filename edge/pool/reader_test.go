package pool

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

const testBodyLimit = 1 << 20

// parse reads one response. Errors apart, its result must not depend on how
// the bytes arrive.
func parse(t testing.TB, method, text string) (Response, bool, error) {
	t.Helper()
	var whole, single Response
	d := reader{source: strings.NewReader(text)}
	reusable, err := d.read(method, testBodyLimit, &whole)
	d = reader{source: iotest.OneByteReader(strings.NewReader(text))}
	again, errAgain := d.read(method, testBodyLimit, &single)
	if (err == nil) != (errAgain == nil) {
		t.Errorf("in one piece: %v; byte by byte: %v", err, errAgain)
	}
	if err != nil || errAgain != nil {
		return whole, false, err
	}
	if !maps.EqualFunc(whole.Header, single.Header, slices.Equal) || whole.Status != single.Status || !bytes.Equal(whole.Body, single.Body) {
		t.Errorf("in one piece %+v, byte by byte %+v", whole, single)
	}
	// Byte by byte, what follows a response is not seen yet.
	if reusable && !again {
		t.Error("reusable in one piece, but not byte by byte")
	}
	return whole, reusable, nil
}

func TestReadResponse(t *testing.T) {
	for _, test := range []struct {
		name, method, text string
		status             int
		body               string
		reusable           bool
	}{
		{"length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true},
		{"no reason", "GET", "HTTP/1.1 200 \r\ncontent-length:5\r\n\r\nhello", 200, "hello", true},
		{"no space either", "GET", "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", 404, "", true},
		{"unknown status", "GET", "HTTP/1.1 799 ?\r\nContent-Length: 0\r\n\r\n", 799, "", true},
		{"chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n6;a=\"b\"\r\n world\r\n0\r\n\r\n", 200, "hello world", true},
		{"chunked, trailer", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n00A\r\n0123456789\r\n000\r\nX: y\r\n\r\n", 200, "0123456789", true},
		{"until the end", "GET", "HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello", false},
		{"head", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, "", true},
		{"head, chunked", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, "", true},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", true},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, "", true},
		{"interim", "GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!", 200, "!", true},
		{"close", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: foo, Close\r\n\r\nhello", 200, "hello", false},
		{"old", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", false},
		{"something follows", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP", 200, "hello", false},
		{"something follows the long body", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100001), 200, strings.Repeat("x", 100000), false},
		{"something follows none", "GET", "HTTP/1.1 204 OK\r\nContent-Length: 5\r\n\r\nhello", 204, "", false},
		{"obs-text", "GET", "HTTP/1.1 200 \xfcber\r\nX: \xe4\r\nContent-Length: 0\r\n\r\n", 200, "", true},
		{"many chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\nx\r\n", 40000) + "0\r\n\r\n", 200, strings.Repeat("x", 40000), true},
		{"large header", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: " + strings.Repeat("x", 60<<10) + "\r\n\r\n", 200, "", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp, reusable, err := parse(t, test.method, test.text)
			if err != nil {
				t.Fatal(err)
			}
			if resp.Status != test.status || string(resp.Body) != test.body || reusable != test.reusable {
				t.Errorf("status %d, body %.40q, reusable %v", resp.Status, resp.Body, reusable)
			}
		})
	}
}

// TestMalformedResponses is what two parsers could read differently.
func TestMalformedResponses(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, text := range map[string]string{
		"nothing":                  "",
		"no HTTP":                  "SSH-2.0-x\r\n",
		"HTTP/2":                   "HTTP/2 200 OK\r\n\r\n",
		"HTTP/1.2":                 "HTTP/1.2 200 OK\r\n\r\n",
		"lower case":               "http/1.1 200 OK\r\n\r\n",
		"short status":             "HTTP/1.1 20\r\n\r\n",
		"long status":              "HTTP/1.1 2000 OK\r\n\r\n",
		"no number":                "HTTP/1.1 2x0 OK\r\n\r\n",
		"status below 100":         "HTTP/1.1 099 OK\r\n\r\n",
		"tab after status":         "HTTP/1.1 200\tOK\r\n\r\n",
		"two spaces":               "HTTP/1.1  200 OK\r\n\r\n",
		"bare LF in status line":   "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
		"bare LF in header":        ok + "Content-Length: 0\n\r\n",
		"bare LF at the end":       ok + "Content-Length: 0\r\n\n",
		"bare CR":                  ok + "Content-Length: 0\r X: y\r\n\r\n",
		"NUL":                      ok + "X: \x00\r\nContent-Length: 0\r\n\r\n",
		"folded":                   ok + "Content-Length: 0\r\n X: y\r\n\r\n",
		"folded first":             ok + " Content-Length: 0\r\n\r\n",
		"space before colon":       ok + "Content-Length : 0\r\n\r\n",
		"no colon":                 ok + "Content-Length\r\n\r\n",
		"no name":                  ok + ": 0\r\n\r\n",
		"two lengths":              ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
		"one length twice":         ok + "Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello",
		"list of lengths":          ok + "Content-Length: 5, 5\r\n\r\nhello",
		"signed length":            ok + "Content-Length: +5\r\n\r\nhello",
		"negative length":          ok + "Content-Length: -5\r\n\r\nhello",
		"hexadecimal length":       ok + "Content-Length: 0x5\r\n\r\nhello",
		"no length":                ok + "Content-Length:\r\n\r\n",
		"overflowing length":       ok + "Content-Length: 18446744073709551621\r\n\r\nhello",
		"length beyond limit":      ok + fmt.Sprintf("Content-Length: %d\r\n\r\n", testBodyLimit+1),
		"both framings":            ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"both, other order":        ok + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
		"chunked twice":            ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"gzip":                     ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"identity":                 ok + "Transfer-Encoding: identity\r\n\r\nhello",
		"odd coding":               ok + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
		"chunked in HTTP/1.0":      "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunked 204":              "HTTP/1.1 204 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"101":                      "HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"interim without end":      strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 50) + ok + "Content-Length: 0\r\n\r\n",
		"only interim":             "HTTP/1.1 100 Continue\r\n\r\n",
		"truncated header":         ok + "Content-Length: 5\r\n",
		"truncated line":           ok + "Content-Le",
		"truncated body":           ok + "Content-Length: 5\r\n\r\nhell",
		"no chunk":                 ok + "Transfer-Encoding: chunked\r\n\r\n",
		"truncated chunk":          ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhell",
		"no last chunk":            ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"no trailer":               ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n",
		"long chunk":               ok + "Transfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n",
		"long chunk without lines": ok + "Transfer-Encoding: chunked\r\n\r\n4\r\n" + strings.Repeat("x", 10000),
		"short chunk":              ok + "Transfer-Encoding: chunked\r\n\r\n6\r\nhello\r\n0\r\n\r\n",
		"no hexadecimal":           ok + "Transfer-Encoding: chunked\r\n\r\n5g\r\nhello\r\n0\r\n\r\n",
		"0x":                       ok + "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
		"empty size":               ok + "Transfer-Encoding: chunked\r\n\r\n;x\r\n\r\n",
		"space before size":        ok + "Transfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n",
		"overflowing size":         ok + "Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
		"size beyond limit":        ok + "Transfer-Encoding: chunked\r\n\r\nfffffffffff\r\n",
		"bare LF after size":       ok + "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
		"bare LF in extension":     ok + "Transfer-Encoding: chunked\r\n\r\n5;\nhello\r\n0\r\n\r\n",
		"CR in extension":          ok + "Transfer-Encoding: chunked\r\n\r\n5;\rx\r\nhello\r\n0\r\n\r\n",
		"bare LF after chunk":      ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n",
		"bad trailer":              ok + "Transfer-Encoding: chunked\r\n\r\n0\r\nX\r\n\r\n",
		"large header":             ok + "X: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
		"many headers":             ok + strings.Repeat("X: y\r\n", 11000) + "\r\n",
		"large interim":            "HTTP/1.1 103 Early Hints\r\nX: " + strings.Repeat("x", 40<<10) + "\r\n\r\n" + ok + "X: " + strings.Repeat("x", 40<<10) + "\r\n\r\n",
		"large trailer":            ok + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
		"endless line":             strings.Repeat("x", 100<<10),
	} {
		t.Run(name, func(t *testing.T) {
			resp, _, err := parse(t, "GET", text)
			if err == nil {
				t.Fatalf("read as status %d with %d bytes", resp.Status, len(resp.Body))
			}
			if name == "nothing" != errors.Is(err, io.EOF) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestResponseIsReused(t *testing.T) {
	var resp Response
	d := reader{}
	read := func(text string) {
		t.Helper()
		d.source = strings.NewReader(text)
		if _, err := d.read("GET", testBodyLimit, &resp); err != nil {
			t.Fatal(err)
		}
	}
	read("HTTP/1.1 200 OK\r\nset-cookie: a\r\nContent-Length: 1\r\nSet-Cookie: b\r\n\r\n1")
	if got := resp.Header["Set-Cookie"]; !slices.Equal(got, []string{"a", "b"}) || string(resp.Body) != "1" {
		t.Errorf("%v", resp)
	}
	read("HTTP/1.1 404 OK\r\nX-A: a\r\nContent-Length: 2\r\n\r\n22")
	want := http.Header{"X-A": {"a"}, "Content-Length": {"2"}}
	if !maps.EqualFunc(resp.Header, want, slices.Equal) || resp.Status != 404 || string(resp.Body) != "22" {
		t.Errorf("%v", resp)
	}
	resp.Reset()
	if resp.Status != 0 || len(resp.Header) != 0 || len(resp.Body) != 0 {
		t.Errorf("after Reset: %v", resp)
	}
}

func TestRequest(t *testing.T) {
	r := Request{
		Method: "POST", Host: "a.test", Path: "/x?y=%20", Body: []byte("hello"),
		Header: [][2]string{{"X-Secret", "s1"}, {"x-secret", ""}, {"X-Secret", "s1"}},
	}
	if err := r.validate(); err != nil {
		t.Fatal(err)
	}
	const want = "POST /x?y=%20 HTTP/1.1\r\nHost: a.test\r\nX-Secret: s1\r\nx-secret: \r\nX-Secret: s1\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
	if got := string(r.appendTo(nil, true)); got != want {
		t.Errorf("request %q", got)
	}
	if got := string(get.appendTo(nil, false)); got != "GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n" {
		t.Errorf("request %q", got)
	}
	for name, bad := range map[string]Request{
		"method":         {Method: "GE T", Host: "a", Path: "/"},
		"no method":      {Host: "a", Path: "/"},
		"tunnel":         {Method: "CONNECT", Host: "a", Path: "/"},
		"host":           {Method: "GET", Host: "a\r\nX: y", Path: "/"},
		"no host":        {Method: "GET", Path: "/"},
		"path":           {Method: "GET", Host: "a", Path: "/ HTTP/1.1\r\n"},
		"relative path":  {Method: "GET", Host: "a", Path: "x"},
		"header name":    {Method: "GET", Host: "a", Path: "/", Header: [][2]string{{"X:", "y"}}},
		"header value":   {Method: "GET", Host: "a", Path: "/", Header: [][2]string{{"X", "y\r\nZ: secret"}}},
		"framing":        {Method: "GET", Host: "a", Path: "/", Header: [][2]string{{"content-LENGTH", "5"}}},
		"other framing":  {Method: "GET", Host: "a", Path: "/", Header: [][2]string{{"Transfer-Encoding", "chunked"}}},
		"second host":    {Method: "GET", Host: "a", Path: "/", Header: [][2]string{{"host", "b"}}},
		"the connection": {Method: "GET", Host: "a", Path: "/", Header: [][2]string{{"connection", "close"}}},
	} {
		err := bad.validate()
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows a header's value: %v", name, err)
		}
	}
}

// FuzzReadResponse compares with the same bytes one at a time, and with
// net/http: what the pool accepts, net/http must read the same.
func FuzzReadResponse(f *testing.F) {
	for _, text := range []string{
		small,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: a\r\nX: b\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: u\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404 Not Found\r\n\r\ngone",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nConnection: close\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\n\n",
		"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
	} {
		f.Add(text, false)
	}
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true)
	f.Fuzz(func(t *testing.T, text string, head bool) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		resp, reusable, err := parse(t, method, text)
		if err != nil {
			return
		}
		status, header, body, closes, err := standard(method, text)
		if err != nil {
			t.Fatalf("accepted, but net/http says: %v", err)
		}
		if resp.Status != status || !bytes.Equal(resp.Body, body) {
			t.Fatalf("status %d and %q, but net/http has %d and %q", resp.Status, resp.Body, status, body)
		}
		for name, values := range header {
			if !slices.Equal(resp.Header[name], values) {
				t.Fatalf("header %s is %q, but net/http has %q", name, resp.Header[name], values)
			}
		}
		if reusable && closes {
			t.Fatal("reusable, but net/http would close")
		}
	})
}

func standard(method, text string) (status int, header http.Header, body []byte, closes bool, err error) {
	r := bufio.NewReader(strings.NewReader(text))
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return 0, nil, nil, false, err
		}
		if resp.StatusCode >= 100 && resp.StatusCode < 200 {
			continue // has no body to close
		}
		body, err := io.ReadAll(resp.Body)
		return resp.StatusCode, resp.Header, body, resp.Close, errors.Join(err, resp.Body.Close())
	}
}
