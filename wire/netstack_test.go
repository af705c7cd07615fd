package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	farOrigin = netip.MustParseAddrPort("203.0.113.9:443")
	edgeA     = netip.MustParseAddr("130.176.0.5")
)

// openPath opens a link for a test, which closes it.
func openPath(t testing.TB, l Link) *Path {
	t.Helper()
	p, err := Open(l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// connect returns both ends of a connection.
func connect(t testing.TB, p *Path, source netip.Addr, at netip.AddrPort) (near, far net.Conn) {
	t.Helper()
	l, err := p.Listen(at)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	if near, err = p.Dial(t.Context(), source, l.Addr().(*net.TCPAddr).AddrPort()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return near, far
}

func TestNetstackAddresses(t *testing.T) {
	p := openPath(t, Link{Kind: "netstack"})
	for _, r := range []struct{ source, at, seen string }{
		{"130.176.0.5", "203.0.113.9:443", "130.176.0.5"},
		{"9.9.9.9", "203.0.113.9:443", "9.9.9.9"},
		{"", "203.0.113.9:443", "198.51.100.1"},
		{"127.3.0.1", "127.0.0.1:8443", "127.3.0.1"},
		{"::ffff:130.176.0.6", "[::ffff:203.0.113.9]:443", "130.176.0.6"},
		{"2600:9000::1", "[2001:db8::9]:443", "2600:9000::1"},
		{"", "[2001:db8::9]:0", "2001:db8::1"},
	} {
		var source netip.Addr
		if r.source != "" {
			source = netip.MustParseAddr(r.source)
		}
		near, far := connect(t, p, source, netip.MustParseAddrPort(r.at))
		seen := far.RemoteAddr().(*net.TCPAddr).AddrPort()
		if seen.Addr().Unmap().String() != r.seen || near.LocalAddr().String() != seen.String() {
			t.Errorf("%+v: seen from %s, dialed from %s", r, seen, near.LocalAddr())
		}
		if err := errors.Join(near.Close(), far.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestNetstackErrorsAreTheKernels(t *testing.T) {
	p := openPath(t, Link{Kind: "netstack"})
	if c, err := p.Dial(t.Context(), edgeA, farOrigin); !errors.Is(err, syscall.ECONNREFUSED) || c != nil {
		t.Errorf("nobody listens: %v, %v", c, err)
	}
	if _, err := p.Dial(t.Context(), edgeA, netip.MustParseAddrPort("[2001:db8::9]:443")); !errors.Is(err, syscall.EAFNOSUPPORT) {
		t.Errorf("IPv4 to IPv6: %v", err)
	}
	l, err := p.Listen(farOrigin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Listen(farOrigin); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("two listeners: %v", err)
	}
	accepting := make(chan error)
	go func() {
		_, err := l.Accept()
		accepting <- err
	}()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-accepting; !errors.Is(err, net.ErrClosed) {
		t.Errorf("accepting while closing: %v", err)
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing twice: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accepting after closing: %v", err)
	}

	near, far := connect(t, p, edgeA, farOrigin)
	if err := near.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Error(err)
	}
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past the deadline: %v", err)
	}
	if err := near.SetReadDeadline(time.Time{}); err != nil {
		t.Error(err)
	}
	reading := make(chan error)
	go func() {
		_, err := near.Read(make([]byte, 1))
		reading <- err
	}()
	if err := far.Close(); err != nil {
		t.Error(err)
	}
	if err := <-reading; err != io.EOF { //nolint:errorlint // a Read's end is io.EOF itself
		t.Errorf("the peer closed: %v", err)
	}
	if err := near.Close(); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{"close": near.Close(), "read": second(near.Read(make([]byte, 1))), "write": second(near.Write(make([]byte, 1)))} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after closing: %v", name, err)
		}
	}
}

func second(_ int, err error) error { return err }

// TestNetstackReset closes an end with something unread, as a kernel answers
// with a reset.
func TestNetstackReset(t *testing.T) {
	p := openPath(t, Link{Kind: "netstack"})
	near, far := connect(t, p, edgeA, farOrigin)
	if _, err := near.Write(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if _, err := far.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := far.Close(); err != nil {
		t.Error(err)
	}
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the peer reset: %v", err)
	}
	_ = near.Close()
}

func TestNetstackCloseUnblocksARead(t *testing.T) {
	p := openPath(t, Link{Kind: "netstack"})
	near, far := connect(t, p, edgeA, farOrigin)
	reading := make(chan error)
	go func() {
		_, err := near.Read(make([]byte, 1))
		reading <- err
	}()
	runtime.Gosched()
	if err := near.Close(); err != nil {
		t.Error(err)
	}
	if err := <-reading; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed while reading: %v", err)
	}
	if err := far.Close(); err != nil {
		t.Error(err)
	}
}

func TestNetstackQuiet(t *testing.T) {
	p := openPath(t, Link{Kind: "netstack"})
	near, far := connect(t, p, edgeA, farOrigin)
	c := &Conn{Conn: near}
	if !c.Quiet() {
		t.Error("an idle connection is not quiet")
	}
	if _, err := far.Write(make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if c.Quiet() {
		t.Error("a connection with a byte to read is quiet")
	}
	if _, err := c.Read(make([]byte, 1)); err != nil || !c.Quiet() {
		t.Errorf("all was read: %v", err)
	}
	if err := far.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF || c.Quiet() { //nolint:errorlint // a Read's end is io.EOF itself
		t.Errorf("an ended connection is quiet: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestNetstackDatagrams(t *testing.T) {
	p := openPath(t, Link{Kind: "netstack"})
	far, err := p.ListenPackets(farOrigin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.ListenPackets(farOrigin); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("two listeners: %v", err)
	}
	if _, err := p.ListenPackets(netip.MustParseAddrPort("0.0.0.0:443")); err == nil {
		t.Error("listening anywhere: an answer would come from nowhere")
	}
	near, err := p.OpenPackets(edgeA, farOrigin)
	if err != nil {
		t.Fatal(err)
	}
	to := net.UDPAddrFromAddrPort(farOrigin)
	to.IP = to.IP.To16()
	if _, err := near.WriteTo([]byte("ping"), to); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 10)
	n, from, err := far.ReadFrom(buffer)
	if err != nil || string(buffer[:n]) != "ping" || from.String() != near.LocalAddr().String() {
		t.Fatalf("%q from %v, %v", buffer[:n], from, err)
	}
	if got := from.(*net.UDPAddr).AddrPort().Addr(); got != edgeA {
		t.Errorf("seen from %s", got)
	}
	if _, err := far.WriteTo([]byte("pong"), from); err != nil {
		t.Fatal(err)
	}
	if n, from, err = near.ReadFrom(buffer); err != nil || string(buffer[:n]) != "pong" || from.String() != farOrigin.String() {
		t.Fatalf("%q from %v, %v", buffer[:n], from, err)
	}
	reading := make(chan error)
	go func() {
		_, _, err := near.ReadFrom(buffer)
		reading <- err
	}()
	if err := near.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Error(err)
	}
	if err := <-reading; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past the deadline: %v", err)
	}
	go func() {
		_, _, err := far.ReadFrom(buffer)
		reading <- err
	}()
	if err := errors.Join(near.Close(), far.Close()); err != nil {
		t.Error(err)
	}
	if err := <-reading; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed while reading: %v", err)
	}
	if _, err := near.WriteTo([]byte("x"), to); !errors.Is(err, net.ErrClosed) {
		t.Errorf("sending after closing: %v", err)
	}
}

// TestNetstackLossRepeats wants the same datagrams lost in two runs. Ports are
// part of a flow, so they must be the same, too.
func TestNetstackLossRepeats(t *testing.T) {
	const datagrams = 500
	lost := func() (which []byte) {
		p := openPath(t, Link{Kind: "netstack", Loss: 0.1, Seed: 3})
		far, err := p.ListenPackets(netip.AddrPortFrom(farOrigin.Addr(), 0))
		if err != nil {
			t.Fatal(err)
		}
		near, err := p.OpenPackets(edgeA, farOrigin)
		if err != nil {
			t.Fatal(err)
		}
		for i := range datagrams {
			if _, err := near.WriteTo([]byte{byte(i >> 8), byte(i)}, far.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
		which = make([]byte, datagrams)
		buffer := make([]byte, 2)
		for last := 0; last < datagrams-1; { // number 499 is not lost
			if _, _, err := far.ReadFrom(buffer); err != nil {
				t.Fatal(err)
			}
			last = int(buffer[0])<<8 | int(buffer[1])
			which[last] = 1
		}
		if s := p.TakeStats(); s.Packets != datagrams || int(s.Lost) != datagrams-bytes.Count(which, []byte{1}) {
			t.Errorf("stats %+v", s)
		}
		return which
	}
	a, b := lost(), lost()
	if !bytes.Equal(a, b) {
		t.Errorf("two runs differ:\n%v\n%v", a, b)
	}
	if n := bytes.Count(a, []byte{0}); n < 20 || n > 80 {
		t.Errorf("%d of %d were lost", n, datagrams)
	}
}

// TestNetstackLeavesNothing opens and closes links with connections in every
// state and wants their goroutines gone.
func TestNetstackLeavesNothing(t *testing.T) {
	round := func() {
		p, err := Open(Link{Kind: "netstack", RTT: ms})
		if err != nil {
			t.Fatal(err)
		}
		near, far := connect(t, p, edgeA, farOrigin)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = near.Read(make([]byte, 1)) })
		if _, err := far.Write(make([]byte, 1<<20)); err != nil {
			t.Error(err)
		}
		wg.Go(func() { _, _ = p.Dial(t.Context(), edgeA, netip.MustParseAddrPort("203.0.113.9:1")) })
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
	round()
	before := runtime.NumGoroutine()
	for range 5 {
		round()
	}
	for i := 0; runtime.NumGoroutine() > before && i < 1000; i++ {
		runtime.Gosched()
	}
	if after := runtime.NumGoroutine(); after > before+5 {
		buffer := make([]byte, 1<<20)
		t.Errorf("%d goroutines became %d:\n%s", before, after, buffer[:runtime.Stack(buffer, true)])
	}
}
