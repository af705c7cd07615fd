package pool

import (
	"bufio"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/originpull/originpull/wire"
)

// once answers one request and lets then go on with the connection; later
// connections are answered always.
func once(then func(conn net.Conn, r *bufio.Reader)) script {
	return func(n int, conn net.Conn) {
		if n > 0 {
			always(n, conn)
			return
		}
		r := bufio.NewReader(conn)
		if readRequest(r) != nil {
			return
		}
		if _, err := io.WriteString(conn, small); err != nil {
			return
		}
		then(conn, r)
	}
}

// TestStaleIsNoticed has the origin spoil an idle connection before it is
// reused. Nothing is sent on it, so every method may follow.
func TestStaleIsNoticed(t *testing.T) {
	for name, spoil := range map[string]func(net.Conn, *bufio.Reader){
		"closed":    func(conn net.Conn, _ *bufio.Reader) { _ = conn.Close() },
		"unasked":   func(conn net.Conn, r *bufio.Reader) { _, _ = io.WriteString(conn, small); _, _ = r.ReadByte() },
		"half sent": func(conn net.Conn, r *bufio.Reader) { _, _ = io.WriteString(conn, "H"); _, _ = r.ReadByte() },
	} {
		for _, secure := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T, network *wire.Model) {
					l, target, s := newLab(t), plain(network), once(func(conn net.Conn, r *bufio.Reader) {
						time.Sleep(time.Second)
						spoil(conn, r)
					})
					if secure {
						target = l.target(modelled, "one", wire.Profile{Version: "1.3", Group: "x25519"})
						target.Dialer.Network = network
						s = under(l.server, s)
					}
					o := serve(t, network, modelled, s)
					p := newPool(t, Config{Reuse: true})
					do(t, p, target)
					time.Sleep(2 * time.Second)
					synctest.Wait()
					var resp Response
					x, err := p.Do(t.Context(), target, &Request{Method: "POST", Host: originName, Path: "/"}, &resp)
					if err != nil || x.Reused || x.Retried || string(resp.Body) != "hello" {
						t.Errorf("exchange %+v: %v", x, err)
					}
					stats := done(t, p, o)
					if stats.Closed[ReasonStale] != 1 || stats.StaleRetries != 0 || stats.Requests != 2 || stats.Reused != 0 {
						t.Errorf("stats %+v", stats)
					}
				})
			})
		}
	}
}

// TestStaleIsRetriedWhenSafe has the origin's end cross the request: the
// connection looks fit when it is reused.
func TestStaleIsRetriedWhenSafe(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "PATCH"} {
		for _, secure := range []bool{false, true} {
			t.Run(method, func(t *testing.T) {
				safe := method != "POST" && method != "PATCH"
				bubble(t, func(t *testing.T, network *wire.Model) {
					l, target, s := newLab(t), plain(network), once(func(net.Conn, *bufio.Reader) { time.Sleep(time.Second) })
					if secure {
						target = l.target(modelled, "one", wire.Profile{Version: "1.2", Group: "x25519"})
						target.Dialer.Network = network
						s = under(l.server, s)
					}
					o := serve(t, network, modelled, s)
					p := newPool(t, Config{Reuse: true, MaxConnections: 1})
					do(t, p, target)
					// The reply took rtt/2 to arrive; its origin closes a
					// second after it left.
					time.Sleep(time.Second - rtt/2 + rtt/4)
					var resp Response
					x, err := p.Do(t.Context(), target, &Request{Method: method, Host: originName, Path: "/"}, &resp)
					stats := p.Stats()
					if safe {
						want := "hello"
						if method == "HEAD" {
							want = ""
						}
						if err != nil || !x.Retried || x.Reused || x.Trace == nil || string(resp.Body) != want || stats.StaleRetries != 1 || stats.Connects != 2 {
							t.Errorf("exchange %+v, body %q: %v; stats %+v", x, resp.Body, err, stats)
						}
					} else {
						failed(t, x, err, StageHTTP)
						if x.Retried || !x.Reused || stats.StaleRetries != 0 || stats.Connects != 1 {
							t.Errorf("exchange %+v; stats %+v", x, stats)
						}
						do(t, p, target) // its place is free again
					}
					done(t, p, o)
				})
			})
		}
	}
}

// TestNoRetry is what looks like a stale connection but is none.
func TestNoRetry(t *testing.T) {
	for name, s := range map[string]script{
		"first byte had arrived": once(func(conn net.Conn, r *bufio.Reader) {
			_ = readRequest(r)
			_, _ = io.WriteString(conn, "H")
		}),
		"fresh connection": func(_ int, conn net.Conn) {
			_ = readRequest(bufio.NewReader(conn))
		},
		"timeout": once(func(_ net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) }),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, network *wire.Model) {
				o := serve(t, network, modelled, s)
				p := newPool(t, Config{Reuse: true, ResponseTimeout: time.Second})
				target := plain(network)
				if name != "fresh connection" {
					do(t, p, target)
				}
				var resp Response
				x, err := p.Do(t.Context(), target, get, &resp)
				failed(t, x, err, StageHTTP)
				stats := done(t, p, o)
				if x.Retried || stats.StaleRetries != 0 || stats.Connects != 1 || stats.Closed[ReasonFailed] != 1 {
					t.Errorf("exchange %+v; stats %+v", x, stats)
				}
				if resp.Status != 0 || len(resp.Body) != 0 || len(resp.Header) != 0 {
					t.Errorf("half a response is left: %+v", resp)
				}
			})
		})
	}
}

// TestRetryIsMadeOnce has an origin whose connections all end at their second
// request, and one that is gone.
func TestRetryIsMadeOnce(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		o := serve(t, network, modelled, func(n int, conn net.Conn) {
			r := bufio.NewReader(conn)
			if readRequest(r) != nil || n > 0 {
				return
			}
			_, _ = io.WriteString(conn, small)
			_ = readRequest(r)
		})
		p := newPool(t, Config{Reuse: true})
		target := plain(network)
		do(t, p, target)
		var resp Response
		x, err := p.Do(t.Context(), target, get, &resp)
		failed(t, x, err, StageHTTP)
		stats := done(t, p, o)
		if !x.Retried || stats.StaleRetries != 1 || stats.Connects != 2 || stats.Requests != 3 || stats.Reused != 1 {
			t.Errorf("exchange %+v; stats %+v", x, stats)
		}
	})
}
