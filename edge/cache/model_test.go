package cache

import (
	"fmt"
	"math"
	"testing"
)

const (
	tight  = 0.005 // half a percentage point
	shield = 0.01
)

func run(t *testing.T, s Simulation) Simulated {
	t.Helper()
	got, err := s.Run()
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func near(t *testing.T, what string, simulated, model, within float64) {
	t.Helper()
	if math.Abs(simulated-model) > within || math.IsNaN(model) {
		t.Errorf("%s: simulated %.4f, model %.4f, off by more than %.3f", what, simulated, model, within)
	}
	t.Logf("%s: simulated %.4f, model %.4f", what, simulated, model)
}

func (s Simulated) share(count int) float64 { return float64(count) / float64(s.Requests) }

const objects, requests = 10_000, 400_000

func TestModelOfCapacity(t *testing.T) {
	for _, alpha := range []float64{0.8, 1.1} {
		shares := Zipf(objects, alpha)
		for _, part := range []float64{0.01, 0.1, 0.3} {
			name := fmt.Sprintf("alpha %.1f, capacity %.2f", alpha, part)
			s := Simulation{Shares: shares, Requests: requests, Seed: 1, Capacity: int64(part * objects), Policy: "lru"}
			lru := run(t, s)
			s.Policy = "fifo"
			fifo := run(t, s)
			capacity := part * objects
			near(t, name+", LRU", lru.share(lru.Fresh), HitLRU(shares, capacity), tight)
			near(t, name+", FIFO", fifo.share(fifo.Fresh), HitFIFO(shares, capacity), tight)
			top := 0.0
			for _, share := range shares[:int(capacity)] {
				top += share
			}
			if h, f := HitLRU(shares, capacity), HitFIFO(shares, capacity); f > h || h > top {
				t.Errorf("%s: FIFO %f, LRU %f, best %f", name, f, h, top)
			}
		}
	}
}

func TestModelOfTTL(t *testing.T) {
	shares := Zipf(objects, 0.9)
	for _, ttl := range []float64{300, 3000, 30_000} {
		got := run(t, Simulation{Shares: shares, Requests: requests, Seed: 2, TTL: ttl})
		near(t, fmt.Sprintf("TTL %.0f", ttl), got.share(got.Fresh), HitTTL(shares, ttl), tight)
		if got.Origin != got.Stale+got.Missed || got.Requests != requests/2 {
			t.Errorf("TTL %.0f: counts do not add up: %+v", ttl, got)
		}
		for _, part := range []float64{0.02, 0.1} {
			both := run(t, Simulation{Shares: shares, Requests: requests, Seed: 3, TTL: ttl, Capacity: int64(part * objects)})
			fresh, stale := HitLRUTTL(shares, part*objects, ttl)
			name := fmt.Sprintf("TTL %.0f, capacity %.2f", ttl, part)
			near(t, name+", fresh", both.share(both.Fresh), fresh, tight)
			near(t, name+", revalidated", both.share(both.Stale), stale, tight)
		}
	}
	// The limits of the joint model are the two single ones.
	capacity := 0.1 * float64(objects)
	if fresh, stale := HitLRUTTL(shares, capacity, 1e12); math.Abs(fresh-HitLRU(shares, capacity)) > 1e-9 || math.Abs(stale) > 1e-9 {
		t.Errorf("without TTL: %f fresh, %f stale", fresh, stale)
	}
	if fresh, _ := HitLRUTTL(shares, objects, 500); math.Abs(fresh-HitTTL(shares, 500)) > 1e-9 {
		t.Errorf("without capacity: %f fresh", fresh)
	}
}

func TestModelOfFanOut(t *testing.T) {
	shares := Zipf(objects, 0.9)
	const ttl = 15_000
	for _, points := range []int{1, 4, 16} {
		name := fmt.Sprintf("%d points", points)
		s := Simulation{Shares: shares, Requests: requests, Seed: 4, TTL: ttl, Points: points}
		plain := run(t, s)
		near(t, name, plain.share(plain.Origin), OriginShare(shares, ttl, points, false), tight)
		s.Shield, s.Age = true, true
		shielded := run(t, s)
		near(t, name+", shield and Age", shielded.share(shielded.Origin), OriginShare(shares, ttl, points, true), shield)
		near(t, name+", hits before a shield", shielded.share(shielded.Fresh), HitTTLShield(shares, ttl, points), tight)
		if shielded.Shielded < shielded.Origin {
			t.Errorf("%s: %+v", name, shielded)
		}
	}
	for _, alpha := range []float64{0.8, 1.0} {
		shares := Zipf(objects, alpha)
		got := run(t, Simulation{
			Shares: shares, Requests: 2 * requests, Seed: 5, Points: 4, Capacity: objects / 100,
			Shield: true, ShieldCapacity: objects / 10,
		})
		name := fmt.Sprintf("alpha %.1f, shield by capacity", alpha)
		near(t, name, got.share(got.Origin), OriginShareShieldLRU(shares, objects/100, objects/10), shield)
		near(t, name+", the points", got.share(got.Fresh), HitLRU(shares, objects/100), tight)
	}
}

func TestModelOfCollapsing(t *testing.T) {
	shares := Zipf(objects, 0.9)
	for _, delay := range []float64{10, 100} {
		s := Simulation{Shares: shares, Requests: requests, Seed: 6, TTL: 3000, Delay: delay, Collapse: true}
		with := run(t, s)
		s.Collapse = false
		without := run(t, s)
		near(t, fmt.Sprintf("delay %.0f, collapsed", delay), with.share(with.Origin), FetchShare(shares, 3000, delay, true), tight)
		near(t, fmt.Sprintf("delay %.0f", delay), without.share(without.Origin), FetchShare(shares, 3000, delay, false), tight)
		if with.Collapsed == 0 || without.Collapsed != 0 {
			t.Errorf("delay %.0f: collapsed %d with, %d without", delay, with.Collapsed, without.Collapsed)
		}
	}
}

func TestModelOfColdPools(t *testing.T) {
	near(t, "64 points", ColdShare(50, 0.95, 5, 64), 0.8226, 1e-4)
	near(t, "a shield", ColdShare(50, 0.95, 5, 1), math.Exp(-12.5), 1e-12)
	near(t, "no cache", ColdShare(50, 0, 5, 64), 0.0201, 1e-4)
}

// Equal seeds, equal results; another seed, another result.
func TestSimulationsRepeat(t *testing.T) {
	for _, policy := range Policies() {
		if policy == "otter" {
			continue
		}
		s := Simulation{
			Policy: policy, Shares: Zipf(2000, 0.9), Requests: 50_000, Seed: 7, Points: 3, Capacity: 50,
			TTL: 5000, Delay: 20, Collapse: true, Shield: true, ShieldCapacity: 200, Age: true,
		}
		first, second := run(t, s), run(t, s)
		s.Seed++
		other := run(t, s)
		if fmt.Sprintf("%+v", first) != fmt.Sprintf("%+v", second) || first == other {
			t.Errorf("%s:\n%+v\n%+v, another seed\n%+v", policy, first, second, other)
		}
	}
}

func TestSimulationRefusals(t *testing.T) {
	good := Simulation{Shares: Zipf(10, 1), Requests: 10}
	for name, change := range map[string]func(*Simulation){
		"objects":  func(s *Simulation) { s.Shares = nil },
		"requests": func(s *Simulation) { s.Requests = 0 },
		"points":   func(s *Simulation) { s.Points = -1 },
		"ttl":      func(s *Simulation) { s.TTL = -1 },
		"delay":    func(s *Simulation) { s.Delay = -1 },
		"policy":   func(s *Simulation) { s.Policy = "x" },
		"shield":   func(s *Simulation) { s.Policy, s.Shield = "x", true },
	} {
		s := good
		change(&s)
		if _, err := s.Run(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := Replay("x", 1, nil); err == nil {
		t.Error("an unknown policy is replayed")
	}
}
