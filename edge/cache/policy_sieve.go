package cache

func init() {
	register("sieve", func(evict evictFunc) policy { return &sieve{evict: evict} })
}

// sieve is SIEVE (Zhang et al., NSDI 2024): a queue whose items stay where
// they came, and a hand that goes from old to new, spares what was asked for
// since it last came by, and evicts the first that was not.
type sieve struct {
	queue queue
	hand  *item // nil: at the oldest
	evict evictFunc
}

func (p *sieve) add(i *item, budget int64) {
	for p.queue.oldest != nil && p.queue.weight+weightOf(i) > budget {
		victim := p.victim()
		p.remove(victim)
		p.evict(victim)
	}
	if i != nil {
		i.marks = 0
		p.queue.push(i)
	}
}

func (p *sieve) victim() *item {
	at := p.hand
	if at == nil {
		at = p.queue.oldest
	}
	for at.marks != 0 {
		at.marks = 0
		at = at.newer
		if at == nil {
			at = p.queue.oldest
		}
	}
	p.hand = at
	return at
}

func (p *sieve) touch(i *item) { i.marks = 1 }

func (p *sieve) remove(i *item) {
	if p.hand == i {
		p.hand = i.newer
	}
	p.queue.remove(i)
}
