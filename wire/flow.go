package wire

import "encoding/binary"

// flow stands for the packets of one direction of one connection: addresses,
// ports and protocol, hashed so that every run has the same.
type flow uint64

const (
	protocolTCP = 6
	protocolUDP = 17
)

// flowOf reads the flow of an IP packet, of which ip is at least the network
// header and rest what follows it. What it cannot read belongs to flow 0.
// Fragments have no ports but in the first, so they are left out in all.
func flowOf(ip, rest []byte) flow {
	var addresses []byte
	var protocol byte
	fragment := false
	switch {
	case len(ip) >= 20 && ip[0]>>4 == 4:
		protocol, addresses = ip[9], ip[12:20]
		fragment = binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 // an offset, or more to come
	case len(ip) >= 40 && ip[0]>>4 == 6:
		protocol, addresses = ip[6], ip[8:40]
	default:
		return 0
	}
	// FNV-1a, 64 bits.
	hash := uint64(14695981039346656037)
	add := func(b byte) { hash = (hash ^ uint64(b)) * 1099511628211 }
	for _, b := range addresses {
		add(b)
	}
	add(protocol)
	if !fragment && len(rest) >= 4 && (protocol == protocolTCP || protocol == protocolUDP) {
		for _, b := range rest[:4] {
			add(b)
		}
	}
	return flow(mix(hash))
}

// flowOfPacket is flowOf of a packet in one piece.
func flowOfPacket(packet []byte) flow {
	if len(packet) == 0 {
		return 0
	}
	size := 40
	if packet[0]>>4 == 4 {
		size = 4 * int(packet[0]&15)
	}
	if size > len(packet) {
		return 0
	}
	return flowOf(packet[:size], packet[size:])
}

// mix is the finalizer of SplitMix64: every bit of x changes half of the result.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// purpose keeps draws for one packet independent of each other.
type purpose uint64

const (
	drawLoss purpose = iota + 1
	drawJitter
)

// draw returns a share from 0 to below 1 that depends on its arguments alone,
// so that the same packet of the same flow has the same fate in every run,
// whatever other flows do.
func draw(seed uint64, p purpose, f flow, index uint64) float64 {
	return float64(mix(mix(mix(seed^uint64(p)<<56)^uint64(f))^index)>>11) / (1 << 53)
}
