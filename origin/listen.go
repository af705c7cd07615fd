package origin

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// listenTries is how many ports Listen tries before it gives up.
const listenTries = 64

// Listen opens a TCP and a UDP socket with one port number. Port 0 chooses one
// that is free for both.
func Listen(at netip.AddrPort) (net.Listener, net.PacketConn, error) {
	for try := 1; ; try++ {
		packets, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			return nil, nil, fmt.Errorf("origin: %w", err)
		}
		port := packets.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(at.Addr(), port)))
		if err == nil {
			return listener, packets, nil
		}
		err = errors.Join(err, packets.Close())
		if at.Port() != 0 || try == listenTries {
			return nil, nil, fmt.Errorf("origin: %w", err)
		}
	}
}
