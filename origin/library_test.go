package origin

import (
	"strings"
	"testing"

	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/wire"
)

// TestLibrariesAreRefusedByName with versions that are not here.
func TestLibrariesAreRefusedByName(t *testing.T) {
	for _, test := range []struct {
		library         string
		ed25519, hybrid bool
	}{
		{"OpenSSL 1.0.2u  20 Dec 2019", false, false},
		{"OpenSSL 1.1.0l  10 Sep 2019", false, false},
		{"OpenSSL 1.1.1w  11 Sep 2023", true, false},
		{"OpenSSL 3.0.19 27 Jan 2026", true, false},
		{"OpenSSL 3.0.19 27 Jan 2026 (built with)", true, false},
		{"OpenSSL 3.4.9 1 Jan 2026", true, false},
		{"OpenSSL 3.5.0 8 Apr 2025", true, true},
		{"OpenSSL 4.0.0 1 Apr 2026", true, true},
		{"OpenSSL of mod_ssl", false, false},
		{"LibreSSL 3.3.6", false, false},
		{"crypto/tls of go1.12.1", false, false},
		{"crypto/tls of go1.19.8", true, false},
		{"", false, false},
	} {
		for _, d := range Drivers() {
			found := Installed{Version: "1.0", TLS: test.library}
			s := Setup{Key: pki.Ed25519, Config: Config{Certificate: "server", Policy: Policy{Host: protectedHost}}}
			if err := d.Check(found, s); (err == nil) != test.ed25519 || err != nil && !strings.Contains(err.Error(), libraryText(found)+" is not known to take Ed25519") {
				t.Errorf("%s with %q, Ed25519: %v", d.Name, test.library, err)
			}
			s.Key, s.Config.Group = pki.ECDSAP256, "x25519mlkem768"
			if err := d.Check(found, s); (err == nil) != test.hybrid && d.Name != "caddy" || err != nil && !strings.Contains(err.Error(), "x25519mlkem768") {
				t.Errorf("%s with %q, x25519mlkem768: %v", d.Name, test.library, err)
			}
		}
	}
}

// TestServersTakeEveryKey: full handshakes with mTLS at both versions, both
// groups, certificates of each kind at both ends.
func TestServersTakeEveryKey(t *testing.T) {
	everyServer(t, func(t *testing.T, d Driver) {
		for _, key := range []pki.KeyType{pki.ECDSAP384, pki.Ed25519, pki.RSA2048} {
			authority, err := pki.New(pki.Config{Key: key})
			if err != nil {
				t.Fatal(err)
			}
			l := &lab{t: t, authority: authority}
			l.server = l.issue(pki.Request{Name: "origin", Usage: pki.ServerAuth, DNSNames: []string{protectedHost}})
			l.edge = l.client(edgeURI, pki.NoFlaw)
			for _, group := range []string{"x25519", "p256"} {
				b := l.bench(d, func(s *Setup) {
					mutual(s)
					s.Key, s.Config.Group = key, group
				})
				for _, version := range wireVersions {
					got := b.pull(pull{version: version, group: group, cert: l.edge, p384: key == pki.ECDSAP384})
					if !got.served() {
						t.Errorf("%s, TLS %s, %s: %v, status %d", key, version, group, got.err, got.status)
						continue
					}
					if turns, _ := wire.Turns(version, false); got.trace.Group != group || got.trace.Version != version || got.trace.Turns != turns {
						t.Errorf("%s, TLS %s, %s: trace %+v", key, version, group, got.trace)
					}
				}
				b.stop()
			}
		}
	})
}
