package wire

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
)

// TestDirectDialsLoopbackOnly looks for sockets: Control is called for every
// one before it connects.
func TestDirectDialsLoopbackOnly(t *testing.T) {
	for _, at := range []string{
		"192.0.2.1:443", "10.0.0.1:443", "169.254.169.254:80", "0.0.0.0:443", "[::]:443",
		"[2001:db8::1]:443", "[fe80::1%lo]:443", "[::ffff:192.0.2.1]:443", "128.0.0.1:443",
	} {
		sockets := 0
		d := net.Dialer{Control: func(string, string, syscall.RawConn) error {
			sockets++
			return errors.New("a test must not dial out")
		}}
		conn, err := dialLoopback(context.Background(), d, netip.Addr{}, netip.MustParseAddrPort(at))
		if !errors.Is(err, ErrForeignTarget) || conn != nil {
			t.Errorf("%s: %v, %v", at, conn, err)
		}
		if sockets != 0 {
			t.Errorf("%s: %d sockets were made", at, sockets)
		}
		if _, err := (Direct{}).Listen(netip.MustParseAddrPort(at)); !errors.Is(err, ErrForeignTarget) {
			t.Errorf("listening on %s: %v", at, err)
		}
	}
	if _, err := (Dialer{}).Dial(context.Background(), netip.AddrPort{}); !errors.Is(err, ErrForeignTarget) {
		t.Errorf("no target: %v", err)
	}
}

func TestDirectDialsFromItsSource(t *testing.T) {
	l, err := Direct{}.Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().(*net.TCPAddr).AddrPort()
	source := netip.MustParseAddr("127.0.0.1")
	for _, target := range []netip.AddrPort{at, netip.AddrPortFrom(netip.AddrFrom16(at.Addr().As16()), at.Port())} {
		c, err := Dialer{Source: source}.Dial(context.Background(), target)
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := accepted.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(); got != source {
			t.Errorf("accepted from %s", got)
		}
		if err := errors.Join(accepted.Close(), c.Close()); err != nil {
			t.Error(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := (Dialer{}).Dial(context.Background(), at); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v", err)
	}
}
