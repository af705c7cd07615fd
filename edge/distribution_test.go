package edge

import (
	"errors"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/wire"
)

// distribution runs f in virtual time on a distribution before the lab's origin.
func distribution(t *testing.T, layout Layout, f func(t *testing.T, l *lab, d *Distribution)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		layout.Edge.Target, layout.Edge.Host = l.target, originName
		d, err := NewDistribution(layout)
		if err != nil {
			t.Fatal(err)
		}
		f(t, l, d)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := l.server.Close(); err != nil {
			t.Error(err)
		}
		l.served.Wait()
	})
}

// pullAll asks for every path once, one after the other.
func pullAll(t *testing.T, d *Distribution, paths int) (exchanges int) {
	t.Helper()
	for i := range paths {
		reply, err := d.Pull(t.Context(), Viewer{Path: "/fresh/" + strconv.Itoa(i)})
		if err != nil {
			t.Fatal(err)
		}
		if reply.Exchange != nil {
			exchanges++
		}
	}
	return exchanges
}

func TestPoolsPerScope(t *testing.T) {
	for scope, want := range map[Scope]int64{PerWorker: 12, PerServer: 6, PerSite: 3} {
		layout := Layout{Pops: 3, Seed: 1, Edge: Config{
			Pool: pool.Config{Reuse: true}, Topology: Topology{Servers: 2, Workers: 4, Scope: scope},
		}}
		distribution(t, layout, func(t *testing.T, _ *lab, d *Distribution) {
			pullAll(t, d, 200) // so many that every pool is met
			if got := d.Stats().Pool; got.Connects != want || got.Requests != 200 {
				t.Errorf("%s: %d connections for %d requests, want %d for 200", scope, got.Connects, got.Requests, want)
			}
		})
	}
}

// With a shield, whatever the number of points of presence, only the shield
// dials, and an object is fetched once.
func TestOnlyTheShieldDials(t *testing.T) {
	layout := Layout{Pops: 8, Seed: 1, Shield: &Shield{Cache: cache.Config{Capacity: 1 << 20}}, Edge: Config{
		Pool: pool.Config{Reuse: true}, Cache: cache.Config{Capacity: 1 << 20},
	}}
	distribution(t, layout, func(t *testing.T, l *lab, d *Distribution) {
		exchanges := 0
		for range 20 {
			exchanges += pullAll(t, d, 5)
		}
		s := d.Stats()
		if s.Pool.Connects != 1 || s.Pool.Requests != 5 || exchanges != 5 || l.requests() != 5 {
			t.Errorf("%d connections, %d requests, %d exchanges, %d seen by the origin; want 1, 5, 5, 5",
				s.Pool.Connects, s.Pool.Requests, exchanges, l.requests())
		}
		if s.Shield == nil || s.Shield.Hits == 0 || s.Cache.Hits == 0 {
			t.Errorf("no hits at one of the tiers: %+v, shield %+v", s.Cache, s.Shield)
		}
	})
}

// An object's age at the shield counts at the point of presence.
func TestShieldPassesAgeOn(t *testing.T) {
	layout := Layout{Pops: 2, Seed: 1, Shield: &Shield{Cache: cache.Config{Capacity: 1 << 20}}, Edge: Config{
		Pool: pool.Config{Reuse: true}, Cache: cache.Config{Capacity: 1 << 20},
	}}
	distribution(t, layout, func(t *testing.T, l *lab, d *Distribution) {
		ask := func(pop int) {
			if _, err := d.pops[pop].edges[0].Pull(t.Context(), Viewer{Path: "/fresh/x"}); err != nil {
				t.Fatal(err)
			}
		}
		ask(0)
		time.Sleep(4 * time.Second)
		ask(1) // from the shield, 4 s old
		time.Sleep(7 * time.Second)
		ask(1) // 11 s old: past the 10 s that the origin gave it
		if got := l.requests(); got != 2 {
			t.Errorf("the origin was asked %d times, want 2", got)
		}
	})
}

// A virtual day at one request a second: reuse is what the closed form says.
func TestReuseOverADay(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 86,400 requests")
	}
	const pools, idle, rate = 4, 5 * time.Second, 1.0
	layout := Layout{Seed: 3, Edge: Config{
		Pool: pool.Config{Reuse: true, IdleTimeout: idle}, Topology: Topology{Workers: pools},
	}}
	plainDay(t, layout, rate, PredictReuse(rate, idle, layout.Edge.Topology.Shares()))
}

// plainDay lets Poisson arrivals come for a day, over plaintext connections,
// and holds the share of reused ones to the prediction.
func plainDay(t *testing.T, layout Layout, rate, want float64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network, err := wire.NewModel(wire.Link{RTT: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		listener, err := network.Listen(at)
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		layout.Edge.Host = originName
		layout.Edge.Target = pool.Target{Address: at, Dialer: wire.Dialer{Network: network}}
		d, err := NewDistribution(layout)
		if err != nil {
			t.Fatal(err)
		}
		arrivals := rand.New(rand.NewPCG(layout.Seed, 1))
		for end := time.Now().Add(24 * time.Hour); time.Now().Before(end); {
			time.Sleep(time.Duration(arrivals.ExpFloat64() / rate * float64(time.Second)))
			if _, err := d.Pull(t.Context(), Viewer{Path: "/"}); err != nil {
				t.Fatal(err)
			}
		}
		s := d.Stats().Pool
		if got := float64(s.Reused) / float64(s.Requests); math.Abs(got-want) > 0.005 {
			t.Errorf("%.4f of %d requests reused a connection, predicted %.4f", got, s.Requests, want)
		}
		if err := errors.Join(d.Close(), server.Close()); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}
