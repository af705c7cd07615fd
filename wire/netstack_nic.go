package wire

import (
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// datagram is an IP packet between two stacks. Its content is shared with
// what the sender keeps for a retransmission.
type datagram struct {
	protocol tcpip.NetworkProtocolNumber
	content  buffer.Buffer
}

func (d datagram) discard() { d.content.Release() }

// nic is a network card whose cable is a line.
type nic struct {
	mtu   uint32
	line  *line[datagram] // what it sends goes here
	stack atomic.Pointer[stack.NetworkDispatcher]
}

var _ stack.LinkEndpoint = (*nic)(nil)

// WritePackets sends packets of the stack.
func (n *nic) WritePackets(packets stack.PacketBufferList) (int, tcpip.Error) {
	for _, p := range packets.AsSlice() {
		f := flowOf(p.NetworkHeader().Slice(), p.TransportHeader().Slice())
		n.line.send(f, p.Size(), datagram{protocol: p.NetworkProtocolNumber, content: p.ToBuffer()})
	}
	return packets.Len(), nil
}

// deliver gives the stack a packet that arrived. It comes without headers set
// apart: the stack is to parse them as if it had never seen them.
func (n *nic) deliver(d datagram) {
	dispatcher := n.stack.Load()
	if dispatcher == nil {
		d.discard()
		return
	}
	p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: d.content})
	(*dispatcher).DeliverNetworkPacket(d.protocol, p)
	p.DecRef()
}

// Attach is called with the stack, and with nil when that ends.
func (n *nic) Attach(d stack.NetworkDispatcher) {
	if d == nil {
		n.stack.Store(nil)
		return
	}
	n.stack.Store(&d)
}

// IsAttached belongs to stack.LinkEndpoint, as do all below.
func (n *nic) IsAttached() bool { return n.stack.Load() != nil }

// MTU is the link's.
func (n *nic) MTU() uint32 { return n.mtu }

// SetMTU does nothing: the link has one MTU for its life.
func (n *nic) SetMTU(uint32) {}

// Capabilities spares both ends the checksums: a line does not flip bits.
func (n *nic) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityTXChecksumOffload | stack.CapabilityRXChecksumOffload
}

// MaxHeaderLength is zero: there is no header below IP.
func (n *nic) MaxHeaderLength() uint16 { return 0 }

// LinkAddress is empty.
func (n *nic) LinkAddress() tcpip.LinkAddress { return "" }

// SetLinkAddress does nothing.
func (n *nic) SetLinkAddress(tcpip.LinkAddress) {}

// ARPHardwareType is none: nobody resolves addresses.
func (n *nic) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }

// AddHeader adds none.
func (n *nic) AddHeader(*stack.PacketBuffer) {}

// ParseHeader finds none.
func (n *nic) ParseHeader(*stack.PacketBuffer) bool { return true }

// Wait has nothing to wait for: the line has an owner of its own.
func (n *nic) Wait() {}

// Close does nothing.
func (n *nic) Close() {}

// SetOnCloseAction does nothing.
func (n *nic) SetOnCloseAction(func()) {}
