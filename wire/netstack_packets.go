package wire

import (
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// OpenPackets opens a socket at the edge's side; source may be any address.
func (n *netstack) OpenPackets(source netip.Addr, target netip.AddrPort) (net.PacketConn, error) {
	source = n.source(source, target)
	if source.Is4() != target.Addr().Unmap().Is4() {
		return nil, fmt.Errorf("sending from %s to %s: %w", source, target, syscall.EAFNOSUPPORT)
	}
	p, err := n.packets(n.near, netip.AddrPortFrom(source, 0))
	if err != nil {
		return nil, fmt.Errorf("sending from %s: %w", source, err)
	}
	return p, nil
}

// ListenPackets opens a socket at the origin's side, at any address but an
// unspecified one: an answer must come from the address that was asked.
func (n *netstack) ListenPackets(at netip.AddrPort) (net.PacketConn, error) {
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	if at.Addr().IsUnspecified() {
		return nil, fmt.Errorf("listening for datagrams on %s: name one address, from which answers are to come", at)
	}
	p, err := n.packets(n.far, at)
	if err != nil {
		return nil, fmt.Errorf("listening for datagrams on %s: %w", at, err)
	}
	return p, nil
}

func (n *netstack) packets(s *stack.Stack, at netip.AddrPort) (*stackPackets, error) {
	if !n.enter() {
		return nil, net.ErrClosed
	}
	defer n.dialing.Done()
	queue := &waiter.Queue{}
	ep, failed := s.NewEndpoint(udp.ProtocolNumber, protocolOf(at.Addr()), queue)
	if failed != nil {
		return nil, stackError(failed)
	}
	if _, err := n.bindFar(ep, at); err != nil {
		ep.Close()
		return nil, err
	}
	p := &stackPackets{UDPConn: gonet.NewUDPConn(queue, ep), endpoint: ep}
	ep.SocketOptions().SetReceiveBufferSize(packetBuffer, true)
	ep.SocketOptions().SetSendBufferSize(packetBuffer, true)
	return p, nil
}

// stackPackets is a UDP socket of a stack.
type stackPackets struct {
	*gonet.UDPConn
	endpoint tcpip.Endpoint
	closed   atomic.Bool
}

// ReadFrom receives a datagram.
func (p *stackPackets) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := p.UDPConn.ReadFrom(b)
	if err != nil && p.closed.Load() {
		return n, from, p.fail("read")
	}
	return n, from, translate(err, false)
}

// WriteTo sends a datagram.
func (p *stackPackets) WriteTo(b []byte, to net.Addr) (int, error) {
	address, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, fmt.Errorf("sending a datagram to %v: it is not a UDP address", to)
	}
	// The stack takes an IPv4 address in 16 bytes for IPv6.
	if short := address.IP.To4(); short != nil {
		address = &net.UDPAddr{IP: short, Port: address.Port}
	}
	n, err := p.UDPConn.WriteTo(b, address)
	return n, translate(err, p.closed.Load())
}

// Close closes the socket.
func (p *stackPackets) Close() error {
	if p.closed.Swap(true) {
		return p.fail("close")
	}
	return p.UDPConn.Close()
}

func (p *stackPackets) fail(op string) error {
	return &net.OpError{Op: op, Net: "udp", Addr: p.LocalAddr(), Err: net.ErrClosed}
}

// SetReadBuffer sets how many bytes wait to be read. Without it quic-go
// complains on the standard logger.
func (p *stackPackets) SetReadBuffer(size int) error {
	p.endpoint.SocketOptions().SetReceiveBufferSize(int64(size), true)
	return nil
}

// SetWriteBuffer sets how many bytes wait to be sent.
func (p *stackPackets) SetWriteBuffer(size int) error {
	p.endpoint.SocketOptions().SetSendBufferSize(int64(size), true)
	return nil
}
