package cache

func init() {
	register("s3fifo", func(evict evictFunc) policy {
		return &s3fifo{evict: evict, ghosts: make(map[uint64]int64)}
	})
}

// s3fifo is S3-FIFO (Yang et al., SOSP 2023), weighted by bytes: a tenth of
// the room is a probation queue, which only what is asked for twice leaves for
// the main queue; of what it evicts it remembers the names, so that what comes
// back soon goes to the main queue at once.
type s3fifo struct {
	small, main queue
	evict       evictFunc

	// ghosts remembers by id when an item was evicted from probation, in
	// evictions; order has the ids in that order. At most as many count as
	// there are items, so that entryCost covers them.
	ghosts map[uint64]int64
	order  []ghost
	clock  int64
}

type ghost struct {
	id   uint64
	born int64
}

const (
	maxMarks  = 3
	minReturn = 2 // marks with which an item moves from probation to main
)

func (p *s3fifo) add(i *item, budget int64) {
	for p.small.weight+p.main.weight+weightOf(i) > budget && p.small.count+p.main.count > 0 {
		if p.main.oldest == nil || p.small.oldest != nil && p.small.weight >= budget/10 {
			p.evictSmall()
		} else {
			p.evictMain()
		}
	}
	if i == nil {
		return
	}
	i.marks = 0
	if _, returned := p.ghosts[i.id]; returned {
		delete(p.ghosts, i.id)
		p.main.push(i)
		return
	}
	p.small.push(i)
}

func (p *s3fifo) evictSmall() {
	for p.small.oldest != nil {
		i := p.small.oldest
		p.small.remove(i)
		if i.marks < minReturn {
			p.remember(i.id)
			p.evict(i)
			return
		}
		i.marks = 0
		p.main.push(i)
	}
}

func (p *s3fifo) evictMain() {
	for {
		i := p.main.oldest
		p.main.remove(i)
		if i.marks == 0 {
			p.evict(i)
			return
		}
		i.marks--
		p.main.push(i)
	}
}

// remember makes a ghost of id and forgets the oldest ghosts beyond the
// number of items.
func (p *s3fifo) remember(id uint64) {
	p.clock++
	p.ghosts[id] = p.clock
	p.order = append(p.order, ghost{id, p.clock})
	limit := p.main.count + p.small.count + 1
	drop := 0
	for len(p.order)-drop > limit {
		oldest := p.order[drop]
		if p.ghosts[oldest.id] == oldest.born {
			delete(p.ghosts, oldest.id)
		}
		drop++
	}
	p.order = p.order[drop:]
}

func (p *s3fifo) touch(i *item) { i.marks = min(i.marks+1, maxMarks) }

func (p *s3fifo) remove(i *item) { i.queue.remove(i) }
