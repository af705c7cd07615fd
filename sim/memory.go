package sim

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// memory is a network within one process, for counts of instructions: a socket
// has the kernel in it, and whether a read there must wait is an accident that
// the scheduler pays for. It has one listener.
type memory struct {
	address  netip.AddrPort
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
	port     uint16 // of the last dialer
}

func newMemory() *memory {
	return &memory{
		address:  netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 443),
		accepted: make(chan net.Conn, 1), closed: make(chan struct{}), port: 1024,
	}
}

// Dial implements wire.Network.
func (m *memory) Dial(ctx context.Context, source netip.Addr, _ netip.AddrPort) (net.Conn, error) {
	m.port++
	here, there := newStream(), newStream()
	from := net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, m.port))
	to := net.TCPAddrFromAddrPort(m.address)
	select {
	case m.accepted <- &memoryConn{in: there, out: here, local: to, remote: from}:
		return &memoryConn{in: here, out: there, local: from, remote: to}, nil
	case <-m.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Listen implements wire.Network.
func (m *memory) Listen(netip.AddrPort) (net.Listener, error) { return m, nil }

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.accepted:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

func (m *memory) Addr() net.Addr { return net.TCPAddrFromAddrPort(m.address) }

// stream is one direction of a connection.
type stream struct {
	mu     sync.Mutex
	came   sync.Cond
	bytes  []byte
	ended  bool // by who writes
	closed bool // by who reads
	// expired: the reader's deadline has passed.
	expired bool
}

func newStream() *stream {
	s := &stream{bytes: make([]byte, 0, 4<<10)}
	s.came.L = &s.mu
	return s
}

func (s *stream) read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.bytes) == 0 && !s.ended && !s.closed && !s.expired {
		s.came.Wait()
	}
	switch {
	case s.closed:
		return 0, net.ErrClosed
	case s.expired:
		return 0, os.ErrDeadlineExceeded
	case len(s.bytes) == 0:
		return 0, io.EOF
	}
	n := copy(b, s.bytes)
	s.bytes = s.bytes[:copy(s.bytes, s.bytes[n:])]
	return n, nil
}

func (s *stream) write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.closed {
		return 0, errors.Join(io.ErrClosedPipe, net.ErrClosed)
	}
	s.bytes = append(s.bytes, b...)
	s.came.Broadcast()
	return len(b), nil
}

func (s *stream) end(ended, closed bool) {
	s.mu.Lock()
	s.ended, s.closed = s.ended || ended, s.closed || closed
	s.came.Broadcast()
	s.mu.Unlock()
}

// memoryConn is one end of a connection.
type memoryConn struct {
	in, out       *stream
	local, remote net.Addr
}

func (c *memoryConn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *memoryConn) Write(b []byte) (int, error) { return c.out.write(b) }
func (c *memoryConn) LocalAddr() net.Addr         { return c.local }
func (c *memoryConn) RemoteAddr() net.Addr        { return c.remote }

// CloseWrite ends what this end says, as a TCP connection's does.
func (c *memoryConn) CloseWrite() error {
	c.out.end(true, false)
	return nil
}

func (c *memoryConn) Close() error {
	c.out.end(true, false)
	c.in.end(false, true)
	return nil
}

// SetReadDeadline wakes who reads where the deadline has passed already, which
// is how a server ends a read that it began too early. One in the future is not
// kept: who counts bounds the whole process.
func (c *memoryConn) SetReadDeadline(at time.Time) error {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.in.expired = !at.IsZero() && !at.After(time.Now())
	c.in.came.Broadcast()
	return nil
}

// SetWriteDeadline does nothing: a write never waits.
func (c *memoryConn) SetWriteDeadline(time.Time) error { return nil }

func (c *memoryConn) SetDeadline(at time.Time) error { return c.SetReadDeadline(at) }
