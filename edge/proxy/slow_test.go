package proxy

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/wire"
)

var (
	originAt = netip.MustParseAddrPort("127.0.0.1:80")
	proxyAt  = netip.MustParseAddrPort("127.0.0.1:8080")
)

const rtt = 2 * time.Millisecond

// slow runs a test in virtual time, with a proxy before an origin.
func slow(t *testing.T, handler http.HandlerFunc, test func(t *testing.T, p *Proxy, dial func() net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network, err := wire.NewModel(wire.Link{RTT: rtt})
		if err != nil {
			t.Fatal(err)
		}
		origin := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
		p, err := New(Config{Edge: edge.Config{
			Host: "origin.test", Pool: pool.Config{Reuse: true}, Cache: cache.Config{Capacity: 1 << 20},
			Target: pool.Target{Address: originAt, Dialer: wire.Dialer{Network: network}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 2)
		for at, serve := range map[netip.AddrPort]func(net.Listener) error{originAt: origin.Serve, proxyAt: p.Serve} {
			listener, err := network.Listen(at)
			if err != nil {
				t.Fatal(err)
			}
			go func() { served <- serve(listener) }()
		}
		test(t, p, func() net.Conn {
			conn, err := network.Dial(t.Context(), netip.Addr{}, proxyAt)
			if err != nil {
				t.Fatal(err)
			}
			return conn
		})
		if err := errors.Join(p.Shutdown(t.Context()), origin.Close(), <-served, <-served); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		time.Sleep(time.Minute) // handlers of the origin that nobody waits for
	})
}

// Who is slow is told so when the time is over, and cut off.
func TestSlowViewers(t *testing.T) {
	for name, c := range map[string]struct {
		sent, want string
		after      time.Duration
	}{
		"half a line":      {"GET / HT", "HTTP/1.1 408 ", 10 * time.Second},
		"half a header":    {"GET / HTTP/1.1\r\nHost: s\r\nX", "HTTP/1.1 408 ", 10 * time.Second},
		"half the content": {"POST / HTTP/1.1\r\nHost: s\r\nContent-Length: 10\r\n\r\nfour", "HTTP/1.1 408 ", 30 * time.Second},
		"half a chunk":     {"POST / HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\na\r\nfour", "HTTP/1.1 408 ", 30 * time.Second},
		"nothing":          {"", "", 10 * time.Second},
		"nothing more":     {"GET / HTTP/1.1\r\nHost: s\r\n\r\n", "HTTP/1.1 200 ", 75 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			read := func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					panic(http.ErrAbortHandler)
				}
				_, _ = io.WriteString(w, "ok")
			}
			slow(t, read, func(t *testing.T, _ *Proxy, dial func() net.Conn) {
				conn := dial()
				start := time.Now()
				if _, err := io.WriteString(conn, c.sent); err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(conn)
				took := time.Since(start)
				if err != nil || !strings.HasPrefix(string(got), c.want) || (c.want == "") != (len(got) == 0) {
					t.Errorf("answered %q, %v", got, err)
				}
				if took < c.after || took > c.after+time.Second {
					t.Errorf("ended after %s, want %s", took, c.after)
				}
				_ = conn.Close()
			})
		})
	}
}

// Content that comes slowly, but comes, has all the time.
func TestSteadyUpload(t *testing.T) {
	count := func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil || n != 10 {
			t.Errorf("%d bytes, %v", n, err)
		}
		_, _ = io.WriteString(w, "ok")
	}
	slow(t, count, func(t *testing.T, _ *Proxy, dial func() net.Conn) {
		conn := dial()
		start := time.Now()
		for i, piece := range []string{"POST / HTTP/1.1\r\nHost: s\r\nConnection: close\r\nContent-Length: 10\r\n\r\n", "ab", "cd", "ef", "gh", "ij"} {
			if i > 0 {
				time.Sleep(20 * time.Second)
			}
			if _, err := io.WriteString(conn, piece); err != nil {
				t.Fatal(err)
			}
		}
		got, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 200 ") || time.Since(start) < 100*time.Second {
			t.Errorf("after %s: %q, %v", time.Since(start), got, err)
		}
		_ = conn.Close()
	})
}

// An answer that comes before the request is at its end is whole, although
// nobody reads the rest of the request.
func TestEarlyAnswer(t *testing.T) {
	refuse := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "6")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		for _, piece := range []string{"too", "big"} {
			_, _ = io.WriteString(w, piece)
			_ = http.NewResponseController(w).Flush()
			time.Sleep(5 * time.Second)
		}
	}
	slow(t, refuse, func(t *testing.T, _ *Proxy, dial func() net.Conn) {
		conn := dial()
		if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: s\r\nContent-Length: 1000000\r\n\r\nfour"); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 413 ") || !strings.HasSuffix(string(got), "\r\n\r\ntoobig") {
			t.Errorf("answered %q, %v", got, err)
		}
		_ = conn.Close()
	})
}

// Content that the origin sends slowly reaches the viewer as it comes.
func TestSlowOrigin(t *testing.T) {
	for _, length := range []string{"", "9"} {
		trickle := func(w http.ResponseWriter, _ *http.Request) {
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			w.Header().Set("Cache-Control", "max-age=600")
			for range 3 {
				_, _ = io.WriteString(w, "abc")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(25 * time.Second)
			}
		}
		slow(t, trickle, func(t *testing.T, _ *Proxy, dial func() net.Conn) {
			conn := dial()
			start := time.Now()
			if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\nHost: s\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			all := make([]byte, 4096)
			text := ""
			for i := range 3 {
				for !strings.Contains(text, "\r\n\r\n"+strings.Repeat("abc", i+1)) {
					n, err := conn.Read(all)
					if err != nil {
						t.Fatalf("%q, %v", text, err)
					}
					text += string(all[:n])
				}
				if at := time.Since(start) - time.Duration(i)*25*time.Second; at < 0 || at > time.Second {
					t.Errorf("piece %d came %s late", i, at)
				}
			}
			_ = conn.Close()
		})
	}
}

// A viewer that leaves takes nothing from another, and what it began goes on.
func TestViewerLeaves(t *testing.T) {
	late := func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(10 * time.Second)
		w.Header().Set("Cache-Control", "max-age=600")
		_, _ = io.WriteString(w, "late")
	}
	slow(t, late, func(t *testing.T, p *Proxy, dial func() net.Conn) {
		const request = "GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n"
		leaver, stayer := dial(), dial()
		for _, conn := range []net.Conn{leaver, stayer} {
			if _, err := io.WriteString(conn, request); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		_ = leaver.Close()
		got, err := io.ReadAll(stayer)
		if err != nil || !strings.HasSuffix(string(got), "late") || !strings.Contains(string(got), ";collapsed") {
			t.Errorf("who stayed got %q, %v", got, err)
		}
		_ = stayer.Close()
		synctest.Wait()
		if s := p.Stats(); s.Cache.Fetches != 1 || s.Cache.Stored != 1 || p.counts.left.Load() != 1 {
			t.Errorf("%+v, %d left", s.Cache, p.counts.left.Load())
		}
	})
}

// Shutdown lets an answer come to its end, and cuts it off when its own time is
// over.
func TestDrain(t *testing.T) {
	for name, c := range map[string]struct {
		patience time.Duration
		whole    bool
	}{"in time": {time.Minute, true}, "out of time": {5 * time.Second, false}} {
		t.Run(name, func(t *testing.T) {
			late := func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "8")
				_, _ = io.WriteString(w, "half")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(10 * time.Second)
				_, _ = io.WriteString(w, "full")
			}
			slow(t, late, func(t *testing.T, p *Proxy, dial func() net.Conn) {
				busy, idle := dial(), dial()
				if _, err := io.WriteString(busy, "GET / HTTP/1.1\r\nHost: s\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), c.patience)
				defer cancel()
				drained := make(chan error, 1)
				go func() { drained <- p.Shutdown(ctx) }()
				got, _ := io.ReadAll(busy) // cut off or not, its text says
				if strings.HasSuffix(string(got), "halffull") != c.whole || !strings.Contains(string(got), "half") {
					t.Errorf("the viewer got %q", got)
				}
				if err := <-drained; (err == nil) != c.whole {
					t.Errorf("drained: %v", err)
				}
				if rest, err := io.ReadAll(idle); err != nil || len(rest) != 0 {
					t.Errorf("an idle viewer got %q, %v", rest, err)
				}
				_, _ = busy.Close(), idle.Close()
			})
		})
	}
}
