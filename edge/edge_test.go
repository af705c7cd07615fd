package edge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/wire"
)

const (
	rtt        = 100 * time.Millisecond
	originName = "origin.test"
)

var at = netip.MustParseAddrPort("127.0.0.1:4433")

// lab is an origin with mutual TLS 1.3 behind a modelled link.
type lab struct {
	target  pool.Target
	server  *http.Server
	served  sync.WaitGroup
	mu      sync.Mutex
	headers []http.Header // of every request, in order
	hosts   []string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	return newLabWith(t, "1.3", nil)
}

// newLabWith has another TLS version, and an origin that change has changed.
func newLabWith(t *testing.T, version string, change func(*tls.Config)) *lab {
	t.Helper()
	authority, err := pki.New(pki.Config{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	issue := func(name string, usage pki.Usage) []tls.Certificate {
		issued, err := authority.Issue(pki.Request{Name: name, Usage: usage, DNSNames: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := issued.TLS()
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{certificate}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.Roots())
	network, err := wire.NewModel(wire.Link{RTT: rtt})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := network.Listen(at)
	if err != nil {
		t.Fatal(err)
	}
	profile := wire.Profile{Version: version, Group: "x25519"}
	l := &lab{target: pool.Target{
		Address: at, ServerName: originName, Identity: "edge",
		TLS:    profile.Client(&tls.Config{RootCAs: roots, Certificates: issue("edge.test", pki.ClientAuth)}),
		Dialer: wire.Dialer{Network: network},
	}}
	l.server = &http.Server{Handler: http.HandlerFunc(l.answer), ErrorLog: log.New(io.Discard, "", 0)}
	config := profile.Server(&tls.Config{
		Certificates: issue(originName, pki.ServerAuth), ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert,
	})
	if change != nil {
		change(config)
	}
	secure := tls.NewListener(listener, config)
	l.served.Go(func() {
		if err := l.server.Serve(secure); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return l
}

// answer makes what is under /fresh cacheable for ten seconds. /late takes
// longer than any test waits, /once-late does the first time, and /broken
// breaks off.
func (l *lab) answer(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.headers, l.hosts = append(l.headers, r.Header), append(l.hosts, r.Host)
	first := len(l.headers) == 1
	l.mu.Unlock()
	switch {
	case r.URL.Path == "/late", r.URL.Path == "/once-late" && first:
		select {
		case <-r.Context().Done():
		case <-time.After(time.Hour):
		}
	case r.URL.Path == "/broken":
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "half")
		panic(http.ErrAbortHandler)
	}
	if strings.HasPrefix(r.URL.Path, "/fresh") {
		w.Header().Set("Cache-Control", "max-age=10")
	}
	_, _ = io.WriteString(w, r.Method+" "+r.URL.Path)
}

func (l *lab) requests() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.headers)
}

// bubble runs f in virtual time with an edge in front of a lab.
func bubble(t *testing.T, cfg Config, f func(t *testing.T, l *lab, e *Edge)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		cfg.Target, cfg.Host = l.target, originName
		e, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		f(t, l, e)
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if err := l.server.Close(); err != nil {
			t.Error(err)
		}
		l.served.Wait()
		s := e.Stats().Pool
		if s.Connects != s.HandshakesFull+s.HandshakesResumed+s.HandshakesFailed || s.Open != 0 {
			t.Errorf("counts do not reconcile: %+v", s)
		}
	})
}

// TestPrewarm: the first viewer finds a connection.
func TestPrewarm(t *testing.T) {
	bubble(t, Config{Pool: pool.Config{Reuse: true, Prewarm: 2}}, func(t *testing.T, _ *lab, e *Edge) {
		traces, err := e.Prewarm(t.Context())
		if err != nil || len(traces) != 2 {
			t.Fatal(traces, err)
		}
		if reply, took := pull(t, e, "/"); took != rtt || !reply.Exchange.Reused {
			t.Errorf("took %s, exchange %+v", took, reply.Exchange)
		}
	})
	bubble(t, Config{}, func(t *testing.T, _ *lab, e *Edge) {
		if traces, err := e.Prewarm(t.Context()); err != nil || traces != nil {
			t.Error(traces, err)
		}
	})
}

func pull(t *testing.T, e *Edge, path string) (Reply, time.Duration) {
	t.Helper()
	start := time.Now()
	reply, err := e.Pull(t.Context(), Viewer{Path: path})
	if err != nil {
		t.Error(err)
	}
	if reply.Status != 200 || string(reply.Body) != "GET "+path {
		t.Errorf("%s: status %d, body %q", path, reply.Status, reply.Body)
	}
	return reply, time.Since(start)
}

// TestCollapseAndReuse follows one edge through everything that spares a
// round trip: collapsing, the cache, and the pool.
func TestCollapseAndReuse(t *testing.T) {
	cfg := Config{Pool: pool.Config{Reuse: true}, Cache: cache.Config{Capacity: 1 << 20}}
	bubble(t, cfg, func(t *testing.T, l *lab, e *Edge) {
		const viewers = 10
		var mu sync.Mutex
		outcomes := map[cache.Outcome]int{}
		var wg sync.WaitGroup
		for range viewers {
			wg.Go(func() {
				reply, took := pull(t, e, "/fresh/a")
				if took != 3*rtt {
					t.Errorf("%s: took %s instead of three round trips", reply.Outcome, took)
				}
				if (reply.Exchange != nil) != (reply.Outcome == cache.Miss) {
					t.Errorf("%s: exchange %+v", reply.Outcome, reply.Exchange)
				}
				mu.Lock()
				defer mu.Unlock()
				outcomes[reply.Outcome]++
			})
		}
		wg.Wait()
		if outcomes[cache.Miss] != 1 || outcomes[cache.Collapsed] != viewers-1 {
			t.Errorf("outcomes %v", outcomes)
		}
		for _, step := range []struct {
			path    string
			sleep   time.Duration
			outcome cache.Outcome
			took    time.Duration
		}{
			{path: "/fresh/a", outcome: cache.Hit},
			{path: "/fresh/b", outcome: cache.Miss, took: rtt},
			{path: "/fresh/a", sleep: 9 * time.Second, outcome: cache.Hit},
			{path: "/fresh/a", sleep: time.Second, outcome: cache.Miss, took: rtt},
			{path: "/other", outcome: cache.Pass, took: rtt},
		} {
			time.Sleep(step.sleep)
			reply, took := pull(t, e, step.path)
			if reply.Outcome != step.outcome || took != step.took {
				t.Errorf("%s: %s after %s instead of %s after %s", step.path, reply.Outcome, took, step.outcome, step.took)
			}
			if x := reply.Exchange; (x != nil) != (step.took > 0) || x != nil && (!x.Reused || x.Trace != nil) {
				t.Errorf("%s: exchange %+v", step.path, x)
			}
		}
		s := e.Stats()
		if l.requests() != 4 || s.Pool.Requests != 4 || s.Pool.Connects != 1 || s.Pool.Reused != 3 {
			t.Errorf("%d requests at the origin; stats %+v", l.requests(), s)
		}
		if s.Cache.Hits != 2 || s.Cache.Misses != 3 || s.Cache.Collapsed != viewers-1 || s.Cache.Passes != 1 {
			t.Errorf("stats %+v", s.Cache)
		}
	})
}

// TestWithoutCacheEveryPullGoes is the other extreme: no cache, no reuse.
func TestWithoutCacheEveryPullGoes(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, l *lab, e *Edge) {
		for range 3 {
			reply, took := pull(t, e, "/fresh/a")
			if x := reply.Exchange; reply.Outcome != cache.Pass || x == nil || x.Reused || x.Trace == nil || took != 3*rtt {
				t.Errorf("%s after %s; exchange %+v", reply.Outcome, took, x)
			}
		}
		if s := e.Stats().Pool; l.requests() != 3 || s.Connects != 3 || s.Closed[pool.ReasonOnce] != 3 {
			t.Errorf("%d requests; stats %+v", l.requests(), s)
		}
	})
}

// TestHeaders is what a viewer may tell the origin through the edge.
func TestHeaders(t *testing.T) {
	cfg := Config{Header: [][2]string{{"X-Origin-Verify", "edge"}}}
	bubble(t, cfg, func(t *testing.T, l *lab, e *Edge) {
		viewer := http.Header{
			"X-Origin-Verify":   {"viewer"}, // only the edge sets it
			"Connection":        {"X-Private, x-origin-verify", "close"},
			"X-Private":         {"p"},
			"Te":                {"trailers"},
			"Transfer-Encoding": {"chunked"},
			"Content-Length":    {"7"},
			"Host":              {"viewer.test"},
			"X-Many":            {"a", "b"},
		}
		reply, err := e.Pull(t.Context(), Viewer{Method: "HEAD", Path: "/x", Header: viewer})
		if err != nil || reply.Status != 200 || len(reply.Body) != 0 {
			t.Fatalf("%+v: %v", reply, err)
		}
		if l.hosts[0] != originName {
			t.Errorf("host %q", l.hosts[0])
		}
		got := l.headers[0]
		delete(got, "Connection") // the pool's own
		if len(got) != 2 || strings.Join(got["X-Origin-Verify"], ",") != "edge" || strings.Join(got["X-Many"], ",") != "a,b" {
			t.Errorf("the origin saw %v", got)
		}
		if len(viewer) != 8 {
			t.Errorf("the viewer's header changed: %v", viewer)
		}
	})
}

// TestViewerLeaves has the first of two viewers leave during their fetch.
func TestViewerLeaves(t *testing.T) {
	cfg := Config{Pool: pool.Config{Reuse: true}, Cache: cache.Config{Capacity: 1 << 20}}
	bubble(t, cfg, func(t *testing.T, l *lab, e *Edge) {
		ctx, cancel := context.WithTimeout(t.Context(), rtt)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			reply, err := e.Pull(ctx, Viewer{Path: "/fresh/a"})
			if !errors.Is(err, context.DeadlineExceeded) || reply.Exchange != nil {
				t.Errorf("left with %+v: %v", reply, err)
			}
		})
		synctest.Wait()
		if _, took := pull(t, e, "/fresh/a"); took != 3*rtt {
			t.Errorf("the one who stayed waited %s", took)
		}
		wg.Wait()
		if s := e.Stats().Pool; l.requests() != 1 || s.Requests != 1 {
			t.Errorf("%d requests; stats %+v", l.requests(), s)
		}
	})
}

// TestFailureHasAnExchange is a pull that the origin refuses.
func TestFailureHasAnExchange(t *testing.T) {
	cfg := Config{Pool: pool.Config{Reuse: true}, Cache: cache.Config{Capacity: 1 << 20}}
	bubble(t, cfg, func(t *testing.T, l *lab, e *Edge) {
		cfg.Target, cfg.Host = l.target, originName
		cfg.Target.TLS = cfg.Target.TLS.Clone()
		cfg.Target.TLS.Certificates = nil
		stranger, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		reply, err := stranger.Pull(t.Context(), Viewer{Path: "/fresh/a"})
		if err == nil || reply.Status != 0 || reply.Exchange == nil || reply.Exchange.Failed != pool.StageTLS {
			t.Errorf("%+v: %v", reply, err)
		}
		if err := errors.Join(stranger.Close(), stranger.Close()); err != nil {
			t.Error(err)
		}
		if s := stranger.Stats(); s.Pool.HandshakesFailed != 1 || s.Cache.Stored != 0 {
			t.Errorf("stats %+v", s)
		}
		if _, err := stranger.Pull(t.Context(), Viewer{Path: "/fresh/a"}); err == nil {
			t.Error("a pull after Close")
		}
		if l.requests() != 0 {
			t.Errorf("%d requests reached the origin", l.requests())
		}
		pull(t, e, "/fresh/a")
	})
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no host": {},
		"pool":    {Host: "a", Pool: pool.Config{MaxConnections: -1}},
		"cache":   {Host: "a", Cache: cache.Config{Capacity: -1}},
	} {
		if e, err := New(cfg); err == nil || e != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// A viewer that lends its memory gets the same replies, and a pull without a
// cache then takes none.
func TestScratch(t *testing.T) {
	bubble(t, Config{Pool: pool.Config{Reuse: true}}, func(t *testing.T, _ *lab, e *Edge) {
		var scratch Scratch
		for i, path := range []string{"/a", "/longer", "/b"} {
			reply, err := e.Pull(t.Context(), Viewer{Path: path, Scratch: &scratch})
			if err != nil || reply.Outcome != cache.Pass || string(reply.Body) != "GET "+path || reply.Exchange == nil || reply.Exchange.Reused != (i > 0) {
				t.Errorf("%s: %+v, %v", path, reply, err)
			}
		}
		if s := e.Stats(); s.Cache.Passes != 3 || s.Pool.Requests != 3 {
			t.Errorf("stats %+v", s)
		}
	})
	bubble(t, Config{Pool: pool.Config{Reuse: true}, Cache: cache.Config{Capacity: 1 << 20}}, func(t *testing.T, _ *lab, e *Edge) {
		var scratch Scratch
		for i, want := range []string{"/fresh/a", "/fresh/b", "/fresh/a"} {
			reply, err := e.Pull(t.Context(), Viewer{Path: want, Scratch: &scratch})
			if err != nil || string(reply.Body) != "GET "+want || (reply.Outcome == cache.Hit) != (i == 2) {
				t.Errorf("%s: %+v, %v", want, reply, err)
			}
		}
	})
}
