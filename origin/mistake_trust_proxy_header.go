package origin

import (
	"bytes"
	"encoding/binary"
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
	first, rest, err := readFirst(c)
	if err != nil || rest != nil {
		return netip.Addr{}, rest, err
	}
	if first == prefaceV2[0] {
		return readPrefaceV2(c)
	}
	line := append(make([]byte, 0, maxPreface), first)
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

// readFirst reads one byte. One that begins no preface is returned in rest.
func readFirst(c net.Conn) (first byte, rest []byte, err error) {
	one := make([]byte, 1)
	if _, err := io.ReadFull(c, one); err != nil {
		return 0, nil, err
	}
	if one[0] != 'P' && one[0] != prefaceV2[0] {
		return 0, one, nil
	}
	return one[0], nil, nil
}

// prefaceV2 is what the binary form begins with.
const prefaceV2 = "\r\n\r\n\x00\r\nQUIT\n"

// readPrefaceV2 reads the rest of a binary preface; LOCAL claims no address.
func readPrefaceV2(c net.Conn) (netip.Addr, []byte, error) {
	head := make([]byte, len(prefaceV2)+3)
	if _, err := io.ReadFull(c, head); err != nil {
		return netip.Addr{}, nil, err
	}
	if string(head[:len(prefaceV2)-1]) != prefaceV2[1:] {
		return netip.Addr{}, nil, errors.New("the binary PROXY preface is none")
	}
	command, family := head[len(prefaceV2)-1], head[len(prefaceV2)]
	body := make([]byte, binary.BigEndian.Uint16(head[len(prefaceV2)+1:]))
	if _, err := io.ReadFull(c, body); err != nil {
		return netip.Addr{}, nil, err
	}
	if command == 0x21 && family == 0x11 && len(body) >= 12 {
		return netip.AddrFrom4([4]byte(body[:4])), nil, nil
	}
	return netip.Addr{}, nil, nil
}
