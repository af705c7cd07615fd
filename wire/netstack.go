package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	onlyNIC = 1
	// timeWait bounds how long an ended connection keeps its port and its
	// memory. With the usual minute one address runs out of ports after
	// 49,152 connections.
	timeWait     = time.Second
	congestion   = "cubic"
	firstPort    = 16384
	maxBacklog   = 4096
	packetBuffer = 4 << 20 // bytes of a UDP socket, each way
)

// defaultSources are what an edge without an address of its own dials from
// (RFC 5737 and RFC 3849).
var (
	defaultSource4 = netip.MustParseAddr("198.51.100.1")
	defaultSource6 = netip.MustParseAddr("2001:db8::1")
)

func init() {
	registerKind(Kind{
		Name: "netstack", Summary: "two TCP/IP stacks in this process, joined by a delay line",
		Packets: true, AnySource: true, rank: 2,
		honours: []string{"rtt", "jitter", "loss", "rate", "queue", "mtu"},
		open:    openNetstack,
	})
}

// netstack is two TCP/IP stacks in user space joined by two lines. Both take
// every address for their own, so no address is ever configured.
//
// Note: it hangs under testing/synctest, because the stack's sleeping
// goroutines are not durably blocked. Use a model link there.
type netstack struct {
	near, far *stack.Stack
	out, back *line[datagram]
	closing   chan struct{}
	dialing   sync.WaitGroup // endpoints that the stack does not know yet

	mu     sync.Mutex
	closed bool
	ports  map[netip.Addr]uint16 // next to try
}

func openNetstack(l Link) (carrier, error) {
	n := &netstack{ports: map[netip.Addr]uint16{}, closing: make(chan struct{})}
	nearNIC, farNIC := &nic{mtu: uint32(l.MTU)}, &nic{mtu: uint32(l.MTU)}
	out, back := l.lines()
	n.out = newLine(out, newAlarm(), farNIC.deliver, datagram.discard)
	n.back = newLine(back, newAlarm(), nearNIC.deliver, datagram.discard)
	nearNIC.line, farNIC.line = n.out, n.back
	var err error
	if n.near, err = newStack(nearNIC); err == nil {
		n.far, err = newStack(farNIC)
	}
	if err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func newStack(at *nic) (*stack.Stack, error) {
	s := stack.New(stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{
			ipv4.NewProtocolWithOptions(ipv4.Options{AllowExternalLoopbackTraffic: true}),
			ipv6.NewProtocolWithOptions(ipv6.Options{AllowExternalLoopbackTraffic: true}),
		},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	// Each is a setting that a stack either has or has under another name in
	// another version: none fails by itself.
	wait, cc := tcpip.TCPTimeWaitTimeoutOption(timeWait), tcpip.CongestionControlOption(congestion)
	failures := []tcpip.Error{
		s.SetTransportProtocolOption(tcp.ProtocolNumber, &wait),
		s.SetTransportProtocolOption(tcp.ProtocolNumber, &cc),
		s.CreateNIC(onlyNIC, at),
		s.SetSpoofing(onlyNIC, true),
		s.SetPromiscuousMode(onlyNIC, true),
	}
	for _, failed := range failures {
		if failed != nil {
			s.Destroy()
			return nil, fmt.Errorf("setting up a TCP/IP stack: %w", stackError(failed))
		}
	}
	s.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: onlyNIC},
		{Destination: header.IPv6EmptySubnet, NIC: onlyNIC},
	})
	return s, nil
}

// Dial connects from source, which may be any address.
func (n *netstack) Dial(ctx context.Context, source netip.Addr, target netip.AddrPort) (net.Conn, error) {
	source, target = n.source(source, target), netip.AddrPortFrom(target.Addr().Unmap(), target.Port())
	c, err := n.dial(ctx, source, target)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Source: net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0)), Addr: net.TCPAddrFromAddrPort(target), Err: err}
	}
	return c, nil
}

func (n *netstack) source(source netip.Addr, target netip.AddrPort) netip.Addr {
	switch {
	case source.IsValid():
		return source.Unmap()
	case target.Addr().Unmap().Is4():
		return defaultSource4
	default:
		return defaultSource6
	}
}

func (n *netstack) dial(ctx context.Context, source netip.Addr, target netip.AddrPort) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if source.Is4() != target.Addr().Is4() {
		return nil, syscall.EAFNOSUPPORT
	}
	if !n.enter() {
		return nil, net.ErrClosed
	}
	defer n.dialing.Done()
	queue := &waiter.Queue{}
	ep, failed := n.near.NewEndpoint(tcp.ProtocolNumber, protocolOf(target.Addr()), queue)
	if failed != nil {
		return nil, stackError(failed)
	}
	if err := n.bind(ep, source); err != nil {
		ep.Close()
		return nil, err
	}
	return n.connect(ctx, queue, ep, target)
}

// enter keeps the stacks open until dialing.Done, unless they are closed.
func (n *netstack) enter() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.closed {
		n.dialing.Add(1)
	}
	return !n.closed
}

func (n *netstack) connect(ctx context.Context, queue *waiter.Queue, ep tcpip.Endpoint, target netip.AddrPort) (net.Conn, error) {
	writable, connected := waiter.NewChannelEntry(waiter.WritableEvents)
	queue.EventRegister(&writable)
	defer queue.EventUnregister(&writable)
	failed := ep.Connect(fullAddress(target))
	if _, started := failed.(*tcpip.ErrConnectStarted); started {
		select {
		case <-ctx.Done():
			ep.Close()
			return nil, ctx.Err()
		case <-n.closing:
			ep.Close()
			return nil, net.ErrClosed
		case <-connected:
		}
		failed = ep.LastError()
	}
	if failed != nil {
		ep.Close()
		return nil, stackError(failed)
	}
	return newStackConn(queue, ep), nil
}

// bind takes the next free port of source. The order of ports is the same in
// every run, unlike the stack's own choice, so that the n-th connection is the
// same flow and has the same fate.
func (n *netstack) bind(ep tcpip.Endpoint, source netip.Addr) error {
	for range 65536 - firstPort {
		failed := ep.Bind(fullAddress(netip.AddrPortFrom(source, n.port(source))))
		if _, taken := failed.(*tcpip.ErrPortInUse); !taken {
			return stackError(failed)
		}
	}
	return fmt.Errorf("all ports of %s are taken: %w", source, syscall.EADDRNOTAVAIL)
}

func (n *netstack) port(of netip.Addr) uint16 {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := max(n.ports[of], firstPort)
	n.ports[of] = p + 1 // 0 after the last: back to the first
	return p
}

// Listen accepts what is dialed to at, which may be any address; an
// unspecified one stands for all of its family.
func (n *netstack) Listen(at netip.AddrPort) (net.Listener, error) {
	l, err := n.listen(netip.AddrPortFrom(at.Addr().Unmap(), at.Port()))
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(at), Err: err}
	}
	return l, nil
}

func (n *netstack) listen(at netip.AddrPort) (*stackListener, error) {
	if !n.enter() {
		return nil, net.ErrClosed
	}
	defer n.dialing.Done()
	queue := &waiter.Queue{}
	ep, failed := n.far.NewEndpoint(tcp.ProtocolNumber, protocolOf(at.Addr()), queue)
	if failed != nil {
		return nil, stackError(failed)
	}
	ep.SocketOptions().SetReuseAddress(true) // as net does: what is in TIME_WAIT is no listener
	at, err := n.bindFar(ep, at)
	if err == nil {
		err = stackError(ep.Listen(maxBacklog))
	}
	if err != nil {
		ep.Close()
		return nil, err
	}
	return newStackListener(queue, ep, at), nil
}

// bindFar binds to at, or to a free port where it has none.
func (n *netstack) bindFar(ep tcpip.Endpoint, at netip.AddrPort) (netip.AddrPort, error) {
	if at.Port() != 0 {
		return at, stackError(ep.Bind(fullAddress(at)))
	}
	if err := n.bind(ep, at.Addr()); err != nil {
		return at, err
	}
	bound, failed := ep.GetLocalAddress()
	return netip.AddrPortFrom(at.Addr(), bound.Port), stackError(failed)
}

func (n *netstack) takeStats(s *LinkStats) {
	takeLines(s, n.out, n.back)
	s.Congestion, s.TimeWait = congestion, timeWait
}

// close resets what is open, stops the lines and waits for the stacks.
func (n *netstack) close() error {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	close(n.closing)
	n.dialing.Wait()
	for _, s := range []*stack.Stack{n.near, n.far} {
		if s != nil {
			s.Close()
		}
	}
	err := errors.Join(n.out.close(), n.back.close())
	for _, s := range []*stack.Stack{n.near, n.far} {
		if s != nil {
			s.Wait()
		}
	}
	return err
}

func protocolOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

func fullAddress(a netip.AddrPort) tcpip.FullAddress {
	full := tcpip.FullAddress{NIC: onlyNIC, Port: a.Port()}
	if !a.Addr().IsUnspecified() {
		full.Addr = tcpip.AddrFromSlice(a.Addr().AsSlice())
	}
	return full
}
