package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Network makes streams: Direct over the kernel, Model in memory, a Path over
// whatever kind of link it was opened with.
type Network interface {
	// Dial connects from source (zero: the network's choice) to target. Its
	// result is nil with every error.
	Dial(ctx context.Context, source netip.Addr, target netip.AddrPort) (net.Conn, error)
	// Listen accepts what is dialed to at; port 0 chooses a free one.
	Listen(at netip.AddrPort) (net.Listener, error)
}

// ErrForeignTarget is wrapped by what Direct returns for an address that is
// not loopback.
var ErrForeignTarget = errors.New("not a loopback address: only targets on this machine are allowed")

// Direct is the kernel's loopback. Its zero value is ready.
type Direct struct{}

// Dial connects to a loopback target. It wraps ErrForeignTarget, and has sent
// nothing, when target is another address.
func (Direct) Dial(ctx context.Context, source netip.Addr, target netip.AddrPort) (net.Conn, error) {
	// Keep-alive probes would cost three system calls per connection.
	return dialLoopback(ctx, net.Dialer{KeepAlive: -1}, source, target)
}

func dialLoopback(ctx context.Context, d net.Dialer, source netip.Addr, target netip.AddrPort) (net.Conn, error) {
	if !target.Addr().Unmap().IsLoopback() {
		return nil, fmt.Errorf("dialing %s: %w", target, ErrForeignTarget)
	}
	if source.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
		if d.Control == nil {
			d.Control = latePort
		}
	}
	return d.DialContext(ctx, "tcp", target.String())
}

// Listen listens on a loopback address. It wraps ErrForeignTarget for any
// other.
func (Direct) Listen(at netip.AddrPort) (net.Listener, error) {
	if !at.Addr().Unmap().IsLoopback() {
		return nil, fmt.Errorf("listening on %s: %w", at, ErrForeignTarget)
	}
	return net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
}

// Dialer makes measured connections. Its zero value dials over Direct, from
// the kernel's choice of address, without a timeout.
type Dialer struct {
	Source  netip.Addr    // zero: the network's choice
	Network Network       // nil: Direct
	Timeout time.Duration // of TCP connect; 0 = only the context's
}

// Dial connects to target.
func (d Dialer) Dial(ctx context.Context, target netip.AddrPort) (*Conn, error) {
	network := d.Network
	if network == nil {
		network = Direct{}
	}
	if d.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.Timeout)
		defer cancel()
	}
	start := time.Now()
	stream, err := network.Dial(ctx, d.Source, target)
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: stream, dialed: start, connected: time.Now()}, nil
}
