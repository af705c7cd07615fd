package proxy

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A thousand viewers who ask for one object at once are one request at the
// origin. Where they may not share its answer they are one each, and wait for
// the first answer, but not for each other's.
func TestColdBurst(t *testing.T) {
	const viewers, takes = 1000, time.Second
	for name, c := range map[string]struct {
		control  string
		requests int64
		longest  time.Duration
	}{
		"cacheable":   {"max-age=60", 1, takes},
		"uncacheable": {"no-store", viewers, 2 * takes},
	} {
		t.Run(name, func(t *testing.T) {
			var requests, most, now atomic.Int64
			answer := func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				for n := now.Add(1); n > most.Load(); {
					most.Store(n)
				}
				time.Sleep(takes)
				now.Add(-1)
				w.Header().Set("Cache-Control", c.control)
				_, _ = io.WriteString(w, "object")
			}
			slow(t, answer, func(t *testing.T, p *Proxy, dial func() net.Conn) {
				conns := make([]net.Conn, viewers)
				for i := range conns {
					conns[i] = dial()
				}
				start := time.Now()
				for _, conn := range conns {
					if _, err := io.WriteString(conn, "GET /o HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n"); err != nil {
						t.Fatal(err)
					}
				}
				for i, conn := range conns {
					got, err := io.ReadAll(conn)
					if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 200 ") || !strings.HasSuffix(string(got), "\r\n\r\nobject") {
						t.Fatalf("viewer %d got %q, %v", i, got, err)
					}
					_ = conn.Close()
				}
				if took := time.Since(start); took < c.longest || took > c.longest+takes/2 {
					t.Errorf("the last viewer waited %s, want %s", took, c.longest)
				}
				if n := requests.Load(); n != c.requests {
					t.Errorf("%d requests at the origin, want %d", n, c.requests)
				}
				if n := most.Load(); n != max(1, c.requests-1) {
					t.Errorf("at most %d requests at once", n)
				}
				if s := p.Stats().Cache; s.Fetches != c.requests {
					t.Errorf("cache %+v", s)
				}
			})
		})
	}
}
