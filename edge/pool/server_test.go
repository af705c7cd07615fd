package pool

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/originpull/originpull/wire"
)

// standardOrigin is net/http on loopback, under TLS.
type standardOrigin struct {
	at          netip.AddrPort
	server      *http.Server
	served      sync.WaitGroup
	connections atomic.Int64
}

func serveStandard(t testing.TB, l *lab, handler http.HandlerFunc) *standardOrigin {
	t.Helper()
	return serveStandardOn(t, wire.Direct{}, loopback, l, handler, 0)
}

// serveStandardOn serves h2 too; streams is how many at once, 0 as net/http
// has it.
func serveStandardOn(t testing.TB, network wire.Network, at netip.AddrPort, l *lab, handler http.HandlerFunc, streams int) *standardOrigin {
	t.Helper()
	listener, err := network.Listen(at)
	if err != nil {
		t.Fatal(err)
	}
	o := &standardOrigin{at: listener.Addr().(*net.TCPAddr).AddrPort()}
	cfg := l.server.Clone()
	cfg.NextProtos = []string{"h2", "http/1.1"}
	o.server = &http.Server{
		Handler: handler, ErrorLog: log.New(io.Discard, "", 0),
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: streams},
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				o.connections.Add(1)
			}
		},
	}
	o.served.Go(func() {
		if err := o.server.Serve(tls.NewListener(listener, cfg)); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return o
}

func (o *standardOrigin) stop(t testing.TB, p *Pool) Stats {
	t.Helper()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := o.server.Close(); err != nil {
		t.Error(err)
	}
	o.served.Wait()
	s := p.Stats()
	reconcile(t, s)
	if got := o.connections.Load(); got != s.Connects {
		t.Errorf("the origin accepted %d connections, the pool counts %d", got, s.Connects)
	}
	return s
}

// page answers by path as net/http does it.
func page(w http.ResponseWriter, r *http.Request) {
	size, _ := strconv.Atoi(r.URL.Query().Get("size"))
	body := bytes.Repeat([]byte("x"), size)
	switch r.URL.Path {
	case "/chunked":
		for len(body) > 0 {
			n := min(len(body), 7000)
			_, _ = w.Write(body[:n])
			_ = http.NewResponseController(w).Flush()
			body = body[n:]
		}
		return
	case "/hints":
		w.Header().Set("Link", "</x>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
	case "/none":
		w.WriteHeader(http.StatusNoContent)
		return
	case "/unchanged":
		w.WriteHeader(http.StatusNotModified)
		return
	case "/close":
		w.Header().Set("Connection", "close")
	case "/echo":
		body, _ = io.ReadAll(r.Body)
	}
	w.Header().Set("X-Seen", r.Header.Get("X-Secret")+" "+r.Host)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

func TestStandardOrigin(t *testing.T) {
	for _, spoken := range []struct {
		version  string
		protocol Protocol
	}{{"1.2", H1}, {"1.3", H1}, {"1.2", H2}, {"1.3", H2}} {
		t.Run(spoken.version+" "+string(spoken.protocol), func(t *testing.T) {
			l := newLab(t)
			o := serveStandard(t, l, page)
			p := newPool(t, Config{Reuse: true})
			target := l.target(o.at, "one", wire.Profile{Version: spoken.version, Group: "x25519"})
			target.Protocol = spoken.protocol
			var resp Response
			connections := int64(1)
			for _, test := range []struct {
				method, path string
				body         int // sent
				status, size int
				closes       bool
			}{
				{"GET", "/?size=0", 0, 200, 0, false},
				{"GET", "/?size=100", 0, 200, 100, false},
				{"GET", "/?size=4000", 0, 200, 4000, false},
				{"GET", "/?size=3000000", 0, 200, 3000000, false},
				{"HEAD", "/?size=3000", 0, 200, 0, false},
				{"GET", "/hints?size=10", 0, 200, 10, false},
				{"GET", "/chunked?size=100000", 0, 200, 100000, false},
				{"GET", "/none", 0, 204, 0, false},
				{"GET", "/unchanged", 0, 304, 0, false},
				{"POST", "/echo", 10, 200, 10, false},
				{"POST", "/echo", 200000, 200, 200000, false},
				{"POST", "/echo", 0, 200, 0, false},
				{"DELETE", "/?size=1", 0, 200, 1, false},
				{"GET", "/close?size=10", 0, 200, 10, true},
				{"GET", "/?size=100", 0, 200, 100, false},
			} {
				req := &Request{
					Method: test.method, Host: "viewer.test", Path: test.path,
					Header: [][2]string{{"X-Secret", "s"}}, Body: bytes.Repeat([]byte("x"), test.body),
				}
				x, err := p.Do(t.Context(), target, req, &resp)
				if err != nil {
					t.Fatal(err)
				}
				if resp.Status != test.status || len(resp.Body) != test.size || bytes.Count(resp.Body, []byte("x")) != test.size {
					t.Errorf("%s %s: status %d, %d bytes", test.method, test.path, resp.Status, len(resp.Body))
				}
				if seen := resp.Header.Get("X-Seen"); test.status == 200 && test.path != "/chunked?size=100000" && seen != "s viewer.test" {
					t.Errorf("%s %s: the origin saw %q", test.method, test.path, seen)
				}
				if s := p.Stats(); s.Connects != connections || x.Remote != o.at || !x.Local.IsValid() {
					t.Errorf("%s %s: %d connects instead of %d; exchange %+v", test.method, test.path, s.Connects, connections, x)
				}
				if test.closes {
					connections++
				}
			}
			s := o.stop(t, p)
			if s.Closed[ReasonOrigin] != 1 || s.HandshakesFull != 2 || s.StaleRetries != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// TestOneConnectionPerRequest is reuse turned off.
func TestOneConnectionPerRequest(t *testing.T) {
	l := newLab(t)
	o := serveStandard(t, l, page)
	p := newPool(t, Config{})
	target := l.target(o.at, "one", wire.Profile{Version: "1.3", Group: "x25519"})
	for range 5 {
		var resp Response
		x, err := p.Do(t.Context(), target, get, &resp)
		if err != nil || x.Reused || x.Trace == nil || x.Trace.FirstByteTurns != 3 || resp.Header.Get("Connection") != "close" {
			t.Errorf("exchange %+v, header %v: %v", x, resp.Header, err)
		}
	}
	if s := o.stop(t, p); s.Closed[ReasonOnce] != 5 || s.HandshakesFull != 5 || s.Reused != 0 || s.MaxOpen != 1 {
		t.Errorf("stats %+v", s)
	}
}

// TestManyAtOnce is a workload for the race detector: more workers than
// connections, some of whom give up.
func TestManyAtOnce(t *testing.T) {
	l := newLab(t)
	o := serveStandard(t, l, page)
	p := newPool(t, Config{Reuse: true, MaxConnections: 3})
	targets := []*Target{
		l.target(o.at, "one", wire.Profile{Version: "1.3", Group: "x25519", Resumption: true}),
		l.target(o.at, "two", wire.Profile{Version: "1.2", Group: "p256"}),
		l.h2Target(o.at, "one", wire.Profile{Version: "1.3", Group: "x25519"}),
	}
	var wg sync.WaitGroup
	var served, left atomic.Int64
	for worker := range 12 {
		wg.Go(func() {
			var resp Response
			for i := range 40 {
				ctx, cancel := context.WithCancel(t.Context())
				if (worker+i)%13 == 0 {
					go cancel()
				}
				req := &Request{Method: "GET", Host: originName, Path: "/?size=" + strconv.Itoa(worker*1000+i)}
				x, err := p.Do(ctx, targets[worker%3], req, &resp)
				switch {
				case err == nil && len(resp.Body) == worker*1000+i:
					served.Add(1)
				case errors.Is(err, context.Canceled):
					left.Add(1)
				default:
					t.Errorf("exchange %+v, %d bytes: %v", x, len(resp.Body), err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	s := p.Stats()
	if served.Load()+left.Load() != 12*40 || s.MaxOpen > 9 {
		t.Errorf("%d served, %d left; stats %+v", served.Load(), left.Load(), s)
	}
	if s := o.stop(t, p); s.Reused == 0 || s.Waits == 0 || s.HandshakesFailed > left.Load() {
		t.Errorf("stats %+v", s)
	}
}

// TestRefusedOverSockets is TLS 1.3's late refusal where a reset may overtake
// the alert.
func TestRefusedOverSockets(t *testing.T) {
	l := newLab(t)
	o := serveStandard(t, l, page)
	p := newPool(t, Config{Reuse: true})
	var resp Response
	x, err := p.Do(t.Context(), l.target(o.at, "", wire.Profile{Version: "1.3", Group: "x25519"}), get, &resp)
	if err == nil || x.Retried || x.Trace == nil || !x.FirstByte.IsZero() {
		t.Fatalf("exchange %+v: %v", x, err)
	}
	want := StageHTTP
	if isAlert(err) {
		want = StageTLS
	}
	if x.Failed != want {
		t.Errorf("failed at %q: %v", x.Failed, err)
	}
	o.stop(t, p)
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []Config{{IdleTimeout: -1}, {DialTimeout: -1}, {HandshakeTimeout: -1}, {ResponseTimeout: -1}, {MaxConnections: -1}, {MaxBody: -1}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v accepted", cfg)
		}
	}
}
