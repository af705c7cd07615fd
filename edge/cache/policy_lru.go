package cache

func init() {
	register("lru", func(evict evictFunc) policy { return &lru{evict: evict, renew: true} })
	register("fifo", func(evict evictFunc) policy { return &lru{evict: evict} })
}

// lru evicts what was asked for longest ago or, without renew, what came
// longest ago (FIFO).
type lru struct {
	queue queue
	evict evictFunc
	renew bool
}

func (p *lru) add(i *item, budget int64) {
	for p.queue.oldest != nil && p.queue.weight+weightOf(i) > budget {
		victim := p.queue.oldest
		p.queue.remove(victim)
		p.evict(victim)
	}
	if i != nil {
		p.queue.push(i)
	}
}

func (p *lru) touch(i *item) {
	if p.renew && p.queue.newest != i {
		p.queue.remove(i)
		p.queue.push(i)
	}
}

func (p *lru) remove(i *item) { p.queue.remove(i) }
