package wire

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// sendBuffer bounds what a modelConn accepts but has not sent, in bytes: the
// usual upper limit of a kernel's send buffer.
const sendBuffer = 4 << 20

// stream is a pair of modelConns; its lock guards both.
type stream struct{ mu sync.Mutex }

// modelConn is one end of a stream in memory.
type modelConn struct {
	stream        *stream
	peer          *modelConn
	local, remote netip.AddrPort
	out           sender // towards peer

	changed         sync.Cond // anything below has changed
	received        []byte
	ended           bool  // the peer's end has arrived
	broken          error // a reset has arrived
	closed          bool
	readBy, writeBy deadline
}

func newStream(m *Model, local, remote netip.AddrPort) (near, far *modelConn) {
	s := &stream{}
	near = &modelConn{stream: s, local: local, remote: remote}
	far = &modelConn{stream: s, local: remote, remote: local, peer: near}
	near.peer = far
	for _, c := range []*modelConn{near, far} {
		c.changed.L = &s.mu
		c.readBy.owner, c.writeBy.owner = c, c
	}
	near.out = sender{to: far, from: near, delay: m.delay, back: m.back, window: m.window}
	far.out = sender{to: near, from: far, delay: m.back, back: m.delay, window: m.window}
	return near, far
}

// Read reads what has arrived.
func (c *modelConn) Read(p []byte) (int, error) {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, c.fail("read", net.ErrClosed)
		case c.readBy.passed:
			return 0, c.fail("read", os.ErrDeadlineExceeded)
		case len(p) == 0:
			return 0, nil
		case len(c.received) > 0:
			n := copy(p, c.received)
			c.received = c.received[n:]
			return n, nil
		case c.broken != nil:
			return 0, c.fail("read", c.broken)
		case c.ended:
			return 0, io.EOF
		}
		c.changed.Wait()
	}
}

// Write queues p and returns; it waits only while the send buffer is full.
func (c *modelConn) Write(p []byte) (int, error) {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	n := 0
	for {
		switch {
		case c.closed:
			return n, c.fail("write", net.ErrClosed)
		case c.writeBy.passed:
			return n, c.fail("write", os.ErrDeadlineExceeded)
		case c.broken != nil:
			return n, c.fail("write", c.broken)
		case len(p) == 0:
			return n, nil
		}
		if space := sendBuffer - len(c.out.queue); space > 0 {
			m := min(space, len(p))
			c.out.queue = append(c.out.queue, p[:m]...)
			c.out.send()
			n, p = n+m, p[m:]
			continue
		}
		c.changed.Wait()
	}
}

// Close sends what is queued and then the end, or, as a kernel does where
// something that arrived was not read, a reset.
func (c *modelConn) Close() error {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	if c.closed {
		return c.fail("close", net.ErrClosed)
	}
	c.shut()
	if len(c.received) > 0 {
		c.received = nil
		c.out.reset()
		return nil
	}
	c.out.ending = true
	c.out.send()
	return nil
}

// abort closes c with a reset.
func (c *modelConn) abort() {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	if !c.closed {
		c.shut()
		c.out.reset()
	}
}

func (c *modelConn) shut() {
	c.closed = true
	c.readBy.set(time.Time{})
	c.writeBy.set(time.Time{})
	c.changed.Broadcast()
}

func (c *modelConn) quiet() bool {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	return !c.closed && c.broken == nil && !c.ended && len(c.received) == 0
}

// arrive takes what the peer sent; the lock is held.
func (c *modelConn) arrive(s segment) {
	switch {
	case s.reset:
		c.broken = syscall.ECONNRESET
		c.out.drop()
	case c.closed && len(s.content) > 0:
		c.out.reset()
	case s.end:
		c.ended = true
	default:
		c.received = append(c.received, s.content...)
	}
	c.changed.Broadcast()
}

func (c *modelConn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// LocalAddr returns this end's address.
func (c *modelConn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.local) }

// RemoteAddr returns the peer's address.
func (c *modelConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// SetDeadline sets both deadlines.
func (c *modelConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline sets when Read gives up.
func (c *modelConn) SetReadDeadline(t time.Time) error { return c.setDeadline(&c.readBy, t) }

// SetWriteDeadline sets when Write gives up.
func (c *modelConn) SetWriteDeadline(t time.Time) error { return c.setDeadline(&c.writeBy, t) }

func (c *modelConn) setDeadline(d *deadline, t time.Time) error {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	if c.closed {
		return c.fail("set", net.ErrClosed)
	}
	d.set(t)
	c.changed.Broadcast()
	return nil
}

// deadline wakes its owner when it passes. Its owner's lock guards it.
type deadline struct {
	owner  *modelConn
	timer  *time.Timer
	passed bool
}

func (d *deadline) set(t time.Time) {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.passed = false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.passed = true
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		d.owner.stream.mu.Lock()
		defer d.owner.stream.mu.Unlock()
		if d.timer != timer {
			return // replaced while this call waited for the lock
		}
		d.passed = true
		d.owner.changed.Broadcast()
	})
	d.timer = timer
}
