package pool

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/originpull/originpull/wire"
)

// bubble runs f over a modelled link in virtual time.
func bubble(t *testing.T, f func(t *testing.T, network *wire.Model)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network, err := wire.NewModel(wire.Link{RTT: rtt})
		if err != nil {
			t.Fatal(err)
		}
		f(t, network)
	})
}

func plain(network wire.Network) *Target {
	return &Target{Address: modelled, Dialer: wire.Dialer{Network: network}}
}

// TestRoundTrips is what the pool saves: a reused connection costs one round
// trip, a new one three or four.
func TestRoundTrips(t *testing.T) {
	for _, test := range []struct {
		profile wire.Profile
		trips   []time.Duration // to the first byte, of a new connection and its successor
	}{
		{wire.Profile{Version: "1.2", Group: "x25519"}, []time.Duration{4, 4}},
		{wire.Profile{Version: "1.2", Group: "x25519", Resumption: true}, []time.Duration{4, 3}},
		{wire.Profile{Version: "1.3", Group: "x25519"}, []time.Duration{3, 3}},
		{wire.Profile{Version: "1.3", Group: "x25519", Resumption: true}, []time.Duration{3, 3}},
	} {
		for _, identity := range []string{"", "one"} {
			bubble(t, func(t *testing.T, network *wire.Model) {
				l := newLab(t)
				if identity == "" {
					l.server.ClientAuth = 0
				}
				o := serve(t, network, modelled, under(l.server, always))
				p := newPool(t, Config{Reuse: true})
				target := l.target(modelled, identity, test.profile)
				target.Dialer.Network = network
				for i, trips := range test.trips {
					x := do(t, p, target)
					if x.Reused || x.Trace == nil || x.FirstByte.Sub(x.Start) != trips*rtt || x.Trace.FirstByte != trips*rtt {
						t.Errorf("%+v, new connection %d: reused %v, first byte after %s instead of %d × %s",
							test.profile, i, x.Reused, x.FirstByte.Sub(x.Start), trips, rtt)
					}
					if want := test.profile.Resumption && i > 0; x.Trace.Resumed != want {
						t.Errorf("%+v, new connection %d: resumed %v", test.profile, i, x.Trace.Resumed)
					}
					x = do(t, p, target)
					if !x.Reused || x.Trace != nil || x.FirstByte.Sub(x.Start) != rtt {
						t.Errorf("%+v, reused connection %d: reused %v, first byte after %s", test.profile, i, x.Reused, x.FirstByte.Sub(x.Start))
					}
					p.CloseIdle()
				}
				s := done(t, p, o)
				if s.Closed[ReasonPool] != 2 || s.Requests != 4 || s.Reused != 2 || s.MaxOpen != 1 {
					t.Errorf("stats %+v", s)
				}
			})
		}
	}
}

func TestIdleTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		o := serve(t, network, modelled, always)
		p := newPool(t, Config{Reuse: true, IdleTimeout: 5 * time.Second})
		target := plain(network)
		do(t, p, target)
		for _, idle := range []time.Duration{4900 * time.Millisecond, 4999 * time.Millisecond} {
			time.Sleep(idle)
			if x := do(t, p, target); !x.Reused {
				t.Errorf("not reused after %s", idle)
			}
		}
		time.Sleep(5*time.Second - 1)
		synctest.Wait()
		if s := p.Stats(); s.Open != 1 || s.IdleClosed != 0 {
			t.Errorf("just before the timeout: %+v", s)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if s := p.Stats(); s.Open != 0 || s.IdleClosed != 1 {
			t.Errorf("at the timeout: %+v", s)
		}
		time.Sleep(100 * time.Millisecond)
		if x := do(t, p, target); x.Reused || x.Retried {
			t.Errorf("reused after 5.1 s: %+v", x)
		}
		s := done(t, p, o)
		if s.Connects != 2 || s.Reused != 2 || s.StaleRetries != 0 || s.Closed[ReasonPool] != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestIdleTimeoutOfSeveral has connections become idle one after another; the
// one used last is reused, so the other expires on its own time.
func TestIdleTimeoutOfSeveral(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		o := serve(t, network, modelled, always)
		p := newPool(t, Config{Reuse: true, IdleTimeout: 5 * time.Second})
		target := plain(network)
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * rtt / 2)
				do(t, p, target)
			})
		}
		wg.Wait()
		if s := p.Stats(); s.Open != 2 || s.MaxOpen != 2 {
			t.Fatalf("two at once: %+v", s)
		}
		start := time.Now()
		var ends []time.Duration
		for range 10 {
			time.Sleep(900 * time.Millisecond)
			if x := do(t, p, target); !x.Reused {
				t.Error("not reused")
			}
			if s := p.Stats(); s.IdleClosed == 1 && ends == nil {
				ends = append(ends, time.Since(start))
			}
		}
		if !slices.Equal(ends, []time.Duration{5 * time.Second}) {
			t.Errorf("the connection that was used first was closed at %v", ends)
		}
		if s := done(t, p, o); s.IdleClosed != 1 || s.Reused != 10 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestWaitersComeInOrder holds one connection that answers after a second.
func TestWaitersComeInOrder(t *testing.T) {
	for _, reuse := range []bool{true, false} {
		bubble(t, func(t *testing.T, network *wire.Model) {
			o := serve(t, network, modelled, func(_ int, conn net.Conn) {
				r := bufio.NewReader(conn)
				for readRequest(r) == nil {
					time.Sleep(time.Second)
					if _, err := io.WriteString(conn, small); err != nil {
						return
					}
				}
			})
			p := newPool(t, Config{Reuse: reuse, MaxConnections: 1})
			target := plain(network)
			var mu sync.Mutex
			var order []int
			var wg sync.WaitGroup
			const n = 6
			for i := range n {
				wg.Go(func() {
					time.Sleep(time.Duration(i) * time.Millisecond)
					x := do(t, p, target)
					mu.Lock()
					defer mu.Unlock()
					order = append(order, i)
					each := time.Second + rtt
					if !reuse {
						each += rtt // TCP connect
					}
					want := time.Duration(i)*each - time.Duration(i)*time.Millisecond
					if reuse && i > 0 {
						want += rtt // the first one's connect
					}
					if x.Wait != want || x.Reused != (reuse && i > 0) {
						t.Errorf("reuse %v: request %d waited %s instead of %s, reused %v", reuse, i, x.Wait, want, x.Reused)
					}
				})
			}
			wg.Wait()
			if !slices.IsSorted(order) || len(order) != n {
				t.Errorf("order %v", order)
			}
			s := done(t, p, o)
			if s.MaxOpen != 1 || s.Waits != n-1 || s.Requests != n {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestWaiterLeaves(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		release := make(chan struct{})
		o := serve(t, network, modelled, func(_ int, conn net.Conn) {
			r := bufio.NewReader(conn)
			for readRequest(r) == nil {
				<-release
				if _, err := io.WriteString(conn, small); err != nil {
					return
				}
			}
		})
		p := newPool(t, Config{Reuse: true, MaxConnections: 1})
		target := plain(network)
		var wg sync.WaitGroup
		wg.Go(func() { do(t, p, target) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wg.Go(func() {
			var resp Response
			x, err := p.Do(ctx, target, get, &resp)
			failed(t, x, err, StageWait)
			if !errors.Is(err, context.DeadlineExceeded) || x.Wait != time.Second || x.Local.IsValid() {
				t.Errorf("%v after %s", err, x.Wait)
			}
		})
		synctest.Wait()
		wg.Go(func() { do(t, p, target) }) // behind the one that leaves
		time.Sleep(2 * time.Second)
		close(release)
		wg.Wait()
		s := done(t, p, o)
		if s.Waits != 2 || s.Requests != 2 || s.Reused != 1 || s.Connects != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestTurnAndLeaveAtOnce cancels a waiter in the moment its turn comes: the
// connection must not be lost.
func TestTurnAndLeaveAtOnce(t *testing.T) {
	for range 50 {
		bubble(t, func(t *testing.T, network *wire.Model) {
			o := serve(t, network, modelled, always)
			p := newPool(t, Config{Reuse: true, MaxConnections: 1})
			target := plain(network)
			var wg sync.WaitGroup
			wg.Go(func() { do(t, p, target) })
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), 2*rtt) // connect and request
			defer cancel()
			wg.Go(func() {
				var resp Response
				if _, err := p.Do(ctx, target, get, &resp); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("left, but %v", err)
				}
			})
			wg.Wait()
			do(t, p, target)
			done(t, p, o)
		})
	}
}

func TestTimeouts(t *testing.T) {
	silent := func(_ int, conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
	for _, test := range []struct {
		name   string
		cfg    Config
		stage  Stage
		after  time.Duration
		tls    bool
		listen bool
		ctx    time.Duration
	}{
		{name: "tcp", cfg: Config{DialTimeout: rtt / 2}, stage: StageTCP, after: rtt / 2},
		{name: "refused", stage: StageTCP, after: rtt},
		{name: "tls", cfg: Config{HandshakeTimeout: time.Second}, stage: StageTLS, after: rtt + time.Second, tls: true, listen: true},
		{name: "tls by default", stage: StageTLS, after: rtt + 5*time.Second, tls: true, listen: true},
		{name: "http", cfg: Config{ResponseTimeout: 2 * time.Second}, stage: StageHTTP, after: rtt + 2*time.Second, listen: true},
		{name: "http by default", stage: StageHTTP, after: rtt + 30*time.Second, listen: true},
		{name: "context in http", stage: StageHTTP, after: 3 * time.Second, listen: true, ctx: 3 * time.Second},
		{name: "context in tls", stage: StageTLS, after: 3 * time.Second, listen: true, tls: true, ctx: 3 * time.Second},
		{name: "context in tcp", stage: StageTCP, after: rtt/4 + dialGrace, ctx: rtt / 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, network *wire.Model) {
				test.cfg.Reuse = true
				p := newPool(t, test.cfg)
				target := plain(network)
				if test.tls {
					target = newLab(t).target(modelled, "one", wire.Profile{Version: "1.3", Group: "x25519"})
					target.Dialer.Network = network
				}
				var o *scripted
				if test.listen {
					o = serve(t, network, modelled, silent)
				}
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if test.ctx > 0 {
					ctx, cancel = context.WithTimeout(ctx, test.ctx)
				}
				defer cancel()
				start := time.Now()
				var resp Response
				x, err := p.Do(ctx, target, get, &resp)
				failed(t, x, err, test.stage)
				if got := time.Since(start); got != test.after {
					t.Errorf("after %s instead of %s: %v", got, test.after, err)
				}
				if test.ctx > 0 && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the context's error is lost: %v", err)
				}
				if x.Retried || x.Local.IsValid() != test.listen {
					t.Errorf("exchange %+v", x)
				}
				// Of what the origin never answered nobody can tell whether it saw it.
				stats := p.Stats()
				if givenUp := test.stage == StageTCP && test.name != "refused"; (stats.GivenUp == 1) != givenUp || (stats.Unheard == 1) != test.listen {
					t.Errorf("given up %d, unheard %d", stats.GivenUp, stats.Unheard)
				}
				if o != nil {
					done(t, p, o)
					return
				}
				if err := p.Close(); err != nil {
					t.Error(err)
				}
				reconcile(t, p.Stats())
			})
		})
	}
}

// TestClose closes while one request is served, one dials and one waits.
func TestClose(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		o := serve(t, network, modelled, func(_ int, conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
		p := newPool(t, Config{Reuse: true, MaxConnections: 2})
		target := plain(network)
		stages := make(chan Stage, 3)
		var wg sync.WaitGroup
		pull := func() {
			var resp Response
			x, err := p.Do(t.Context(), target, get, &resp)
			if !errors.Is(err, ErrClosed) {
				t.Errorf("stage %q: %v", x.Failed, err)
			}
			stages <- x.Failed
		}
		wg.Go(pull)
		time.Sleep(time.Second)
		wg.Go(pull)
		wg.Go(pull)
		time.Sleep(rtt / 2)
		start := time.Now()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if time.Since(start) != dialGrace {
			t.Errorf("Close took %s", time.Since(start))
		}
		wg.Wait()
		got := []Stage{<-stages, <-stages, <-stages}
		slices.Sort(got)
		if !slices.Equal(got, []Stage{StageHTTP, StageTCP, StageWait}) {
			t.Errorf("stages %q", got)
		}
		var resp Response
		if _, err := p.Do(t.Context(), target, get, &resp); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		done(t, p, o)
	})
}
