package pool

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/originpull/originpull/wire"
)

// overEach runs f over HTTP/1.1 and HTTP/2, against an origin that takes a
// second to answer.
func overEach(t *testing.T, f func(t *testing.T, o *standardOrigin, target *Target)) {
	t.Helper()
	for _, protocol := range []Protocol{H1, H2} {
		t.Run(string(protocol), func(t *testing.T) {
			bubble(t, func(t *testing.T, network *wire.Model) {
				o, target := modelledH2(t, network, newLab(t), 1, time.Second)
				target.Protocol = protocol
				f(t, o, target)
			})
		})
	}
}

func TestMaxUses(t *testing.T) {
	overEach(t, func(t *testing.T, o *standardOrigin, target *Target) {
		p := newPool(t, Config{Reuse: true, MaxUses: 3})
		for i := range 7 {
			if x := do(t, p, target); x.Reused != (i%3 > 0) {
				t.Errorf("request %d: reused %v", i, x.Reused)
			}
		}
		s := o.stop(t, p)
		if s.Closed[ReasonUses] != 2 || !maps.Equal(s.PerConnection, map[int64]int64{3: 2, 1: 1}) {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestMaxAge: a connection is of use until it is that old, and is then closed
// while it idles, or after the request that it carries.
func TestMaxAge(t *testing.T) {
	overEach(t, func(t *testing.T, o *standardOrigin, target *Target) {
		p := newPool(t, Config{Reuse: true, MaxAge: time.Minute, IdleTimeout: time.Hour})
		made := time.Now().Add(rtt) // when the connection is
		do(t, p, target)
		time.Sleep(time.Until(made.Add(30 * time.Second)))
		if x := do(t, p, target); !x.Reused {
			t.Error("not reused in its time")
		}
		time.Sleep(time.Until(made.Add(time.Minute - 1)))
		synctest.Wait()
		if s := p.Stats(); s.Open != 1 {
			t.Errorf("too early: %+v", s)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if s := p.Stats(); s.Open != 0 || s.Closed[ReasonAge] != 1 {
			t.Errorf("too late: %+v", s)
		}
		made = time.Now().Add(rtt)
		do(t, p, target)
		time.Sleep(time.Until(made.Add(time.Minute - time.Millisecond)))
		do(t, p, target) // and longer than its connection may live
		if s := p.Stats(); s.Open != 0 || s.Closed[ReasonAge] != 2 || s.Connects != 2 {
			t.Errorf("stats %+v", s)
		}
		if s := o.stop(t, p); s.Closed[ReasonIdle] != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestAgeEndsBeforeIdling: the timer is moved forward for a connection that
// must go before those that were idle first.
func TestAgeEndsBeforeIdling(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		o := serve(t, network, modelled, func(n int, conn net.Conn) {
			r := bufio.NewReader(conn)
			for readRequest(r) == nil {
				if n == 0 {
					time.Sleep(25 * time.Second)
				}
				if _, err := conn.Write(smallBytes); err != nil {
					return
				}
			}
		})
		p := newPool(t, Config{Reuse: true, MaxAge: 30 * time.Second, IdleTimeout: 20 * time.Second})
		target := plain(network)
		var wg sync.WaitGroup
		start := time.Now()
		wg.Go(func() { do(t, p, target) })
		time.Sleep(15 * time.Second)
		do(t, p, target) // idle until the 35th second
		wg.Wait()
		for _, step := range []struct {
			at   time.Duration
			open int64
		}{{30 * time.Second, 2}, {30*time.Second + rtt, 1}, {35 * time.Second, 1}, {35*time.Second + 3*rtt, 0}} {
			time.Sleep(time.Until(start.Add(step.at)))
			synctest.Wait()
			if s := p.Stats(); s.Open != step.open {
				t.Errorf("after %s: %d open", step.at, s.Open)
			}
		}
		if s := done(t, p, o); s.Closed[ReasonAge] != 1 || s.Closed[ReasonIdle] != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestOrder: of three idle connections, which one is used.
func TestOrder(t *testing.T) {
	for order, want := range map[Order][]int{"": {2, 2, 2, 2}, LIFO: {2, 2, 2, 2}, FIFO: {0, 1, 2, 0}} {
		overEach(t, func(t *testing.T, o *standardOrigin, target *Target) {
			p := newPool(t, Config{Reuse: true, Order: order})
			ports := make([]uint16, 3)
			var wg sync.WaitGroup
			for i := range ports {
				wg.Go(func() { ports[i] = do(t, p, target).Local.Port() })
				time.Sleep(time.Millisecond)
			}
			wg.Wait()
			if target.Protocol == H2 { // those who share a dial fall idle in an order of their own
				for i := range ports {
					ports[i] = do(t, p, target).Local.Port()
				}
				slices.Sort(ports)
				if used := len(slices.Compact(ports)); order == FIFO && used != 3 || order != FIFO && used != 1 {
					t.Errorf("order %q uses %d connections", order, used)
				}
				o.stop(t, p)
				return
			}
			for n, i := range want {
				if x := do(t, p, target); x.Local.Port() != ports[i] {
					t.Errorf("order %q, request %d: port %d of %d, want %d", order, n, x.Local.Port(), ports, ports[i])
				}
			}
			o.stop(t, p)
		})
	}
}

// TestPrewarm: the first request takes one round trip, whatever TLS 1.3 origins
// send unasked.
func TestPrewarm(t *testing.T) {
	overEach(t, func(t *testing.T, o *standardOrigin, target *Target) {
		target.TLS = wire.Profile{Version: "1.3", Group: "x25519", Resumption: true}.Client(target.TLS)
		p := newPool(t, Config{Reuse: true, Prewarm: 3, MaxConnections: 2})
		traces, err := p.Prewarm(t.Context(), target)
		if err != nil || len(traces) != 2 || traces[0].Version != "1.3" || traces[0].ALPN != map[Protocol]string{H2: "h2"}[target.Protocol] {
			t.Fatalf("traces %+v: %v", traces, err)
		}
		s := p.Stats()
		if s.Prewarmed != 2 || s.HandshakesFull != 2 || s.Open != 2 || s.HandshakeSent == 0 {
			t.Errorf("stats %+v", s)
		}
		time.Sleep(time.Second)
		for range 2 {
			start := time.Now()
			if x := do(t, p, target); !x.Reused || x.Trace != nil || x.FirstByte.Sub(start) != rtt+time.Second {
				t.Errorf("exchange %+v", x)
			}
		}
		p.CloseIdle()
		if x := do(t, p, target); !x.Trace.Resumed {
			t.Error("the ticket of a connection made beforehand is lost")
		}
		s = o.stop(t, p)
		if s.Requests != 3 || s.Reused != 2 || s.RaceNoticed != 0 || s.PerConnection[0] == 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestPrewarmedBytes: what a handshake takes does not depend on when it is
// made, nor on whether anything follows; tickets are part of it.
func TestPrewarmedBytes(t *testing.T) {
	overEach(t, func(t *testing.T, o *standardOrigin, target *Target) {
		target.TLS = wire.Profile{Version: "1.3", Group: "x25519", Resumption: true}.Client(target.TLS)
		received := func(prewarm int, use bool) int64 {
			p := newPool(t, Config{Reuse: true, Prewarm: prewarm})
			if _, err := p.Prewarm(t.Context(), target); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if use {
				do(t, p, target)
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			s := p.Stats()
			reconcile(t, s)
			if s.HandshakesFull != 1 {
				t.Errorf("stats %+v", s)
			}
			return s.HandshakeReceived
		}
		want := received(0, true)
		const derSlack = 8
		for _, use := range []bool{true, false} {
			if d := received(1, use) - want; max(d, -d) > derSlack {
				t.Errorf("used %v: %d bytes more than the %d of one made when needed", use, d, want)
			}
		}
		// The origin's goodbye is none of them.
		p := newPool(t, Config{Reuse: true, Prewarm: 1})
		if _, err := p.Prewarm(t.Context(), target); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := o.server.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if d := p.Stats().HandshakeReceived - want; max(d, -d) > derSlack {
			t.Errorf("%d bytes more than %d, with the origin's goodbye", d, want)
		}
		o.served.Wait()
	})
}

// TestPrewarmedAndRefused: only the first request tells.
func TestPrewarmedAndRefused(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		l := newLab(t)
		o := serve(t, network, modelled, under(l.server, always))
		p := newPool(t, Config{Reuse: true, Prewarm: 1})
		target := l.target(modelled, "", modern)
		target.Dialer.Network = network
		if _, err := p.Prewarm(t.Context(), target); err != nil {
			t.Fatal(err)
		}
		var resp Response
		x, err := p.Do(t.Context(), target, get, &resp)
		failed(t, x, err, StageTLS)
		if s := done(t, p, o); s.HandshakesFailed != 1 || s.HandshakesFull != 0 {
			t.Errorf("stats %+v", s)
		}
		for _, cfg := range []Config{
			{Prewarm: 1},              // what is not kept cannot be made beforehand
			{Reuse: true, Prewarm: 2}, // nobody listens any more
		} {
			p := newPool(t, cfg)
			if traces, err := p.Prewarm(t.Context(), target); err == nil || traces != nil {
				t.Errorf("%+v: %v, %v", cfg, traces, err)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestBoundedWaiting: first come, first served, no more than may wait, no
// longer than they may.
func TestBoundedWaiting(t *testing.T) {
	overEach(t, func(t *testing.T, o *standardOrigin, target *Target) {
		p := newPool(t, Config{Reuse: true, MaxConnections: 1, MaxWaiting: 2, WaitTimeout: 1500 * time.Millisecond})
		do(t, p, target)
		type end struct {
			after time.Duration
			stage Stage
			err   error
		}
		ends := make([]end, 5)
		start := time.Now()
		var wg sync.WaitGroup
		for i := range ends {
			wg.Go(func() {
				if i == 4 {
					time.Sleep(1200 * time.Millisecond) // when one has left the queue
				}
				var resp Response
				x, err := p.Do(t.Context(), target, get, &resp)
				ends[i] = end{x.End.Sub(start), x.Failed, err}
			})
			synctest.Wait()
		}
		wg.Wait()
		turn := rtt + time.Second
		for i, want := range []end{
			{turn, StageNone, nil},
			{2 * turn, StageNone, nil},
			{1500 * time.Millisecond, StageWait, os.ErrDeadlineExceeded},
			{0, StageWait, ErrCrowded},
			{3 * turn, StageNone, nil},
		} {
			if got := ends[i]; got.after != want.after || got.stage != want.stage || !errors.Is(got.err, want.err) {
				t.Errorf("request %d: %+v, want %+v", i, got, want)
			}
		}
		s := o.stop(t, p)
		waited := turn + 1500*time.Millisecond + (2*turn - 1200*time.Millisecond)
		if s.Waits != 3 || s.WaitsRefused != 1 || s.WaitTimeouts != 1 || s.WaitNanos < int64(waited) || s.WaitNanos > int64(waited)+int64(rtt)*4 {
			t.Errorf("stats %+v, want %s of waiting", s, waited)
		}
	})
}

// unreliable fails the first dials.
type unreliable struct {
	wire.Network
	mu    sync.Mutex
	fails int
	dials int
}

var errUnreachable = errors.New("the network is unreachable")

func (u *unreliable) Dial(ctx context.Context, source netip.Addr, to netip.AddrPort) (net.Conn, error) {
	u.mu.Lock()
	u.dials++
	fail := u.fails > 0
	u.fails--
	u.mu.Unlock()
	if fail {
		return nil, errUnreachable
	}
	return u.Network.Dial(ctx, source, to)
}

// TestRetryPolicy: which method is sent again after a lost race.
func TestRetryPolicy(t *testing.T) {
	for _, test := range []struct {
		retry  Retry
		method string
		again  bool
		unsafe int64
	}{
		{Retry{}, "PUT", true, 0},
		{Retry{}, "POST", false, 1},
		{Retry{Attempts: 1}, "GET", false, 0},
		{Retry{Methods: []string{"GET"}}, "GET", true, 0},
		{Retry{Methods: []string{"GET"}}, "PUT", false, 1},
		{Retry{Methods: []string{}}, "GET", false, 1},
		{Retry{Methods: []string{"POST"}}, "POST", true, 0},
	} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			bubble(t, func(t *testing.T, network *wire.Model) {
				o := serve(t, network, modelled, once(func(net.Conn, *bufio.Reader) { time.Sleep(time.Second) }))
				p := newPool(t, Config{Reuse: true, Retry: test.retry})
				target := plain(network)
				do(t, p, target)
				time.Sleep(time.Second - rtt/4)
				var resp Response
				x, err := p.Do(t.Context(), target, &Request{Method: test.method, Host: originName, Path: "/"}, &resp)
				if (err == nil) != test.again || x.Retried != test.again {
					t.Errorf("exchange %+v: %v", x, err)
				}
				s := done(t, p, o)
				if s.RaceLost != 1 || s.RaceNoticed != 0 || s.Unsafe != test.unsafe || s.StaleRetries != map[bool]int64{true: 1}[test.again] {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

// TestCircuit opens after failures in a row, probes once, and closes again.
func TestCircuit(t *testing.T) {
	overEach(t, func(t *testing.T, o *standardOrigin, target *Target) {
		network := &unreliable{Network: target.Dialer.Network, fails: 3}
		target.Dialer.Network = network
		p := newPool(t, Config{Circuit: Circuit{Failures: 2, Open: time.Minute}})
		ask := func() error {
			var resp Response
			x, err := p.Do(t.Context(), target, get, &resp)
			if errors.Is(err, ErrCircuitOpen) {
				failed(t, x, err, StageWait)
			}
			return err
		}
		steps := []struct {
			after time.Duration
			want  error
		}{
			{0, errUnreachable},
			{0, errUnreachable}, // opens
			{0, ErrCircuitOpen},
			{time.Minute - 1, ErrCircuitOpen},
			{1, errUnreachable}, // the probe
			{0, ErrCircuitOpen},
			{time.Minute - 1, ErrCircuitOpen},
			{1, nil}, // the second
			{0, nil},
		}
		for i, step := range steps {
			time.Sleep(step.after)
			if err := ask(); !errors.Is(err, step.want) {
				t.Errorf("step %d: %v, want %v", i, err, step.want)
			}
		}
		s := o.stop(t, p)
		if s.CircuitOpened != 2 || s.CircuitRefused != 4 || s.Dials != 5 || network.dials != 5 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestCircuitProbesOnce: while one dial decides, others are refused, and what
// is idle is used all the same.
func TestCircuitProbesOnce(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		o := serve(t, network, modelled, always)
		unreliable := &unreliable{Network: network}
		target := plain(unreliable)
		p := newPool(t, Config{Reuse: true, Circuit: Circuit{Failures: 1, Open: time.Minute}})
		do(t, p, target)
		unreliable.mu.Lock()
		unreliable.fails = 1
		unreliable.mu.Unlock()
		outcomes := func(n int) (ok, open, unreachable int) {
			var mu sync.Mutex
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					var resp Response
					_, err := p.Do(t.Context(), target, get, &resp)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						ok++
					case errors.Is(err, ErrCircuitOpen):
						open++
					case errors.Is(err, errUnreachable):
						unreachable++
					default:
						t.Error(err)
					}
				})
				synctest.Wait()
			}
			wg.Wait()
			return ok, open, unreachable
		}
		if ok, open, unreachable := outcomes(4); ok != 1 || unreachable != 1 || open != 2 {
			t.Errorf("%d ok, %d open, %d unreachable", ok, open, unreachable)
		}
		time.Sleep(time.Minute)
		// One on the idle connection, one the probe, which succeeds.
		if ok, open, unreachable := outcomes(4); ok != 2 || unreachable != 0 || open != 2 {
			t.Errorf("%d ok, %d open, %d unreachable", ok, open, unreachable)
		}
		// It is closed for all, not for one after the other.
		if ok, _, _ := outcomes(6); ok != 6 {
			t.Errorf("%d ok", ok)
		}
		if s := done(t, p, o); s.Dials != 7 || s.CircuitOpened != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestAbandonedProbeDecidesNothing: the next request probes.
func TestAbandonedProbeDecidesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		unreliable := &unreliable{Network: network, fails: 1}
		target := plain(unreliable)
		p := newPool(t, Config{Circuit: Circuit{Failures: 1, Open: time.Minute}})
		var resp Response
		if _, err := p.Do(t.Context(), target, get, &resp); !errors.Is(err, errUnreachable) {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		o := serve(t, network, modelled, always)
		ctx, cancel := context.WithTimeout(t.Context(), rtt/2)
		defer cancel()
		if _, err := p.Do(ctx, target, get, &resp); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		do(t, p, target)
		if s := p.Stats(); s.CircuitOpened != 1 || s.CircuitRefused != 0 {
			t.Errorf("stats %+v", s)
		}
		time.Sleep(time.Second)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		o.stop(t)
	})
}

// TestNoGoroutineIdles: an idle HTTP/1.1 connection costs no goroutine.
func TestNoGoroutineIdles(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		l := newLab(t)
		o := serve(t, network, modelled, under(l.server, always))
		target := l.target(modelled, "one", modern)
		target.Dialer.Network = network
		p := newPool(t, Config{Reuse: true, IdleTimeout: time.Hour})
		burstAlone(t, p, target, 20)
		synctest.Wait()
		if s := p.Stats(); s.Open != 20 {
			t.Fatalf("stats %+v", s)
		}
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for stack := range strings.SplitSeq(string(stacks), "\n\n") {
			if strings.Contains(stack, "crypto/tls.Client") || strings.Contains(stack, "pool.(*conn)") || strings.Contains(stack, "pool.(*lane)") || strings.Contains(stack, "pool.(*Pool)") {
				t.Errorf("a goroutine of the pool's:\n%s", stack)
			}
		}
		done(t, p, o)
	})
}

// burstAlone makes n requests at once.
func burstAlone(t *testing.T, p *Pool, target *Target, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { do(t, p, target) })
	}
	wg.Wait()
}

func TestPolicyIsChecked(t *testing.T) {
	for _, cfg := range []Config{
		{MaxAge: -1},
		{MaxUses: -1},
		{Order: "random"},
		{Prewarm: -1},
		{MaxWaiting: -1},
		{WaitTimeout: -1},
		{Retry: Retry{Attempts: -1}},
		{Circuit: Circuit{Failures: -1}},
		{Circuit: Circuit{Open: -1}},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v accepted", cfg)
		}
	}
}

// TestPollReadsTickets: bytes that are no ticket are noticed all the same.
func TestPollNoticesData(t *testing.T) {
	for name, unasked := range map[string]func(*tls.Conn) error{
		"data": func(c *tls.Conn) error { _, err := c.Write(smallBytes); return err },
		"end":  func(c *tls.Conn) error { return errors.Join(c.Handshake(), c.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, network *wire.Model) {
				l := newLab(t)
				o := serve(t, network, modelled, under(l.server, func(n int, conn net.Conn) {
					if n > 0 {
						always(n, conn)
						return
					}
					if err := unasked(conn.(*tls.Conn)); err != nil {
						t.Error(err)
					}
					_ = readRequest(bufio.NewReader(conn))
				}))
				target := l.target(modelled, "one", wire.Profile{Version: "1.3", Group: "x25519", Resumption: true})
				target.Dialer.Network = network
				p := newPool(t, Config{Reuse: true, Prewarm: 1})
				if _, err := p.Prewarm(t.Context(), target); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				if x := do(t, p, target); x.Reused {
					t.Error("used although the origin spoke or left")
				}
				if s := done(t, p, o); s.RaceNoticed != 1 || s.Closed[ReasonStale] != 1 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}
