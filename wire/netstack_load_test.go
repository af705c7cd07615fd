package wire

import (
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestNetstackEdges connects from 2,000 addresses of a CDN's prefix, and the
// origin sees every one of them.
func TestNetstackEdges(t *testing.T) {
	const edges, together, within = 2000, 100, 5 * time.Second
	p := openPath(t, Link{Kind: "netstack", RTT: 50 * ms})
	l, err := p.Listen(farOrigin)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[netip.Addr]bool{}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for range edges {
			c, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			seen[netip.MustParseAddrPort(c.RemoteAddr().String()).Addr()] = true
			_ = c.Close() // it was counted
		}
	})
	start := time.Now()
	var dialing sync.WaitGroup
	queue := make(chan netip.Addr)
	for range together {
		dialing.Go(func() {
			for source := range queue {
				c, err := p.Dial(t.Context(), source, farOrigin)
				if err == nil {
					err = c.Close()
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range edges {
		queue <- netip.AddrFrom4([4]byte{130, 176, byte(i >> 8), byte(i)})
	}
	close(queue)
	dialing.Wait()
	took := time.Since(start)
	if t.Failed() {
		_ = l.Close() // who did not connect will not be accepted
	}
	accepting.Wait()
	if err := l.Close(); err != nil && !t.Failed() {
		t.Error(err)
	}
	if len(seen) != edges {
		t.Errorf("the origin saw %d addresses of %d", len(seen), edges)
	}
	testify(t, "3-edges", "%d edges of as many addresses in 130.176.0.0/16 connected in %.2f s over a round trip of 50 ms, %d at once: at most %s are allowed.", edges, took.Seconds(), together, within)
	if *evidence != "" && took > within {
		t.Errorf("%d edges took %s, more than %s", edges, took, within)
	}
}

// TestNetstackConnections goes through all ports of one address twice, where it
// is to give evidence: an ended connection keeps its port for a second, not for
// a minute.
func TestNetstackConnections(t *testing.T) {
	n := 2000
	if *evidence != "" {
		n = 100_000
	}
	p := openPath(t, Link{Kind: "netstack"})
	at, stop := origin(t, p, farOrigin, nil)
	defer stop()
	start := time.Now()
	for range n {
		if _, err := pullOnce(t.Context(), Dialer{Network: p, Source: edgeA}, at, nil); err != nil {
			t.Fatal(err)
		}
	}
	stats := p.TakeStats()
	testify(t, "4-connections", "%d connections one after the other from one address, a request on each: %.0f a second. An ended one keeps its port for %s.", n, float64(n)/time.Since(start).Seconds(), stats.TimeWait)
	if stats.TimeWait <= 0 || stats.TimeWait > 2*time.Second {
		t.Errorf("an ended connection keeps its port for %s", stats.TimeWait)
	}
}

// TestNetstackSoak makes 200 requests a second, each on a connection of its own,
// and wants no more goroutines and no more memory at the end than after warming
// up: for a minute, where it is to give evidence.
func TestNetstackSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("it goes by the clock")
	}
	const rate = 200
	warm, whole := 1, 3
	if *evidence != "" {
		warm, whole = 10, 60
	}
	p := openPath(t, Link{Kind: "netstack", RTT: 20 * ms})
	at, stop := origin(t, p, farOrigin, nil)
	defer stop()
	goroutines, memory := 0, int64(0)
	soaking := soak{t: t, p: p, at: at}
	soaking.run(rate, warm)
	goroutines, memory = soaking.left()
	soaking.run(rate, whole-warm)
	moreGoroutines, moreMemory := soaking.left()
	testify(t, "5-soak", "%d s at %d requests a second, each on a connection of its own, %d in all: %d goroutines after the first %d s and %d at the end, %d KiB and %d KiB held.",
		whole, rate, rate*whole, goroutines, warm, moreGoroutines, memory>>10, moreMemory>>10)
	if moreGoroutines > goroutines {
		t.Errorf("%d goroutines became %d", goroutines, moreGoroutines)
	}
	// What the runtime's own books differ by; a leak of 1 KiB a connection would
	// be more, even in the shorter run.
	if !raced && moreMemory > memory+max(memory/10, 300<<10) {
		t.Errorf("%d bytes became %d", memory, moreMemory)
	}
}

// soak is a load at a steady rate.
type soak struct {
	t  *testing.T
	p  *Path
	at netip.AddrPort
}

func (s soak) run(rate, seconds int) {
	var pulls sync.WaitGroup
	start := time.Now()
	for i := range rate * seconds {
		if err := wait(s.t.Context(), time.Until(start.Add(time.Duration(i)*time.Second/time.Duration(rate)))); err != nil {
			s.t.Fatal(err)
		}
		pulls.Go(func() {
			if _, err := pullOnce(s.t.Context(), Dialer{Network: s.p, Source: edgeA}, s.at, nil); err != nil {
				s.t.Error(err)
			}
		})
	}
	pulls.Wait()
}

// left waits until ended connections have given up their ports, and counts.
func (s soak) left() (goroutines int, memory int64) {
	if err := wait(s.t.Context(), 2*timeWait); err != nil {
		s.t.Fatal(err)
	}
	for range 100 { // the last ones are on their way out
		runtime.Gosched()
	}
	return runtime.NumGoroutine(), held()
}
