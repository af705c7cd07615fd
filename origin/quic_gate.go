package origin

import (
	"errors"
	"net"
	"net/netip"
	"sync"
)

// packetGate decides on the source address of every datagram, before QUIC
// sees it. Deciding at the start of a connection would not do: a connection
// can move to another address (RFC 9000, section 9).
//
// It hides the socket's other methods on purpose: with them quic-go would read
// batches past it.
type packetGate struct {
	net.PacketConn
	server *Server

	// The reader's own: peers whose refusal is in the audit log already. A
	// client sends its first datagram again and again.
	refused map[netip.AddrPort]struct{}

	mu     sync.Mutex
	begins map[netip.AddrPort]begun
}

// begun is the connection that a peer began last, by the ID that its client
// chose for it (RFC 9000, section 7.2): the same in every datagram of its first
// flight, sent again or not.
type begun struct {
	id   [maxConnectionID]byte
	size byte
	seen bool // by QUIC, too
}

// The sizes of a connection ID that a client may choose.
const (
	leastConnectionID = 8
	maxConnectionID   = 20
)

// maxBegun bounds what forged addresses can make the gate remember: it is a
// client's every port, and a few more.
const maxBegun = 1 << 17

// errBegunBefore is why a connection is refused that has been and gone.
var errBegunBefore = errors.New("a late datagram of a connection that has ended")

// maxRefused bounds what forged addresses can make the gate remember.
const maxRefused = 4096

func newPacketGate(socket net.PacketConn, s *Server) *packetGate {
	return &packetGate{PacketConn: socket, server: s, refused: map[netip.AddrPort]struct{}{}, begins: map[netip.AddrPort]begun{}}
}

// ReadFrom returns the next datagram that is let in.
func (g *packetGate) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := g.PacketConn.ReadFrom(b)
		if err != nil {
			return n, from, err
		}
		peer := peerOf(from)
		if guard := g.server.state.Load().quic.guard; guard.admits == nil || guard.admits(peer.Addr()) {
			g.note(peer, b[:n])
			return n, from, nil
		}
		g.refuse(peer)
	}
}

// note remembers which connection a client's first flight is of.
func (g *packetGate) note(peer netip.AddrPort, datagram []byte) {
	const initial, form = 0xc0, 0xf0 // a long header of QUIC version 1 (RFC 9000, section 17.2)
	if len(datagram) < 6 || datagram[0]&form != initial {
		return
	}
	size := int(datagram[5])
	if size < leastConnectionID || size > maxConnectionID || len(datagram) < 6+size {
		return // the server's choice, by which QUIC knows its connections
	}
	b := begun{size: byte(size)}
	copy(b.id[:], datagram[6:6+size])
	g.mu.Lock()
	defer g.mu.Unlock()
	if known, ok := g.begins[peer]; ok && known.id == b.id && known.size == b.size {
		return
	}
	if len(g.begins) == maxBegun {
		clear(g.begins)
	}
	g.begins[peer] = b
}

// again reports whether the connection that a peer begins has been and gone.
// Under load a datagram can wait for longer than its client, and would begin
// another connection, which nobody made.
func (g *packetGate) again(peer netip.AddrPort) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	b, known := g.begins[peer]
	if known && !b.seen {
		b.seen = true
		g.begins[peer] = b
		return false
	}
	return known
}

// refuse counts and records each peer once, and answers none.
func (g *packetGate) refuse(peer netip.AddrPort) {
	if _, known := g.refused[peer]; known {
		return
	}
	if len(g.refused) == maxRefused {
		clear(g.refused)
	}
	g.refused[peer] = struct{}{}
	g.server.counts.accepted.Add(1)
	g.server.counts.refused.Add(1)
	g.server.refused(&identity{peer: peer, quic: true}, StageTCP, deny(Address, "address %s is not allowed", peer.Addr()))
}

// SetReadBuffer passes the size on, in bytes, where the socket takes one.
// Without it quic-go complains on the standard logger.
func (g *packetGate) SetReadBuffer(size int) error {
	if socket, ok := g.PacketConn.(interface{ SetReadBuffer(int) error }); ok {
		return socket.SetReadBuffer(size)
	}
	return nil
}

// SetWriteBuffer is as SetReadBuffer.
func (g *packetGate) SetWriteBuffer(size int) error {
	if socket, ok := g.PacketConn.(interface{ SetWriteBuffer(int) error }); ok {
		return socket.SetWriteBuffer(size)
	}
	return nil
}
