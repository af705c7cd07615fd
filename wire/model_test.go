package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// modelPair returns both ends of a connection over a link of rtt, one way
// after Dial has returned: both are in use.
func modelPair(t *testing.T, l Link) (near, far net.Conn) {
	t.Helper()
	network, err := NewModel(l)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := network.Listen(target)
	if err != nil {
		t.Fatal(err)
	}
	near, err = network.Dial(t.Context(), netip.Addr{}, target)
	if err != nil {
		t.Fatal(err)
	}
	if far, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return near, far
}

func TestModelRefuses(t *testing.T) {
	for _, l := range []Link{
		{Loss: 0.01},
		{Jitter: time.Millisecond},
		{Rate: 1},
		{RTT: -1},
		{InitialWindow: -1},
		{MSS: -1},
		{Kind: "direct"},
	} {
		if m, err := NewModel(l); err == nil || m != nil {
			t.Errorf("%+v: %v, %v", l, m, err)
		}
	}
}

func TestModelDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, err := NewModel(Link{RTT: rtt})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := (Dialer{Network: network}).Dial(t.Context(), target); !errors.Is(err, syscall.ECONNREFUSED) || time.Since(start) != rtt {
			t.Errorf("nobody listens: %v after %s", err, time.Since(start))
		}
		listener, err := network.Listen(netip.AddrPortFrom(netip.IPv4Unspecified(), target.Port()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := network.Listen(netip.AddrPortFrom(netip.IPv4Unspecified(), target.Port())); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("two listeners: %v", err)
		}
		start = time.Now()
		if _, err := (Dialer{Network: network, Timeout: rtt / 4}).Dial(t.Context(), target); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != rtt/4 {
			t.Errorf("too short a timeout: %v after %s", err, time.Since(start))
		}
		start = time.Now()
		source := netip.MustParseAddr("127.0.1.7")
		c, err := Dialer{Network: network, Source: source}.Dial(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got != rtt+rtt/2 {
			t.Errorf("accepted after %s", got)
		}
		if got := accepted.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(); got != source {
			t.Errorf("accepted from %s", got)
		}
		if accepted.RemoteAddr().String() != c.LocalAddr().String() || c.RemoteAddr().String() != target.String() {
			t.Errorf("from %s to %s", c.LocalAddr(), c.RemoteAddr())
		}
		// A connection that nobody has accepted is reset.
		lost, err := Dialer{Network: network}.Dial(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		if _, err := listener.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept after close: %v", err)
		}
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second close: %v", err)
		}
		if _, err := lost.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reading from what was not accepted: %v", err)
		}
		if err := errors.Join(c.Close(), accepted.Close(), lost.Close()); err != nil {
			t.Error(err)
		}
	})
}

func TestModelDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := modelPair(t, Link{RTT: rtt})
		start := time.Now()
		expect := func(what string, err error, after time.Duration) {
			t.Helper()
			var timeout net.Error
			if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Errorf("%s: %v", what, err)
			}
			if got := time.Since(start); got != after {
				t.Errorf("%s: after %s instead of %s", what, got, after)
			}
			start = time.Now()
		}
		must(t, near.SetReadDeadline(start.Add(time.Second)))
		_, err := near.Read(make([]byte, 1))
		expect("read", err, time.Second)
		_, err = near.Read(make([]byte, 1))
		expect("read again", err, 0)

		// A deadline that moves while a read waits for it.
		must(t, near.SetReadDeadline(start.Add(time.Second)))
		move := time.AfterFunc(time.Second/2, func() { _ = near.SetReadDeadline(start.Add(3 * time.Second)) })
		_, err = near.Read(make([]byte, 1))
		move.Stop()
		expect("moved", err, 3*time.Second)

		must(t, near.SetWriteDeadline(start))
		_, err = near.Write([]byte("x"))
		expect("write", err, 0)
		must(t, near.SetDeadline(time.Time{}))

		// A full send buffer blocks; the first round trip lets one window out.
		must(t, near.SetWriteDeadline(start.Add(rtt/2)))
		n, err := near.Write(make([]byte, 2*sendBuffer))
		expect("full buffer", err, rtt/2)
		if want := sendBuffer + initialSegments*(defaultMTU-headers); n != want {
			t.Errorf("%d bytes accepted instead of %d", n, want)
		}
		must(t, near.Close())
		must(t, far.Close())
	})
}

func TestModelCarriesEveryByteOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := modelPair(t, Link{RTT: rtt, MSS: 1000})
		sent := make([]byte, sendBuffer+sendBuffer/2)
		for i := range sent {
			sent[i] = byte(i * 7 >> 3)
		}
		start := time.Now()
		go func() {
			if n, err := near.Write(sent); n != len(sent) || err != nil {
				t.Errorf("%d bytes written: %v", n, err)
			}
			if err := near.Close(); err != nil {
				t.Error(err)
			}
		}()
		received, err := io.ReadAll(far)
		if err != nil || !bytes.Equal(received, sent) {
			t.Errorf("%d bytes of %d, or others: %v", len(received), len(sent), err)
		}
		// 10 segments of 1000 bytes, then twice as many in every round trip:
		// 10 000 × (2^k − 1) ≥ 6 291 456 first holds for k = 10.
		if got := time.Since(start); got != 9*rtt+rtt/2 {
			t.Errorf("took %s", got)
		}
		must(t, far.Close())
	})
}

// TestModelCloses is what a kernel does when one end goes.
func TestModelCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := modelPair(t, Link{RTT: rtt})
		start := time.Now()
		woken := make(chan error)
		go func() {
			_, err := near.Read(make([]byte, 1))
			woken <- err
		}()
		synctest.Wait()
		must(t, near.Close())
		if err := <-woken; !errors.Is(err, net.ErrClosed) {
			t.Errorf("a read across Close: %v", err)
		}
		for what, err := range map[string]error{"close": near.Close(), "deadline": near.SetDeadline(start)} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s after Close: %v", what, err)
			}
		}
		if _, err := near.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after Close: %v", err)
		}
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(start) != rtt/2 {
			t.Errorf("the end: %v after %s", err, time.Since(start))
		}
		// Who writes to a closed end learns it a round trip later.
		if _, err := far.Write([]byte("x")); err != nil {
			t.Errorf("the first write: %v", err)
		}
		time.Sleep(rtt)
		synctest.Wait()
		if _, err := far.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a write after the reset: %v", err)
		}
		must(t, far.Close())

		// Closing with something unread resets.
		near, far = modelPair(t, Link{RTT: rtt})
		if _, err := near.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		time.Sleep(rtt)
		must(t, far.Close())
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read after a reset: %v", err)
		}
		must(t, near.Close())
	})
}

func TestModelWithoutDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := modelPair(t, Link{})
		start := time.Now()
		if _, err := near.Write([]byte(strings.Repeat("x", 1<<20))); err != nil {
			t.Error(err)
		}
		must(t, near.Close())
		if got, err := io.ReadAll(far); len(got) != 1<<20 || err != nil || time.Since(start) != 0 {
			t.Errorf("%d bytes after %s: %v", len(got), time.Since(start), err)
		}
		must(t, far.Close())
	})
}

func TestModelQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := modelPair(t, Link{RTT: rtt})
		c := &Conn{Conn: near}
		if !c.Quiet() {
			t.Error("not quiet at first")
		}
		must(t, far.Close())
		if !c.Quiet() {
			t.Error("not quiet while the end is under way")
		}
		time.Sleep(rtt / 2)
		synctest.Wait()
		if c.Quiet() {
			t.Error("quiet after the end")
		}
		must(t, near.Close())
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
