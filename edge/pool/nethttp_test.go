package pool

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"maps"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/originpull/originpull/wire"
)

// rounds asks n times at once, again and again, and waits between.
func rounds(t *testing.T, p *Pool, target *Target, n int) {
	t.Helper()
	for range 3 {
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				var resp Response
				if x, err := p.Do(t.Context(), target, get, &resp); err != nil || resp.Status != 200 {
					t.Errorf("%+v: %v", x, err)
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
	}
}

// TestNetHTTPKeepsTwo: beyond two requests at once, net/http's default throws
// away the connections that the next ones dial again.
func TestNetHTTPKeepsTwo(t *testing.T) {
	slow := func(_ int, conn net.Conn) {
		r := bufio.NewReader(conn)
		for readRequest(r) == nil {
			time.Sleep(time.Second) // longer than a dial: nobody comes by another's connection
			if _, err := conn.Write(smallBytes); err != nil {
				return
			}
		}
	}
	for _, test := range []struct {
		name                      string
		cfg                       Config
		connects, reused, surplus int64
	}{
		{"own", Config{}, 6, 12, 0},
		{"default", Config{Kind: NetHTTP}, 6 + 4 + 4, 2 + 2, 12},
		{"tuned", Config{Kind: NetHTTP, MaxIdlePerHost: 6}, 6, 12, 0},
		{"limited", Config{Kind: NetHTTP, MaxConnections: 6, MaxIdlePerHost: 5}, 6 + 1 + 1, 10, 3},
	} {
		for _, identity := range []string{"", "one"} {
			t.Run(test.name+identity, func(t *testing.T) {
				bubble(t, func(t *testing.T, network *wire.Model) {
					target, answer := plain(network), slow
					if identity != "" {
						l := newLab(t)
						target = l.target(modelled, identity, wire.Profile{Version: "1.3", Group: "x25519"})
						target.Dialer.Network, answer = network, under(l.server, slow)
					}
					o := serve(t, network, modelled, answer)
					test.cfg.Reuse = true
					p := newPool(t, test.cfg)
					rounds(t, p, target, 6)
					s := done(t, p, o)
					if s.Requests != 18 || s.Connects != test.connects || s.Reused != test.reused || s.Closed[ReasonSurplus] != test.surplus {
						t.Errorf("%+v", s)
					}
				})
			})
		}
	}
}

// TestNetHTTPDialsWhatNobodyUses: a request that waits for its dial takes the
// connection that another has done with; the one dialled for it is counted all
// the same, with the tickets that its origin sent.
func TestNetHTTPDialsWhatNobodyUses(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		l := newLab(t)
		var counted sync.Mutex
		var sent int64 // of handshakes, by the origin
		o := serve(t, network, modelled, func(n int, conn net.Conn) {
			stream := wire.Accepted(conn)
			stream.FollowRecords()
			under(l.server, func(n int, conn net.Conn) {
				if handshake, ok := conn.(interface{ HandshakeContext(context.Context) error }); ok && handshake.HandshakeContext(t.Context()) == nil {
					counted.Lock()
					n, _ := stream.Handed()
					sent += n
					counted.Unlock()
				}
				always(n, conn)
			})(n, stream)
		})
		p := newPool(t, Config{Kind: NetHTTP, Reuse: true, MaxIdlePerHost: 2})
		target := l.target(modelled, "one", wire.Profile{Version: "1.3", Group: "x25519", Resumption: true})
		target.Dialer.Network = network
		x := do(t, p, target)
		if x.Reused || x.Trace == nil || x.Trace.Turns != 1 || x.Trace.FirstByte != 3*rtt || x.FirstByte.Sub(x.Start) != 3*rtt {
			t.Errorf("the first: %+v, %+v", x, x.Trace)
		}
		rounds(t, p, target, 4)
		s := done(t, p, o)
		unused := s.PerConnection[0] // which of several that are ready at once is taken is the scheduler's to say
		if s.Connects != 8 || unused == 0 || s.Requests-s.Reused != s.Connects-unused || s.HandshakesFull != 1 || s.HandshakesResumed != 7 {
			t.Errorf("%+v", s)
		}
		if s.HandshakeReceived != sent {
			t.Errorf("%d bytes of handshakes received, %d sent", s.HandshakeReceived, sent)
		}
	})
}

func TestNetHTTPLosesTheRaceToo(t *testing.T) {
	for method, want := range map[string]Stats{
		"GET":  {RaceLost: 1, StaleRetries: 1, Closed: map[string]int64{ReasonStale: 1, ReasonPool: 1}},
		"POST": {RaceLost: 1, Unsafe: 1, Closed: map[string]int64{ReasonStale: 1}},
		"PUT":  {RaceLost: 1, Unsafe: 1, Closed: map[string]int64{ReasonStale: 1}}, // idempotent; net/http does not send it again
	} {
		t.Run(method, func(t *testing.T) {
			bubble(t, func(t *testing.T, network *wire.Model) {
				o := serve(t, network, modelled, once(func(net.Conn, *bufio.Reader) { time.Sleep(time.Second) }))
				p := newPool(t, Config{Kind: NetHTTP, Reuse: true})
				target := plain(network)
				do(t, p, target)
				time.Sleep(time.Second - rtt/4)
				var resp Response
				x, err := p.Do(t.Context(), target, &Request{Method: method, Host: originName, Path: "/"}, &resp)
				if (err == nil) != (method == "GET") || x.Retried != (method == "GET") || err != nil && x.Failed != StageHTTP {
					t.Errorf("exchange %+v: %v", x, err)
				}
				s := done(t, p, o)
				if s.RaceLost != want.RaceLost || s.Unsafe != want.Unsafe || s.StaleRetries != want.StaleRetries || !maps.Equal(s.Closed, want.Closed) {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

func TestNetHTTPNoticesAndExpires(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		o := serve(t, network, modelled, once(func(net.Conn, *bufio.Reader) { time.Sleep(time.Second) }))
		p := newPool(t, Config{Kind: NetHTTP, Reuse: true, IdleTimeout: 500 * time.Millisecond})
		target := plain(network)
		do(t, p, target)
		time.Sleep(600 * time.Millisecond)
		if x := do(t, p, target); x.Reused {
			t.Error("reused after its idle timeout")
		}
		if s := done(t, p, o); s.Closed[ReasonIdle] != 1 || s.IdleClosed != 1 || s.RaceNoticed != 0 {
			t.Errorf("stats %+v", s)
		}
		o = serve(t, network, modelled, once(func(net.Conn, *bufio.Reader) { time.Sleep(time.Second) }))
		p = newPool(t, Config{Kind: NetHTTP, Reuse: true})
		do(t, p, target)
		time.Sleep(2 * time.Second)
		if x := do(t, p, target); x.Reused || x.Retried {
			t.Errorf("reused after the origin had closed: %+v", x)
		}
		if s := done(t, p, o); s.Closed[ReasonStale] != 1 || s.RaceNoticed != 1 || s.RaceLost != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestNetHTTPFailures have the same stages as the pool's own.
func TestNetHTTPFailures(t *testing.T) {
	tls13 := wire.Profile{Version: "1.3", Group: "x25519"}
	bubble(t, func(t *testing.T, network *wire.Model) {
		l := newLab(t)
		ask := func(target *Target, cfg Config, s script, stage Stage) Stats {
			t.Helper()
			cfg.Kind, cfg.Reuse = NetHTTP, true
			o := serve(t, network, modelled, s)
			p := newPool(t, cfg)
			target.Dialer.Network = network
			var resp Response
			x, err := p.Do(t.Context(), target, get, &resp)
			failed(t, x, err, stage)
			return done(t, p, o)
		}
		if s := ask(l.target(modelled, "", tls13), Config{}, under(l.server, always), StageTLS); s.HandshakesFailed != 1 {
			t.Errorf("a refused client: %+v", s)
		}
		stranger := l.target(modelled, "one", tls13)
		stranger.ServerName = "other.test"
		if s := ask(stranger, Config{}, under(l.server, always), StageTLS); s.HandshakesFailed != 1 || s.Requests != 0 {
			t.Errorf("a server of another name: %+v", s)
		}
		if s := ask(plain(network), Config{ResponseTimeout: time.Second}, func(_ int, conn net.Conn) { _, _ = conn.Read(make([]byte, 1<<10)); time.Sleep(2 * time.Second) }, StageHTTP); s.Closed[ReasonFailed] != 1 {
			t.Errorf("a silent origin: %+v", s)
		}
		if s := ask(plain(network), Config{MaxBody: 4}, always, StageHTTP); s.Closed[ReasonFailed] != 1 {
			t.Errorf("a long answer: %+v", s)
		}
		nowhere := plain(network)
		nowhere.Dialer.Network = network
		p := newPool(t, Config{Kind: NetHTTP})
		var resp Response
		x, err := p.Do(t.Context(), nowhere, get, &resp)
		failed(t, x, err, StageTCP)
		nowhere.Protocol = H2
		x, err = p.Do(t.Context(), nowhere, get, &resp)
		failed(t, x, err, StageWait)
		_, x, err = p.Open(t.Context(), plain(network), get)
		failed(t, x, err, StageWait)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if x, err = p.Do(t.Context(), plain(network), get, &resp); !errors.Is(err, ErrClosed) {
			t.Errorf("%+v: %v", x, err)
		}
	})
}

// TestNetHTTPSendsWhatOwnSends, byte for byte but for the order of headers.
func TestNetHTTPSendsWhatOwnSends(t *testing.T) {
	seen := map[Kind]string{}
	for _, kind := range []Kind{Own, NetHTTP} {
		bubble(t, func(t *testing.T, network *wire.Model) {
			o := serve(t, network, modelled, func(_ int, conn net.Conn) {
				var b [1 << 10]byte
				n, err := conn.Read(b[:])
				if err != nil {
					t.Error(err)
				}
				seen[kind] = string(bytes.TrimSpace(b[:n]))
				_, _ = conn.Write(smallBytes)
			})
			p := newPool(t, Config{Kind: kind, Reuse: true})
			var resp Response
			req := &Request{Method: "GET", Host: originName, Path: "/a%2Fb?c=d//e", Header: [][2]string{{"X-One", "1"}}}
			if _, err := p.Do(t.Context(), plain(network), req, &resp); err != nil || string(resp.Body) != "hello" || resp.Header.Get("Content-Length") != "5" {
				t.Errorf("%+v: %v", resp, err)
			}
			done(t, p, o)
		})
	}
	if seen[Own] != seen[NetHTTP] {
		t.Errorf("own sends %q, net/http %q", seen[Own], seen[NetHTTP])
	}
}

func TestNetHTTPRefusesWhatItCannotHonour(t *testing.T) {
	for _, test := range []struct {
		cfg  Config
		want string
	}{
		{Config{Kind: "other"}, `pool: unknown kind "other": use own or nethttp`},
		{Config{MaxIdlePerHost: 3}, "pool: a maximum of idle connections belongs to the nethttp pool: the own one keeps all"},
		{Config{Kind: NetHTTP, MaxIdlePerHost: -1}, "pool: at most -1 idle connections: use 0 for net/http's default"},
		{Config{Kind: NetHTTP, MaxAge: 1}, "pool: net/http's pool has no setting for a maximum age: leave it out, or use the own pool"},
		{Config{Kind: NetHTTP, MaxUses: 1}, "pool: net/http's pool has no setting for a maximum of uses: leave it out, or use the own pool"},
		{Config{Kind: NetHTTP, Order: FIFO}, "pool: net/http's pool has no setting for the order fifo: leave it out, or use the own pool"},
		{Config{Kind: NetHTTP, Prewarm: 1}, "pool: net/http's pool has no setting for connections made beforehand: leave it out, or use the own pool"},
		{Config{Kind: NetHTTP, MaxWaiting: 1}, "pool: net/http's pool has no setting for a maximum of waiting requests: leave it out, or use the own pool"},
		{Config{Kind: NetHTTP, WaitTimeout: 1}, "pool: net/http's pool has no setting for a wait timeout: leave it out, or use the own pool"},
		{Config{Kind: NetHTTP, Retry: Retry{Attempts: 1}}, "pool: net/http's pool has no setting for retry rules of its own: leave it out, or use the own pool"},
		{Config{Kind: NetHTTP, Circuit: Circuit{Failures: 1}}, "pool: net/http's pool has no setting for a circuit: leave it out, or use the own pool"},
	} {
		if _, err := New(test.cfg); err == nil || err.Error() != test.want {
			t.Errorf("%+v: %v, want %s", test.cfg, err, test.want)
		}
	}
}
