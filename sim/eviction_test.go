package sim

import (
	"testing"

	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/scenarios"
)

// TestEvictionOnRealTraces holds what newer eviction policies are worth on
// real requests: an LRU cache of a twentieth of the objects hits by at least
// two and a half percentage points less often than the better of the two.
func TestEvictionOnRealTraces(t *testing.T) {
	const better = 0.025
	for _, trace := range scenarios.Traces() {
		keys, err := scenarios.TraceKeys(trace)
		if err != nil {
			t.Fatal(err)
		}
		different := map[uint32]bool{}
		for _, key := range keys {
			different[key] = true
		}
		ratio := map[string]float64{}
		for _, policy := range []string{"lru", "fifo", "sieve", "s3fifo"} {
			hits, err := cache.Replay(policy, int64(len(different)/20), keys)
			if err != nil {
				t.Fatal(err)
			}
			ratio[policy] = float64(hits) / float64(len(keys))
		}
		t.Logf("%s: %v", trace, ratio)
		if best := max(ratio["sieve"], ratio["s3fifo"]); best < ratio["lru"]+better {
			t.Errorf("%s: the best is %.4f, LRU %.4f", trace, best, ratio["lru"])
		}
		if ratio["fifo"] > ratio["lru"] {
			t.Errorf("%s: FIFO %.4f, LRU %.4f", trace, ratio["fifo"], ratio["lru"])
		}
	}
}
