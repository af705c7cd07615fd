package wire

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/waiter"
)

// stackErrors are the errors of a stack that callers compare with a kernel's.
var stackErrors = []struct {
	stack tcpip.Error
	err   error
}{
	{&tcpip.ErrConnectionRefused{}, syscall.ECONNREFUSED},
	{&tcpip.ErrConnectionReset{}, syscall.ECONNRESET},
	{&tcpip.ErrConnectionAborted{}, syscall.ECONNABORTED},
	{&tcpip.ErrTimeout{}, syscall.ETIMEDOUT},
	{&tcpip.ErrHostUnreachable{}, syscall.EHOSTUNREACH},
	{&tcpip.ErrNetworkUnreachable{}, syscall.ENETUNREACH},
	{&tcpip.ErrPortInUse{}, syscall.EADDRINUSE},
	{&tcpip.ErrNoPortAvailable{}, syscall.EADDRNOTAVAIL},
	{&tcpip.ErrBadLocalAddress{}, syscall.EADDRNOTAVAIL},
	{&tcpip.ErrClosedForSend{}, syscall.EPIPE},
	{&tcpip.ErrMessageTooLong{}, syscall.EMSGSIZE},
}

// stackError returns what a kernel would have said.
func stackError(failed tcpip.Error) error {
	if failed == nil {
		return nil
	}
	return kernelError(errors.New(failed.String()))
}

// kernelError finds the kernel's error for one that has only the stack's
// words left: gonet returns no more.
func kernelError(err error) error {
	for _, e := range stackErrors {
		if e.stack.String() == err.Error() {
			return e.err
		}
	}
	return err
}

// translate makes what gonet returned comparable as net's errors are.
func translate(err error, closed bool) error {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok {
		return err
	}
	switch {
	case closed:
		op.Err = net.ErrClosed
	case op.Timeout():
		op.Err = os.ErrDeadlineExceeded
	default:
		op.Err = kernelError(op.Err)
	}
	return op
}

// stackConn is a TCP connection of a stack.
type stackConn struct {
	*gonet.TCPConn
	endpoint tcpip.Endpoint
	closed   atomic.Bool
}

func newStackConn(queue *waiter.Queue, ep tcpip.Endpoint) *stackConn {
	ep.SocketOptions().SetDelayOption(false) // Go's default, too
	return &stackConn{TCPConn: gonet.NewTCPConn(queue, ep), endpoint: ep}
}

// Read reads what has arrived.
func (c *stackConn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := c.TCPConn.Read(b)
	if err != nil && c.closed.Load() {
		return n, &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: net.ErrClosed}
	}
	return n, translate(err, false)
}

// Write queues b, and waits while the send buffer is full.
func (c *stackConn) Write(b []byte) (int, error) {
	n, err := c.TCPConn.Write(b)
	return n, translate(err, c.closed.Load())
}

// Close ends the connection; what is queued is sent still.
func (c *stackConn) Close() error {
	if c.closed.Swap(true) {
		return &net.OpError{Op: "close", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: net.ErrClosed}
	}
	return c.TCPConn.Close()
}

// quiet is Conn.Quiet's.
func (c *stackConn) quiet() bool {
	return c.endpoint.Readiness(waiter.ReadableEvents|waiter.EventRdHUp|waiter.EventHUp|waiter.EventErr) == 0
}

// stackListener accepts connections of a stack.
type stackListener struct {
	endpoint tcpip.Endpoint
	queue    *waiter.Queue
	at       netip.AddrPort
	closed   atomic.Bool
	done     chan struct{}
}

func newStackListener(queue *waiter.Queue, ep tcpip.Endpoint, at netip.AddrPort) *stackListener {
	return &stackListener{endpoint: ep, queue: queue, at: at, done: make(chan struct{})}
}

// Accept returns the next connection, or net.ErrClosed after Close.
func (l *stackListener) Accept() (net.Conn, error) {
	readable, arrived := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventHUp)
	l.queue.EventRegister(&readable)
	defer l.queue.EventUnregister(&readable)
	for {
		ep, queue, failed := l.endpoint.Accept(nil)
		if failed == nil {
			return newStackConn(queue, ep), nil
		}
		if _, none := failed.(*tcpip.ErrWouldBlock); !none || l.closed.Load() {
			return nil, l.fail("accept", failed)
		}
		select {
		case <-arrived:
		case <-l.done:
		}
	}
}

func (l *stackListener) fail(op string, failed tcpip.Error) error {
	err := net.ErrClosed
	if _, invalid := failed.(*tcpip.ErrInvalidEndpointState); !l.closed.Load() && failed != nil && !invalid {
		err = stackError(failed)
	}
	return &net.OpError{Op: op, Net: "tcp", Addr: l.Addr(), Err: err}
}

// Close stops listening and resets what was not accepted.
func (l *stackListener) Close() error {
	if l.closed.Swap(true) {
		return l.fail("close", nil)
	}
	l.endpoint.Close()
	close(l.done)
	return nil
}

// Addr returns the address listened on.
func (l *stackListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.at) }
