package wire

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// PacketNetwork opens sockets for datagrams. Direct and a Path are; a Model
// carries streams only.
type PacketNetwork interface {
	// OpenPackets opens a socket from source (zero: the network's choice) for
	// datagrams to target. Its result is nil with every error.
	OpenPackets(source netip.Addr, target netip.AddrPort) (net.PacketConn, error)
}

// OpenPackets opens a UDP socket for a loopback target. It wraps
// ErrForeignTarget for any other.
func (Direct) OpenPackets(source netip.Addr, target netip.AddrPort) (net.PacketConn, error) {
	if !target.Addr().Unmap().IsLoopback() {
		return nil, fmt.Errorf("sending to %s: %w", target, ErrForeignTarget)
	}
	if !source.IsValid() {
		source = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		if target.Addr().Is6() && !target.Addr().Is4In6() {
			source = netip.IPv6Loopback()
		}
	}
	return net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(source, 0)))
}

// ListenPackets opens a UDP socket at a loopback address. It wraps
// ErrForeignTarget for any other.
func (Direct) ListenPackets(at netip.AddrPort) (net.PacketConn, error) {
	if !at.Addr().Unmap().IsLoopback() {
		return nil, fmt.Errorf("listening for datagrams on %s: %w", at, ErrForeignTarget)
	}
	return net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
}

// OpenPackets opens a counted socket for datagrams to target.
func (d Dialer) OpenPackets(ctx context.Context, target netip.AddrPort) (*Packets, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	network := d.Network
	if network == nil {
		network = Direct{}
	}
	packets, ok := network.(PacketNetwork)
	if !ok {
		return nil, errNoDatagrams("model")
	}
	opened := time.Now()
	socket, err := packets.OpenPackets(d.Source, target)
	if err != nil {
		return nil, err
	}
	return &Packets{PacketConn: socket, opened: opened}, nil
}

// Packets counts the datagrams of one QUIC client. It hides the socket's
// other methods on purpose: with them quic-go would send and read in batches
// past the counters.
//
// A turn is a datagram that answers something sent since the turn before. The
// server's first flight is several datagrams, and the client acknowledges the
// first while the second is on its way: the second answers nothing new. So
// during the handshake a turn is
//
//   - the first datagram that arrives;
//   - the first one after a Retry (RFC 9000, section 8.1.2);
//   - the first one of the handshake beyond three times what had been sent
//     before anything arrived: the server had to wait for a word from the
//     client before it could send more (section 8.1).
type Packets struct {
	net.PacketConn
	opened time.Time

	mu       sync.Mutex
	counts   Counts
	last     direction
	opening  int64 // bytes sent before anything arrived
	flight   int64 // bytes of handshake datagrams that arrived
	lifted   bool  // the server's limit is gone, or was waited for
	retrying bool  // the last datagram was a Retry
}

// Counts returns what has been carried so far: bytes are UDP payload.
func (p *Packets) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

// WriteTo sends a datagram. It is counted before it leaves: the answer may
// arrive before WriteTo returns.
func (p *Packets) WriteTo(b []byte, to net.Addr) (int, error) {
	p.mu.Lock()
	p.counts.Sent += int64(len(b))
	if p.counts.Received == 0 {
		p.opening += int64(len(b))
	}
	p.turn(outwards)
	p.mu.Unlock()
	return p.PacketConn.WriteTo(b, to)
}

// ReadFrom receives a datagram.
func (p *Packets) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := p.PacketConn.ReadFrom(b)
	if n > 0 {
		p.mu.Lock()
		p.received(b[:n])
		p.mu.Unlock()
	}
	return n, from, err
}

// maxAmplification is how many times what it has received a server may send
// to an address that nobody has proven yet.
const maxAmplification = 3

func (p *Packets) received(b []byte) {
	kind := kindOf(b)
	switch {
	case p.counts.Received == 0, p.retrying:
		p.counts.Turns++
	case kind == handshakePacket && !p.lifted && p.flight >= maxAmplification*p.opening:
		p.lifted = true
		p.counts.Turns++
	}
	p.retrying = kind == retryPacket
	switch kind {
	case retryPacket:
		p.lifted = true // its token proves the address
	case handshakePacket:
		p.flight += int64(len(b))
	case otherPacket:
	}
	p.counts.Received += int64(len(b))
	p.turn(inwards)
}

func (p *Packets) turn(d direction) {
	if p.last != d {
		p.last = d
		p.counts.Flights++
	}
}

// packetKind is what the first packet of a datagram is for.
type packetKind uint8

const (
	otherPacket packetKind = iota
	handshakePacket
	retryPacket
)

// kindOf reads the unprotected bits of a long header (RFC 9000, section 17.2).
func kindOf(b []byte) packetKind {
	if len(b) < 5 || b[0]&0x80 == 0 {
		return otherPacket
	}
	switch b[0] >> 4 & 3 {
	case 3:
		return retryPacket
	default:
		return handshakePacket
	}
}

// SetReadBuffer passes the size on, in bytes, where the socket takes one.
// Without it quic-go complains on the standard logger.
func (p *Packets) SetReadBuffer(size int) error {
	if socket, ok := p.PacketConn.(interface{ SetReadBuffer(int) error }); ok {
		return socket.SetReadBuffer(size)
	}
	return nil
}

// SetWriteBuffer is as SetReadBuffer.
func (p *Packets) SetWriteBuffer(size int) error {
	if socket, ok := p.PacketConn.(interface{ SetWriteBuffer(int) error }); ok {
		return socket.SetWriteBuffer(size)
	}
	return nil
}
