package pool

import "time"

// goodbye is how long an unused connection is read at its end.
const goodbye = time.Second

// Read notes the first byte of all, and how the connection ended. net/http has
// a goroutine for each connection that always reads.
func (c *standardConn) Read(b []byte) (int, error) {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	p := c.conn.lane.pool
	p.mu.Lock()
	c.reading = true
	p.mu.Unlock()
	n, err := c.Conn.Read(b)
	at := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	c.reading = false
	if n > 0 && c.trace.FirstByte == 0 {
		c.trace.MarkFirstByte(c.conn.wire, at)
	}
	if err != nil && c.broken == nil && (!c.closed || c.parting) {
		c.broken = err
	}
	if c.closed && !c.parting {
		c.end()
	}
	return n, err
}

// Close ends the connection and does not wait. One that carried no request is
// read to its end first, because its session tickets are bytes of its
// handshake, and the origin may refuse it yet.
func (c *standardConn) Close() error {
	p := c.conn.lane.pool
	p.mu.Lock()
	if c.closed {
		p.mu.Unlock()
		return nil
	}
	c.closed = true
	c.reason = c.ending()
	c.parting = c.conn.uses == 0 && c.conn.tls != nil && c.broken == nil
	p.mu.Unlock()
	if c.parting {
		go c.part() // Pool.Close waits for it
		return nil
	}
	err := c.Conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !c.reading {
		c.end()
	}
	return err
}

// part says goodbye and reads to the end.
func (c *standardConn) part() {
	_ = c.conn.wire.SetReadDeadline(time.Now().Add(goodbye))
	// Whoever has left already does not hear it.
	_ = c.conn.tls.CloseWrite()
	var rest [1]byte
	for {
		if _, err := c.Read(rest[:]); err != nil {
			break
		}
	}
	p := c.conn.lane.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	c.end()
}

// ending is why the connection ends. The lock is held.
func (c *standardConn) ending() string {
	cfg := &c.conn.lane.pool.cfg
	switch {
	case c.reason != "":
		return c.reason
	case c.conn.lane.pool.closed:
		return ReasonPool
	case !cfg.Reuse && c.conn.uses > 0:
		return ReasonOnce
	case c.broken != nil && !c.busy:
		c.conn.lane.pool.stats.RaceNoticed++
		return ReasonStale
	case c.broken != nil && c.conn.uses > 1 && isEnd(c.broken):
		return ReasonStale
	case c.busy:
		return ReasonFailed
	case c.conn.uses == 0 && (cfg.IdleTimeout == 0 || time.Since(c.conn.made) < cfg.IdleTimeout):
		return ReasonSurplus // made for a request that another connection had by then
	}
	return ReasonIdle
}

// end counts the connection, which nobody reads any more. The lock is held.
func (c *standardConn) end() {
	if c.over {
		return
	}
	c.over = true
	_ = c.Conn.Close()    // of an unused one, whose end was read
	if c.conn.uses == 0 { // else its first request judges it
		c.unused()
	}
	c.conn.lane.finish(c.conn, c.reason)
	c.conn.lane.pool.dialling.Done()
}

// unused counts the handshake of a connection that no request came to. In TLS
// 1.3 session tickets, or a refusal, came after it.
func (c *standardConn) unused() {
	if c.conn.tls == nil {
		c.judge(false)
		return
	}
	_, handed := c.conn.wire.Handed()
	if handed > c.trace.Received {
		if last := c.conn.wire.RecordStart(); handed-last < leastTicket {
			handed = last
		}
		c.trace.Received = max(c.trace.Received, handed)
	}
	c.judge(c.broken != nil && isAlert(c.broken))
}

// judge counts what making the connection was, once. The lock is held.
func (c *standardConn) judge(refused bool) {
	if c.judged {
		return
	}
	c.judged = true
	p := c.conn.lane.pool
	if refused {
		p.stats.HandshakesFailed++
		return
	}
	p.tally(c.conn, c.trace)
}
