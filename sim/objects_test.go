package sim

import (
	"math"
	"testing"

	"github.com/originpull/originpull/scenarios"
)

func TestObjectsRepeat(t *testing.T) {
	for _, o := range []scenarios.Objects{
		{Model: "one"},
		{Model: "zipf", Alpha: 0.9, Count: 1000},
		{Model: "zipf", Alpha: 0.9, Count: 1000, OneHit: 0.3},
		{Model: "mix", Hits: 0.8},
		{Model: "trace", Trace: "web07"},
	} {
		a, err := newObjects(o, 3)
		if err != nil {
			t.Fatal(err)
		}
		b, err := newObjects(o, 3)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			if x, y := a.path(), b.path(); x != y {
				t.Fatalf("%s: request %d asks for %s and %s", o.Model, i, x, y)
			}
		}
	}
	if _, err := newObjects(scenarios.Objects{Model: "trace", Trace: "none"}, 1); err == nil {
		t.Error("an unknown trace has objects")
	}
	if _, err := newObjects(scenarios.Objects{Model: "none"}, 1); err == nil {
		t.Error("an unknown model has objects")
	}
}

func TestTraceStartsAgain(t *testing.T) {
	keys, err := scenarios.TraceKeys("web07")
	if err != nil {
		t.Fatal(err)
	}
	o, err := newObjects(scenarios.Objects{Model: "trace", Trace: "web07"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 * len(keys) {
		if got := o.next(); got != keys[i%len(keys)] {
			t.Fatalf("request %d asks for %d, the trace for %d", i, got, keys[i%len(keys)])
		}
	}
}

func TestZipfFrequencies(t *testing.T) {
	const n, count, alpha = 400_000, 50, 0.9
	o := zipfObjects(alpha, count, 11)
	seen := make([]float64, count)
	for range n {
		seen[o.next()]++
	}
	total := 0.0
	for k := range count {
		total += math.Pow(float64(k+1), -alpha)
	}
	for k := range count {
		p := math.Pow(float64(k+1), -alpha) / total
		if deviation := math.Abs(seen[k]/n - p); deviation > 5*math.Sqrt(p/n) {
			t.Errorf("rank %d has share %.5f, want %.5f", k+1, seen[k]/n, p)
		}
	}
}

// What the mix model does not ask for again is asked for once.
func TestMix(t *testing.T) {
	const n, hits = 100_000, 0.8
	o := mixObjects(hits, 5)
	seen := map[uint32]int{}
	for range n {
		seen[o.next()]++
	}
	if got := float64(seen[0]) / n; math.Abs(got-hits) > 5*math.Sqrt(hits*(1-hits)/n) {
		t.Errorf("object 0 has share %.4f, want %.4f", got, hits)
	}
	if got := n - seen[0]; len(seen)-1 != got {
		t.Errorf("%d other objects in %d requests", len(seen)-1, got)
	}
}

func TestOneHits(t *testing.T) {
	o, err := newObjects(scenarios.Objects{Model: "zipf", Alpha: 0.9, Count: 100, OneHit: 0.3}, 1)
	if err != nil {
		t.Fatal(err)
	}
	const n = 100_000
	once, last := 0, uint32(100)
	for range n {
		if key := o.next(); key > 100 {
			if key != last+1 {
				t.Fatalf("object %d after %d", key, last)
			}
			last = key
			once++
		} else if key == 100 {
			t.Fatal("object 100 is one of 100 counted from 0")
		}
	}
	if share := float64(once) / n; math.Abs(share-0.3) > 0.005 {
		t.Errorf("%.4f of the requests are for objects asked for once, want 0.3", share)
	}
}
