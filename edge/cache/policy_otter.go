package cache

import (
	"math"

	"github.com/maypok86/otter/v2"
)

func init() { register("otter", newOtter) }

// adaptive is otter's W-TinyLFU, which shifts room between recency and
// frequency by what it sees. Its victims depend on hash seeds of the process:
// two equal runs differ by some tenths of a percentage point.
type adaptive struct {
	cache *otter.Cache[uint64, *item]
}

func newOtter(evict evictFunc) policy {
	return &adaptive{cache: otter.Must(&otter.Options[uint64, *item]{
		MaximumWeight: 1,
		Weigher:       func(_ uint64, i *item) uint32 { return uint32(min(i.weight, math.MaxUint32)) },
		Executor:      func(f func()) { f() },
		OnDeletion: func(e otter.DeletionEvent[uint64, *item]) {
			// Two items of one id (a collision of hashes): the later one stays.
			if e.Cause == otter.CauseOverflow || e.Cause == otter.CauseReplacement {
				evict(e.Value)
			}
		},
	})}
}

func (p *adaptive) add(i *item, budget int64) {
	if room := uint64(max(budget, 0)); p.cache.GetMaximum() != room {
		p.cache.SetMaximum(room)
	}
	if i != nil {
		p.cache.Set(i.id, i)
	}
	p.cache.CleanUp()
}

func (p *adaptive) touch(i *item) { p.cache.GetIfPresent(i.id) }

func (p *adaptive) remove(i *item) { p.cache.Invalidate(i.id) }
