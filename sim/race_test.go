package sim

import (
	"context"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/wire"
)

// raceRTT is the distance over which an origin closes what an edge reuses.
const raceRTT = 20 * time.Millisecond

// raceLab is the edge of an arm and its origin over a modelled link, in virtual
// time and without TLS.
type raceLab struct {
	edge   *edge.Distribution
	server *origin.Server
	served chan error
}

func newRaceLab(t *testing.T, s scenarios.Settings) *raceLab {
	t.Helper()
	s.Origin.Strategies = []string{}
	arm := Arm{Plaintext: true, Policy: origin.Policy{Host: originHost}, Settings: s}
	start := &Start{Arm: arm, Seed: 1, Origin: netip.MustParseAddrPort("127.0.0.1:80")}
	network, err := wire.NewModel(wire.Link{RTT: raceRTT})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := network.Listen(start.Origin)
	if err != nil {
		t.Fatal(err)
	}
	l := &raceLab{served: make(chan error, 1)}
	if l.server, err = origin.New(originConfig(start)); err != nil {
		t.Fatal(err)
	}
	go func() { l.served <- l.server.Serve(listener) }()
	asked, err := layout(start)
	if err != nil {
		t.Fatal(err)
	}
	asked.Edge.Target.Dialer.Network = network
	if l.edge, err = edge.NewDistribution(asked); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *raceLab) pull(t *testing.T, method string) edge.Reply {
	t.Helper()
	reply, _ := l.edge.Pull(t.Context(), edge.Viewer{Method: method, Path: "/o/1"}) // the status tells
	return reply
}

func (l *raceLab) stop(t *testing.T) edge.Stats {
	t.Helper()
	if err := l.edge.Close(); err != nil {
		t.Error(err)
	}
	if err := l.server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-l.served; err != nil {
		t.Error(err)
	}
	stats := l.edge.Stats()
	if made, ended := stats.Pool.Connects, l.server.Counts().Ended(); made != ended {
		t.Errorf("%d connections made, %d ended at the origin", made, ended)
	}
	return stats
}

// raceSettings are an edge that keeps connections for 60 s, and an origin that
// keeps them for 5 s, as Node does.
func raceSettings() scenarios.Settings {
	s := scenarios.Defaults()
	s.Origin.IdleTimeout = scenarios.Duration(5 * time.Second)
	s.Edge.Pool.IdleTimeout = scenarios.Duration(time.Minute)
	s.Edge.Status.Truncated = 502
	return s
}

// TestKeepAliveRace: the origin closes a connection so long after it answered;
// what the edge sends within a round trip before it hears of that is lost.
func TestKeepAliveRace(t *testing.T) {
	const idle, tick = 5 * time.Second, time.Nanosecond
	type counts struct{ reused, lost, resent, noticed, unsafe, evicted int64 }
	for _, test := range []struct {
		name   string
		gap    time.Duration // between the reply and the next request, at the edge
		method string
		edge   time.Duration // its idle timeout; 0: a minute
		status int
		want   counts
	}{
		{"in time", idle - raceRTT - tick, "POST", 0, 200, counts{reused: 1}},
		{"just lost, sent again", idle - raceRTT + tick, "GET", 0, 200, counts{reused: 1, lost: 1, resent: 1}},
		{"just lost, not to be sent again", idle - raceRTT + tick, "POST", 0, 502, counts{reused: 1, lost: 1, unsafe: 1}},
		{"PATCH is not idempotent", idle - raceRTT + tick, "PATCH", 0, 502, counts{reused: 1, lost: 1, unsafe: 1}},
		{"PUT is", idle - raceRTT + tick, "PUT", 0, 200, counts{reused: 1, lost: 1, resent: 1}},
		{"still lost", idle - tick, "POST", 0, 502, counts{reused: 1, lost: 1, unsafe: 1}},
		{"noticed", idle + tick, "POST", 0, 200, counts{noticed: 1}},
		{"an edge that is not patient enough by less than a round trip", idle - tick, "POST", idle - raceRTT/2, 200, counts{evicted: 1}},
		{"the same within the round trip", idle - raceRTT + tick, "POST", idle - raceRTT/2, 502, counts{reused: 1, lost: 1, unsafe: 1}},
		{"the remedy, kept", idle - raceRTT - 2*tick, "POST", idle - raceRTT - tick, 200, counts{reused: 1}},
		{"the remedy, closed", idle - raceRTT + tick, "POST", idle - raceRTT - tick, 200, counts{evicted: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := raceSettings()
				s.Workload.Method = test.method
				if test.edge > 0 {
					s.Edge.Pool.IdleTimeout = scenarios.Duration(test.edge)
				}
				l := newRaceLab(t, s)
				if r := l.pull(t, test.method); r.Status != 200 {
					t.Errorf("the first: status %d", r.Status)
				}
				time.Sleep(test.gap)
				synctest.Wait()
				if r := l.pull(t, test.method); r.Status != test.status {
					t.Errorf("status %d instead of %d", r.Status, test.status)
				}
				p := l.stop(t).Pool
				got := counts{p.Reused, p.RaceLost, p.StaleRetries, p.RaceNoticed, p.Unsafe, p.IdleClosed}
				if got != test.want {
					t.Errorf("got %+v, want %+v", got, test.want)
				}
			})
		})
	}
}

// TestKeepAliveRaceByTheory holds the closed form: of Poisson arrivals on one
// connection, e^(−λ(T−r)) − e^(−λT) lose the race against an origin that
// closes after T at a distance r.
func TestKeepAliveRaceByTheory(t *testing.T) {
	const rate, requests = 0.2, 20000 // λT = 1: the most that λ can make of it
	synctest.Test(t, func(t *testing.T) {
		s := raceSettings()
		s.Workload.Method = "POST"
		l := newRaceLab(t, s)
		random := rand.New(rand.NewPCG(1, 2))
		failed := int64(0)
		for range requests {
			time.Sleep(time.Duration(random.ExpFloat64() / rate * float64(time.Second)))
			synctest.Wait()
			if r := l.pull(t, "POST"); r.Status == 502 {
				failed++
			}
		}
		p := l.stop(t).Pool
		predicted := requests * edge.Race{Origin: 5 * time.Second, Edge: time.Minute, RTT: raceRTT}.PredictLost(rate, []float64{1})
		if want := requests * (math.Exp(-rate*4.98) - math.Exp(-rate*5)); math.Abs(predicted-want) > 1e-9 {
			t.Errorf("%v predicted, want %v", predicted, want)
		}
		if p.RaceLost != failed || p.Unsafe != failed || p.StaleRetries != 0 {
			t.Errorf("%d viewers were told 502: %+v", failed, p)
		}
		t.Logf("%d of %d lost, %.1f predicted", failed, requests, predicted)
		if math.Abs(float64(failed)-predicted) > 3*math.Sqrt(predicted) {
			t.Errorf("%d of %d lost, %.1f predicted", failed, requests, predicted)
		}
	})
}

// TestMethodsReachTheOrigin: every method is answered, by real workers.
func TestMethodsReachTheOrigin(t *testing.T) {
	result := mustRun(t, compileText(t, `
version: 1
name: methods
origin: {strategies: [mtls, header], response: {size: 100B}}
workload: {mode: requests, duration: 60ms, warmup: 5ms, controls: false}
compare:
  - {axis: workload.method, values: [GET, HEAD, POST, PUT, PATCH, DELETE]}
expect: ["requests.failed == 0", "requests.502 == 0", "requests.count > 0"]
`))
	for _, x := range result.Expectations {
		if !x.Pass {
			t.Errorf("%s: %s", x.Expression, x.Detail)
		}
	}
	for i := range result.Arms {
		a := &result.Arms[i]
		bytes, requests := a.Metrics["origin.bytes"].Value, a.Metrics["requests.count"].Value
		if want := map[bool]float64{true: 0, false: 100 * requests}[a.Axes["workload.method"] == "HEAD"]; bytes != want {
			t.Errorf("%s: %v bytes in %v requests", a.Name, bytes, requests)
		}
	}
}
