package wire

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// What is dialed is recorded, and nothing leaves the test.
func TestConsented(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := netip.MustParseAddrPort("192.0.2.1:443")
		began := time.Now()
		var dialed []time.Duration
		c := &Consented{
			Target: target, Until: began.Add(time.Minute), Most: 4, Every: 50 * time.Millisecond,
			Open: func(_ context.Context, _ netip.Addr, at netip.AddrPort) (net.Conn, error) {
				if at != target {
					t.Errorf("a packet for %s", at)
				}
				dialed = append(dialed, time.Since(began))
				near, far := net.Pipe()
				return near, far.Close()
			},
		}
		for range 3 {
			conn, err := (Dialer{Network: c}).Dial(t.Context(), target)
			if err != nil {
				t.Fatal(err)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
		if len(dialed) != 3 || dialed[0] != 0 || dialed[1] != 50*time.Millisecond || dialed[2] != 100*time.Millisecond {
			t.Errorf("connections were opened after %v", dialed)
		}
		for _, other := range []string{"192.0.2.1:444", "192.0.2.2:443", "169.254.169.254:80", "127.0.0.1:443", "[2001:db8::1]:443"} {
			if _, err := c.Dial(t.Context(), netip.Addr{}, netip.MustParseAddrPort(other)); !errors.Is(err, ErrNoConsent) {
				t.Errorf("%s: %v", other, err)
			}
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Dial(gone, netip.Addr{}, target); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller who has left: %v", err)
		}
		if _, err := c.Dial(t.Context(), netip.Addr{}, target); !errors.Is(err, ErrNoConsent) {
			t.Errorf("a fifth connection: %v", err)
		}
		late := &Consented{Target: target, Until: began, Most: 1, Open: c.Open}
		if _, err := late.Dial(t.Context(), netip.Addr{}, target); !errors.Is(err, ErrNoConsent) {
			t.Errorf("after the consent: %v", err)
		}
		if _, err := c.Listen(target); !errors.Is(err, ErrNoConsent) {
			t.Errorf("listening: %v", err)
		}
		if len(dialed) != 3 {
			t.Errorf("%d connections were opened", len(dialed))
		}
	})
}
