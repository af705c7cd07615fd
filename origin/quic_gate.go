package origin

import (
	"net"
	"net/netip"
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
}

// maxRefused bounds what forged addresses can make the gate remember.
const maxRefused = 4096

func newPacketGate(socket net.PacketConn, s *Server) *packetGate {
	return &packetGate{PacketConn: socket, server: s, refused: map[netip.AddrPort]struct{}{}}
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
			return n, from, nil
		}
		g.refuse(peer)
	}
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
