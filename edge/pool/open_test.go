package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/originpull/originpull/wire"
)

// content is that of a request.
func content(text string) io.ReadCloser { return io.NopCloser(strings.NewReader(text)) }

// both runs a test over h1 and h2.
func both(t *testing.T, handler http.HandlerFunc, test func(t *testing.T, p *Pool, target *Target)) {
	for _, protocol := range []Protocol{H1, H2} {
		t.Run(string(protocol), func(t *testing.T) {
			l := newLab(t)
			o := serveStandard(t, l, handler)
			p := newPool(t, Config{Reuse: true})
			target := l.target(o.at, "one", wire.Profile{Version: "1.3", Group: "x25519"})
			target.Protocol = protocol
			test(t, p, target)
			s := o.stop(t, p)
			if s.Open != 0 {
				t.Errorf("%d connections are open after Close", s.Open)
			}
		})
	}
}

// open reads an answer to its end.
func open(t *testing.T, p *Pool, target *Target, req *Request) (*Answer, string, error) {
	t.Helper()
	answer, x, err := p.Open(t.Context(), target, req)
	if err != nil {
		return nil, "", err
	}
	if x.End.IsZero() || x.Failed != StageNone {
		t.Errorf("exchange %+v", x)
	}
	text, err := io.ReadAll(answer.Content)
	return answer, string(text), errors.Join(err, answer.Content.Close())
}

func TestOpenStandardOrigin(t *testing.T) {
	both(t, page, func(t *testing.T, p *Pool, target *Target) {
		for _, test := range []struct {
			method, path string
			sent         int // -1: of unknown length
			status, size int
		}{
			{"GET", "/?size=0", 0, 200, 0},
			{"GET", "/?size=100", 0, 200, 100},
			{"GET", "/?size=512", 0, 200, 512}, // as much as the first read asks for
			{"GET", "/?size=513", 0, 200, 513},
			{"GET", "/?size=3000000", 0, 200, 3000000},
			{"HEAD", "/?size=3000", 0, 200, 0},
			{"GET", "/hints?size=10", 0, 200, 10},
			{"GET", "/chunked?size=100000", 0, 200, 100000},
			{"GET", "/none", 0, 204, 0},
			{"GET", "/unchanged", 0, 304, 0},
			{"POST", "/echo", 10, 200, 10},
			{"POST", "/echo", 200000, 200, 200000},
			{"POST", "/echo", -200000, 200, 200000},
			{"POST", "/echo", -1, 200, 1},
		} {
			req := &Request{Method: test.method, Host: "viewer.test", Path: test.path, Header: [][2]string{{"X-Secret", "s"}}}
			if test.sent != 0 {
				req.Length = int64(test.sent)
				req.Content = content(strings.Repeat("x", max(test.sent, -test.sent)))
			}
			answer, text, err := open(t, p, target, req)
			if err != nil {
				t.Errorf("%s %s: %v", test.method, test.path, err)
				continue
			}
			if answer.Status != test.status || len(text) != test.size {
				t.Errorf("%s %s: status %d with %d bytes", test.method, test.path, answer.Status, len(text))
			}
		}
		if s := p.Stats(); s.Connects != 1 || s.Reused != 13 {
			t.Errorf("%d connections for 14 requests, %d reused", s.Connects, s.Reused)
		}
	})
}

// Content passes as it comes, both ways, before either side is at its end.
func TestOpenStreams(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_ = c.EnableFullDuplex()
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set("Link", "</x>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(200)
		_ = c.Flush()
		piece := make([]byte, 4)
		for {
			n, err := io.ReadFull(r.Body, piece)
			if n == 0 || err != nil {
				break
			}
			_, _ = w.Write(piece[:n])
			_ = c.Flush()
		}
		w.Header().Set("X-Sum", r.Trailer.Get("X-Asked"))
	}
	both(t, echo, func(t *testing.T, p *Pool, target *Target) {
		r, w := io.Pipe()
		var hints []string
		req := &Request{
			Method: "POST", Host: "h", Path: "/", Content: r, Length: -1, Trailer: http.Header{"X-Asked": nil},
			Interim: func(status int, h http.Header) { hints = append(hints, fmt.Sprint(status, h.Get("Link"))) },
		}
		answer, _, err := p.Open(t.Context(), target, req)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"ping", "pong"} {
			if _, err := w.Write([]byte(word)); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 4)
			if _, err := io.ReadFull(answer.Content, got); err != nil || string(got) != word {
				t.Fatalf("%q came back as %q, %v", word, got, err)
			}
		}
		req.Trailer["X-Asked"] = []string{"sum"}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(answer.Content)
		if err != nil || len(rest) != 0 {
			t.Errorf("the end: %q, %v", rest, err)
		}
		if got := answer.Trailer().Get("X-Sum"); got != "sum" {
			t.Errorf("trailer X-Sum: %q", got)
		}
		if len(hints) != 1 || hints[0] != "103</x>; rel=preload" {
			t.Errorf("interim responses: %q", hints)
		}
	})
}

// waiting is content that comes only when it is closed, and then not.
type waiting struct {
	once   sync.Once
	closed chan struct{}
}

func newWaiting() *waiting { return &waiting{closed: make(chan struct{})} }

func (w *waiting) Read([]byte) (int, error) {
	<-w.closed
	return 0, errors.New("closed")
}

func (w *waiting) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

// An origin that answers before it has all of the request is obeyed: the rest
// is not sent, and over h1 the connection ends.
func TestOpenAnswerBeforeContent(t *testing.T) {
	early := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "2")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_, _ = io.WriteString(w, "no")
		_ = http.NewResponseController(w).Flush()
	}
	both(t, early, func(t *testing.T, p *Pool, target *Target) {
		source := newWaiting()
		answer, text, err := open(t, p, target, &Request{Method: "POST", Host: "h", Path: "/", Content: source, Length: 1 << 20})
		if err != nil || answer.Status != 413 || text != "no" {
			t.Fatalf("%+v, %q, %v", answer, text, err)
		}
		<-source.closed
	})
}

// A request whose content fails is not answered, whatever the origin does.
func TestOpenContentFails(t *testing.T) {
	both(t, page, func(t *testing.T, p *Pool, target *Target) {
		broken := errors.New("the viewer is gone")
		for name, source := range map[string]io.Reader{
			"fails":         io.MultiReader(strings.NewReader("part"), errorReader{broken}),
			"ends too soon": strings.NewReader("part"),
		} {
			answer, _, err := open(t, p, target, &Request{Method: "POST", Host: "h", Path: "/echo", Content: io.NopCloser(source), Length: 100})
			if err == nil {
				t.Errorf("%s: answered with %d", name, answer.Status)
			}
			if name == "fails" && target.Protocol == H1 && !errors.Is(err, broken) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

// Who closes content early, or leaves, ends the exchange and nothing else.
func TestOpenGivenUp(t *testing.T) {
	both(t, page, func(t *testing.T, p *Pool, target *Target) {
		req := &Request{Method: "GET", Host: "h", Path: "/?size=3000000"}
		answer, _, err := p.Open(t.Context(), target, req)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(answer.Content.Close(), answer.Content.Close()); err != nil {
			t.Error(err)
		}
		if _, err := answer.Content.Read(make([]byte, 1)); !errors.Is(err, errGivenUp) {
			t.Errorf("reading what was closed: %v", err)
		}
		// More than HTTP/2 sends ahead: what is here already may be read to its end.
		long := &Request{Method: "GET", Host: "h", Path: "/?size=30000000"}
		ctx, cancel := context.WithCancel(t.Context())
		answer, _, err = p.Open(ctx, target, long)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := io.ReadAll(answer.Content); !errors.Is(err, context.Canceled) {
			t.Errorf("reading after leaving: %v", err)
		}
		if _, text, err := open(t, p, target, req); err != nil || len(text) != 3000000 {
			t.Errorf("another: %d bytes, %v", len(text), err)
		}
	})
}

// What an origin says of its content is held against what it sends.
func TestOpenHalfContent(t *testing.T) {
	for name, c := range map[string]struct {
		response string
		content  string
		err      error // nil = whole
		reused   bool
	}{
		"whole":             {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour", "four", nil, true},
		"less":              {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour", "four", io.ErrUnexpectedEOF, false},
		"more":              {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nfour", "fou", nil, false},
		"until the end":     {"HTTP/1.1 200 OK\r\n\r\nfour", "four", nil, false},
		"chunks":            {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n", "four", nil, true},
		"no last chunk":     {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n", "four", io.ErrUnexpectedEOF, false},
		"no trailer's end":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n", "four", io.ErrUnexpectedEOF, false},
		"half a chunk":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfour", "four", io.ErrUnexpectedEOF, false},
		"a chunk too long":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfour\r\n0\r\n\r\n", "fou", errChunkEnd, false},
		"after the chunks":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n", "four", nil, false},
		"closes by its own": {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nfour", "four", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := serve(t, wire.Direct{}, loopback, func(_ int, conn net.Conn) {
				request := make([]byte, 4096)
				for {
					n, err := conn.Read(request)
					if err != nil || !strings.HasSuffix(string(request[:n]), "\r\n\r\n") {
						return
					}
					if _, err := io.WriteString(conn, c.response); err != nil || !c.reused {
						return
					}
				}
			})
			p := newPool(t, Config{Reuse: true})
			target := &Target{Address: o.at}
			for range 2 {
				_, text, err := open(t, p, target, &Request{Method: "GET", Host: "h", Path: "/"})
				if text != c.content || !errors.Is(err, c.err) {
					t.Errorf("content %q, %v", text, err)
				}
			}
			if s := p.Stats(); s.Reused == 1 != c.reused || s.Requests != 2 {
				t.Errorf("%d of %d requests on a kept connection", s.Reused, s.Requests)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	p := newPool(t, Config{})
	body := &Request{Method: "POST", Host: "h", Path: "/", Content: content("x"), Body: []byte("x")}
	if _, x, err := p.Open(t.Context(), &Target{Address: loopback}, body); err == nil || x.Failed != StageHTTP {
		t.Errorf("two bodies: %v at stage %q", err, x.Failed)
	}
	if _, x, err := p.Open(t.Context(), &Target{Address: loopback, Protocol: H3, TLS: newLab(t).server}, &Request{Method: "GET", Host: "h", Path: "/"}); !errors.Is(err, errNoStreams) || x.Failed != StageWait {
		t.Errorf("h3: %v at stage %q", err, x.Failed)
	}
	var resp Response
	if x, err := p.Do(t.Context(), &Target{Address: loopback}, &Request{Method: "POST", Host: "h", Path: "/", Content: content("x")}, &resp); err == nil || x.Failed != StageHTTP {
		t.Errorf("content for Do: %v at stage %q", err, x.Failed)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Open(t.Context(), &Target{Address: loopback}, &Request{Method: "GET", Host: "h", Path: "/"}); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
