package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"strconv"

	"github.com/originpull/originpull/scenarios"
)

// objects decides which object each viewer asks for. The n-th request of a
// run asks for the same object whatever the timing, so that a seeded hit
// count is comparable.
type objects struct {
	next func() uint32

	last uint32
	kept string // path of last; "" until there is one
}

func newObjects(o scenarios.Objects, seed uint64) (*objects, error) {
	switch o.Model {
	case "one":
		return &objects{next: func() uint32 { return 0 }}, nil
	case "mix":
		return mixObjects(o.Hits, seed), nil
	case "zipf":
		return withOneHits(zipfObjects(o.Alpha, o.Count, seed), o, seed), nil
	case "trace":
		keys, err := scenarios.TraceKeys(o.Trace)
		if err != nil {
			return nil, err
		}
		i := -1
		return &objects{next: func() uint32 { i++; return keys[i%len(keys)] }}, nil
	}
	return nil, fmt.Errorf("unknown object model %q", o.Model)
}

// zipfObjects draws rank k with probability proportional to k^-alpha. The
// standard library's Zipf generator needs alpha > 1; web workloads lie below.
func zipfObjects(alpha float64, count int, seed uint64) *objects {
	cumulative := make([]float64, count)
	sum := 0.0
	for k := range cumulative {
		sum += math.Pow(float64(k+1), -alpha)
		cumulative[k] = sum
	}
	random := rand.New(rand.NewPCG(seed, 0xd1342543de82ef95))
	return &objects{next: func() uint32 {
		u := random.Float64() * sum
		return uint32(min(sort.SearchFloat64s(cumulative, u), count-1))
	}}
}

// withOneHits asks in the place of a share of the requests for objects that
// nobody asks for again, numbered from beyond the others.
func withOneHits(popular *objects, o scenarios.Objects, seed uint64) *objects {
	if o.OneHit == 0 {
		return popular
	}
	random := rand.New(rand.NewPCG(seed, 0xa0761d6478bd642f))
	fresh := uint32(o.Count)
	return &objects{next: func() uint32 {
		if random.Float64() >= o.OneHit {
			return popular.next()
		}
		fresh++
		return fresh
	}}
}

// mixObjects asks for object 0 with the probability hits, and else for one that
// nobody asked for before: the hit ratio of a cache that holds object 0.
func mixObjects(hits float64, seed uint64) *objects {
	random := rand.New(rand.NewPCG(seed, 0x8cb92ba72f3d8dd7))
	fresh := uint32(0)
	return &objects{next: func() uint32 {
		if random.Float64() < hits {
			return 0
		}
		fresh++
		return fresh
	}}
}

// path is the request path of the next object.
func (o *objects) path() string {
	if key := o.next(); o.kept == "" || key != o.last {
		o.last, o.kept = key, "/o/"+strconv.FormatUint(uint64(key), 10)
	}
	return o.kept
}
