package wire

import (
	"net"
	"os"
	"sync"
	"time"
)

// Conn counts what passes through a stream. Reads and writes may overlap, as
// on any net.Conn; Handshake, Quiet and MarkFirstByte belong to the reader.
type Conn struct {
	net.Conn
	dialed, connected time.Time
	kernel            kernelPeek

	mu     sync.Mutex
	counts Counts
	last   direction
	wrote  bool // since the last Read that returned bytes

	// The reader's own, and only while records is set, which Handshake and
	// FollowRecords do.
	records bool
	polling bool
	cutter  recordCutter
	held    []byte // read, but beyond the record that TLS was given last
}

// Counts is what a Conn has carried beneath TLS.
type Counts struct {
	Sent, Received int64 // bytes
	Turns          int   // reads that returned bytes after a write
	Flights        int   // maximal runs of I/O in one direction
}

type direction uint8

const (
	outwards direction = iota + 1
	inwards
)

// Accepted wraps a stream that a server accepted.
func Accepted(stream net.Conn) *Conn { return &Conn{Conn: stream} }

// FollowRecords prepares a server's side for TLS, which Handshake does for a
// client's: from now on Read hands out one record at a time.
func (c *Conn) FollowRecords() { c.records = true }

// Handed returns the bytes that TLS has sent and those that it has been given.
// What was read ahead of TLS is not among them, so that right after a server's
// handshake returned this is its exact size, with the tickets that it sent.
// The goroutine that reads may call it, once FollowRecords was called.
func (c *Conn) Handed() (sent, received int64) {
	return c.Counts().Sent, c.cutter.offset
}

// RecordStart is how many bytes came before the TLS record that was handed out
// last. The reader may call it, after Handshake.
func (c *Conn) RecordStart() int64 { return c.cutter.last }

// Counts returns what has been carried so far.
func (c *Conn) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

// Write writes p. Its flight is counted before the bytes leave: the answer
// may be read by another goroutine before Write returns.
func (c *Conn) Write(p []byte) (int, error) {
	if len(p) > 0 {
		c.mu.Lock()
		c.turn(outwards)
		c.wrote = true
		c.mu.Unlock()
	}
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	c.counts.Sent += int64(n)
	c.mu.Unlock()
	return n, err
}

// Read reads into p; under TLS, at most to the end of one record.
func (c *Conn) Read(p []byte) (int, error) {
	if !c.records {
		return c.receive(p)
	}
	if len(c.held) > 0 {
		cut := c.cutter.cut(p[:copy(p, c.held)])
		c.held = c.held[cut:]
		return cut, nil
	}
	n, err := c.receive(p)
	cut := c.cutter.cut(p[:n])
	if cut < n {
		c.held = append(c.held[:0], p[cut:n]...)
		return cut, nil // an error comes again
	}
	return cut, err
}

// Poll sets whether Read, where nothing waits to be read, times out at once
// rather than block. Where the system cannot tell (see Quiet), that is always.
// The reader calls it.
func (c *Conn) Poll(on bool) { c.polling = on }

func (c *Conn) receive(p []byte) (int, error) {
	if c.polling && c.waiting() {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.mu.Lock()
		c.turn(inwards)
		c.counts.Received += int64(n)
		if c.wrote {
			c.counts.Turns++
			c.wrote = false
		}
		c.mu.Unlock()
	}
	return n, err
}

func (c *Conn) turn(d direction) {
	if c.last != d {
		c.last = d
		c.counts.Flights++
	}
}

// Quiet reports whether nothing waits to be read: no bytes, no end, no error.
// A reply that is already there before its request was sent is not one, so a
// connection that is not quiet must not be reused. Where the system cannot
// tell without reading (a kernel other than Linux), only the bytes that were
// read ahead count.
func (c *Conn) Quiet() bool {
	if len(c.held) > 0 || c.cutter.partial() {
		return false
	}
	return c.waiting()
}

// waiting reports whether a read would block.
func (c *Conn) waiting() bool {
	if s, ok := c.Conn.(interface{ quiet() bool }); ok {
		return s.quiet()
	}
	return c.kernel.quiet(c.Conn)
}
