package origin

import (
	"net"
	"net/netip"
	"testing"
)

func TestListening(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort(l.Addr().String())
	if !listening(at) {
		t.Error("nobody is said to listen where somebody does")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if listening(at) {
		t.Error("somebody is said to listen where nobody does")
	}
}
