package pki

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
)

// chainSize is how many DER bytes TLS sends of c.
func chainSize(t *testing.T, c *Certificate) int {
	t.Helper()
	certs, err := ParseCertificates(c.CertPEM)
	if err != nil {
		t.Fatal(err)
	}
	return encodedSize(certs)
}

// TestChainBytes asks for sizes around every border of DER's lengths. Keys with
// signatures of one length show what cannot be reached, ECDSA that a
// signature's length does not matter.
func TestChainBytes(t *testing.T) {
	for _, key := range []KeyType{ECDSAP256, Ed25519} {
		for _, intermediates := range []int{0, 2} {
			sizes := []int{2048, 4 << 10, 16 << 10, 16<<10 + 1, 32 << 10, MaxChainBytes - 1, MaxChainBytes}
			for _, size := range sizes {
				a := newTestAuthority(t, Config{Key: key, Intermediates: intermediates, ChainBytes: size})
				for _, usage := range []Usage{ServerAuth, ClientAuth} {
					c := mustIssue(t, a, requestFor(usage, NoFlaw))
					if got := chainSize(t, c); got != size {
						t.Errorf("%s, %d intermediates: %d bytes instead of %d", key, intermediates, got, size)
					}
					if err := verify(t, a, c, usage); err != nil {
						t.Errorf("padded to %d: %v", size, err)
					}
				}
			}
		}
	}
}

// Whatever is asked for comes, but for the stated slack.
func TestChainBytesSlack(t *testing.T) {
	a := newTestAuthority(t, Config{Key: Ed25519})
	for size := 620; size < 720; size++ {
		a.cfg.ChainBytes = size
		got := chainSize(t, mustIssue(t, a, requestFor(ClientAuth, NoFlaw)))
		if got > size || size-got > paddingSlack {
			t.Errorf("%d bytes instead of %d", got, size)
		}
	}
}

func TestChainBytesRefused(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{ChainBytes: -1}, "a chain of -1 bytes: use 0 to 65536"},
		{Config{ChainBytes: MaxChainBytes + 1}, "a chain of 65537 bytes: use 0 to 65536"},
	} {
		if _, err := New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.want)
		}
	}
	a := newTestAuthority(t, Config{Intermediates: 2, ChainBytes: 600})
	_, err := a.Issue(requestFor(ClientAuth, NoFlaw))
	if err == nil || !strings.Contains(err.Error(), "use more bytes or fewer certificates") {
		t.Errorf("a chain larger than asked for: %v", err)
	}
}

// A flawed leaf is padded like a good one: size tells nothing.
func TestFlawsArePaddedToo(t *testing.T) {
	a := newTestAuthority(t, Config{Intermediates: 1, ChainBytes: 8 << 10})
	for _, flaw := range Flaws() {
		if got := chainSize(t, mustIssue(t, a, requestFor(ClientAuth, flaw))); got != 8<<10 {
			t.Errorf("%s: %d bytes", flaw, got)
		}
	}
}

// TestLargeChainsShakeHands is the limit of crypto/tls: the largest chain
// passes, in both directions and both versions. With session tickets it does
// not, because a ticket carries the client's chain and has 64 KiB at most; the
// handshake then breaks on the side that issues it.
func TestLargeChainsShakeHands(t *testing.T) {
	for _, c := range []struct {
		size    int
		tickets bool
		good    bool
	}{
		{MaxChainBytes, false, true},
		{48 << 10, true, true},
		{MaxChainBytes, true, false},
	} {
		a := newTestAuthority(t, Config{ChainBytes: c.size})
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(fmt.Sprintf("%d/tickets %t/%s", c.size, c.tickets, tls.VersionName(version)), func(t *testing.T) {
				l := newLab(t, a, version, NoFlaw, NoFlaw)
				if c.tickets {
					l.client.ClientSessionCache = tls.NewLRUClientSessionCache(0)
				}
				resumed := false
				pin := l.server.VerifyConnection
				l.server.VerifyConnection = func(s tls.ConnectionState) error {
					resumed = s.DidResume
					return pin(s)
				}
				for round := range 2 { // the second time with the ticket of the first
					clientErr, serverErr := pull(t, l.client, l.server)
					if want := round == 1 && c.tickets && c.good; resumed != want {
						t.Errorf("resumed %t, want %t", resumed, want)
					}
					if good := clientErr == nil && serverErr == nil; good != c.good {
						t.Errorf("client %v, server %v", clientErr, serverErr)
					}
				}
			})
		}
	}
}
