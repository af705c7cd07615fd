package pool

import "time"

// arm makes sure that the timer runs while something is idle. It is set once
// and not moved by every request: what it finds too young it comes back for.
// The lock is held.
func (p *Pool) arm(now time.Time) {
	if p.cfg.IdleTimeout == 0 || p.timing {
		return
	}
	p.timing = true
	if wait := p.oldest().Add(p.cfg.IdleTimeout).Sub(now); p.timer == nil {
		p.timer = time.AfterFunc(wait, p.expire)
	} else {
		p.timer.Reset(wait)
	}
}

// oldest is since when something has been idle; the lock is held, and
// something is.
func (p *Pool) oldest() time.Time {
	var oldest time.Time
	for _, l := range p.lanes {
		if len(l.idle) > 0 && (oldest.IsZero() || l.idle[0].idleSince.Before(oldest)) {
			oldest = l.idle[0].idleSince
		}
	}
	return oldest
}

// expire closes what has been idle for Config.IdleTimeout.
func (p *Pool) expire() {
	p.mu.Lock()
	p.timing = false
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.busy.Add(1)
	defer p.busy.Done()
	now := time.Now()
	var expired []*conn
	left := 0
	for _, l := range p.lanes {
		n := 0
		for n < len(l.idle) && now.Sub(l.idle[n].idleSince) >= p.cfg.IdleTimeout {
			n++
		}
		expired = append(expired, l.takeIdle(n)...)
		left += len(l.idle)
	}
	if left > 0 {
		p.arm(now)
	}
	p.mu.Unlock()
	for _, c := range expired {
		c.lane.discard(c, ReasonIdle)
	}
}
