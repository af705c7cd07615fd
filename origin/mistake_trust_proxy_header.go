package origin

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
)

func init() {
	registerMistake(Mistake{
		Name:     "trust-proxy-header",
		Title:    "believes a PROXY protocol preface from anybody",
		Fix:      "do not speak the PROXY protocol, or only to the load balancer's own address",
		Strategy: Allowlist,
		// QUIC has no preface, and is guarded as ever.
		Drops: func(path Path) Proof {
			if path.Port == UDP {
				return 0
			}
			return Address
		},
		plant: func(g *guard) error {
			g.preface = true
			return nil
		},
	})
}

// maxPreface is the length of the longest PROXY v1 line.
const maxPreface = 107

// readPreface reads a PROXY v1 line if the stream starts with one. It returns
// the source address the line claims (the zero Addr for none) and the bytes
// that were read and are no part of it.
func readPreface(c net.Conn) (netip.Addr, []byte, error) {
	const prefix = "PROXY "
	line := make([]byte, 0, maxPreface)
	one := make([]byte, 1)
	for len(line) < maxPreface {
		if _, err := io.ReadFull(c, one); err != nil {
			return netip.Addr{}, line, err
		}
		line = append(line, one[0])
		if n := min(len(line), len(prefix)); string(line[:n]) != prefix[:n] {
			return netip.Addr{}, line, nil
		}
		if bytes.HasSuffix(line, []byte("\r\n")) {
			fields := strings.Fields(string(line))
			if len(fields) != 6 {
				return netip.Addr{}, nil, nil
			}
			addr, err := netip.ParseAddr(fields[2])
			if err != nil {
				return netip.Addr{}, nil, errors.New("the PROXY line names no source address")
			}
			return plainAddr(addr), nil, nil
		}
	}
	return netip.Addr{}, nil, errors.New("the PROXY line does not end")
}
