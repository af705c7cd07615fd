package pool

import "time"

// expiry is when c, which is idle, is to be closed; zero: never.
func (c *conn) expiry() time.Time {
	cfg := &c.lane.pool.cfg
	var at time.Time
	if cfg.IdleTimeout > 0 {
		at = c.idleSince.Add(cfg.IdleTimeout)
	}
	if cfg.MaxAge > 0 {
		if old := c.made.Add(cfg.MaxAge); at.IsZero() || old.Before(at) {
			at = old
		}
	}
	return at
}

// arm makes sure that the timer runs while something is idle that expires. It
// is set once and not moved by every request, unless forward: what it finds
// too young it comes back for. The lock is held.
func (p *Pool) arm(c *conn) {
	at := c.expiry()
	if at.IsZero() || p.timing && !at.Before(p.due) {
		return
	}
	p.timing, p.due = true, at
	if wait := time.Until(at); p.timer == nil {
		p.timer = time.AfterFunc(wait, p.expire)
	} else {
		p.timer.Reset(wait)
	}
}

// expire closes what has been idle for Config.IdleTimeout, and what idles
// beyond Config.MaxAge.
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
	for _, l := range p.lanes {
		kept := l.idle[:0]
		for _, c := range l.idle {
			if at := c.expiry(); at.After(now) {
				p.arm(c)
				kept = append(kept, c)
				continue
			}
			c.isIdle = false
			expired = append(expired, c)
		}
		clear(l.idle[len(kept):])
		l.idle = kept
	}
	p.mu.Unlock()
	for _, c := range expired {
		reason := ReasonIdle
		if c.lane.pool.cfg.MaxAge > 0 && now.Sub(c.made) >= c.lane.pool.cfg.MaxAge {
			reason = ReasonAge
		}
		c.lane.discard(c, reason)
	}
}
