package sim

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
)

func findOf(from, to, within float64) scenarios.Find {
	return scenarios.Find{SLO: []string{"p99 < 50ms"}, From: scenarios.Rate(from), To: scenarios.Rate(to), Within: scenarios.Percent(within), Step: 1e9}
}

// searchOn runs a search to its end and returns the rates that it tried.
func searchOn(t *testing.T, f scenarios.Find, answer func(rate float64) string) (*search, []float64) {
	t.Helper()
	s := newSearch(f)
	var tried []float64
	for {
		rate, more := s.next()
		if !more {
			return s, tried
		}
		if tried = append(tried, rate); len(tried) > 200 {
			t.Fatalf("still searching after %v", tried)
		}
		s.judge(answer(rate))
	}
}

// On a server that keeps every rate up to its capacity and none above, a
// search ends with the capacity between its bounds, these as near as asked,
// in as few steps as halving takes.
func TestSearchFindsEveryCapacity(t *testing.T) {
	for _, span := range [][2]float64{{1, 2}, {10, 20000}, {100, 20000}, {0.5, 100000}, {100, 110}} {
		for _, within := range []float64{0.01, 0.05, 0.1, 0.5} {
			f := findOf(span[0], span[1], within)
			for capacity := span[0] / 4; capacity < span[1]*4; capacity *= 1.037 {
				s, tried := searchOn(t, f, upTo(capacity))
				name := fmt.Sprintf("%v within %v, capacity %v", span, within, capacity)
				switch {
				case capacity < span[0]:
					if s.outcome != results.SearchBelow || s.kept != 0 || s.broken != span[0] || !slices.Equal(tried, []float64{span[0], span[0]}) {
						t.Errorf("%s: %+v after %v", name, s, tried)
					}
				case capacity >= span[1]:
					if s.outcome != results.SearchBeyond || s.kept != span[1] || s.broken != 0 {
						t.Errorf("%s: %+v after %v", name, s, tried)
					}
				case s.outcome != results.SearchFound || s.kept > capacity || s.broken <= capacity || s.broken > s.kept*(1+within)*1.000001:
					t.Errorf("%s: %+v after %v", name, s, tried)
				}
				doublings := math.Ceil(math.Log2(span[1] / span[0]))
				halvings := math.Ceil(math.Log2(math.Ln2/math.Log(1+within))) + 1
				if most := int(doublings + 1 + confirmations + confirmations*halvings); len(tried) > most {
					t.Errorf("%s: %d steps, at most %d are needed: %v", name, len(tried), most, tried)
				}
			}
		}
	}
}

func upTo(capacity float64) func(float64) string {
	return func(rate float64) string {
		if rate <= capacity {
			return results.StepKept
		}
		return results.StepBroken
	}
}

// Where the harness gives out below the capacity of the server, nothing is
// said of the server but a lower bound.
func TestSearchNeverBlamesTheServerForTheHarness(t *testing.T) {
	for limit := 5.0; limit < 20000; limit *= 1.09 {
		for _, capacity := range []float64{limit * 1.01, limit * 2, limit * 100} {
			s, tried := searchOn(t, findOf(10, 30000, 0.05), func(rate float64) string {
				if rate > limit {
					return results.StepHarness
				}
				return upTo(capacity)(rate)
			})
			if s.outcome != results.SearchHarness || s.kept > limit || s.broken != 0 || limit > 20 && s.kept*2 < limit {
				t.Errorf("harness up to %v, server up to %v: %+v after %v", limit, capacity, s, tried)
			}
			if n := len(tried); !slices.Equal(tried[n-harnessConfirmations:], slices.Repeat([]float64{s.at}, harnessConfirmations)) {
				t.Errorf("the last step was not repeated: %v", tried)
			}
		}
	}
}

// One bad window at every single rate changes nothing: each is tried again.
func TestSearchForgivesOneBadWindow(t *testing.T) {
	for _, bad := range []string{results.StepBroken, results.StepHarness} {
		for capacity := 12.0; capacity < 19000; capacity *= 1.31 {
			seen := map[float64]bool{}
			noisy, tried := searchOn(t, findOf(10, 20000, 0.05), func(rate float64) string {
				if !seen[rate] {
					seen[rate] = true
					return bad
				}
				return upTo(capacity)(rate)
			})
			quiet, _ := searchOn(t, findOf(10, 20000, 0.05), upTo(capacity))
			if noisy.kept != quiet.kept || noisy.broken != quiet.broken || noisy.outcome != results.SearchFound {
				t.Errorf("capacity %v, a first %s everywhere: %+v, without %+v; tried %v", capacity, bad, noisy, quiet, tried)
			}
		}
	}
}

// A tenth of all windows is spoiled by something else: a search still ends
// within the doubled tolerance of the capacity nine times in ten, never above it.
func TestSearchAmidNoise(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const runs, capacity = 2000, 1234.0
	off := 0
	for range runs {
		s, _ := searchOn(t, findOf(10, 20000, 0.05), func(rate float64) string {
			switch u := random.Float64(); {
			case u < 0.08:
				return results.StepBroken
			case u < 0.10:
				return results.StepHarness
			}
			return upTo(capacity)(rate)
		})
		if s.kept > capacity {
			t.Fatalf("above the capacity: %+v", s)
		}
		if s.outcome != results.SearchFound || s.kept < capacity/1.1 {
			off++
		}
	}
	if off > runs/10 {
		t.Errorf("%d of %d searches were off", off, runs)
	}
}

// station is a server with one queue and a fixed service time: the rate at
// which its p99 passes a bound is known from the theory of queues.
type station struct {
	service float64 // seconds
	random  *rand.Rand
}

// p99 offers Poisson arrivals for a while, in virtual time.
func (q *station) p99(rate, length float64) float64 {
	var worst largest
	free, now, n := 0.0, 0.0, 0
	for now < length {
		now += q.random.ExpFloat64() / rate
		free = max(free, now) + q.service
		heap.Push(&worst, free-now)
		n++
	}
	for range n / 100 {
		heap.Pop(&worst)
	}
	return worst[0]
}

type largest []float64

func (h largest) Len() int           { return len(h) }
func (h largest) Less(i, j int) bool { return h[i] > h[j] }
func (h largest) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *largest) Push(x any)        { *h = append(*h, x.(float64)) }
func (h *largest) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

// A queue whose service takes 1 ms serves 1,000 a second. The tail of an M/D/1
// queue falls as e^(−2(1−ρ)w/ρ) and p99 of 20 ms is passed at ρ ≈ 0.90; a finite
// step leaves some room around that.
func TestSearchOnAQueue(t *testing.T) {
	for seed := range uint64(20) {
		q := &station{service: 0.001, random: rand.New(rand.NewPCG(seed, 7))}
		s, tried := searchOn(t, findOf(50, 20000, 0.02), func(rate float64) string {
			if q.p99(rate, 20) < 0.020 {
				return results.StepKept
			}
			return results.StepBroken
		})
		if s.outcome != results.SearchFound || s.kept < 840 || s.broken > 960 {
			t.Errorf("seed %d: between %.0f and %.0f after %.0f", seed, s.kept, s.broken, tried)
		}
	}
}

func TestSearchTellsItsOutcome(t *testing.T) {
	for _, c := range []struct {
		capacity, harness float64
		want              string
	}{
		{5, math.Inf(1), "not even 10/s, the lowest rate of the search, kept the objective: why; lower workload.find.from"},
		{1e9, math.Inf(1), "every rate up to 20000/s kept the objective: the capacity is at least that; raise workload.find.to"},
		{1e9, 5, "the harness could not offer even 10/s: why; nothing is known of the origin"},
		{1e9, 600, "the harness was the limit at 640/s, not the origin (why): the capacity is at least 320/s"},
		{1000, math.Inf(1), "987/s kept the objective, and 1031/s did not: why"},
	} {
		s, _ := searchOn(t, findOf(10, 20000, 0.05), func(rate float64) string {
			if rate > c.harness {
				return results.StepHarness
			}
			return upTo(c.capacity)(rate)
		})
		if got := s.told("why"); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	if got := newSearch(findOf(1, 2, 0.1)).told(""); !strings.Contains(got, "ended before") {
		t.Error(got)
	}
}
