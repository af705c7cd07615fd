package pki

import (
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"strings"
	"testing"
)

// TestForge holds what each forgery is refused for: a forgery that verifies
// would prove nothing of whoever refuses it for another reason.
func TestForge(t *testing.T) {
	lab, err := New(Config{Intermediates: 1})
	if err != nil {
		t.Fatal(err)
	}
	forge := func(f Forgery) *Certificate {
		t.Helper()
		c, err := lab.Forge(f)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	plain := forge(Forgery{Name: "plain"})
	authority := func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
	}
	second := forge(Forgery{Name: "second", Change: authority})
	constrained := forge(Forgery{Name: "constrained", Root: true, Change: func(c *x509.Certificate) {
		authority(c)
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"other.test"}
	}})
	named := func(c *x509.Certificate) { c.DNSNames = []string{"edge.cdn.test"} }
	tests := []struct {
		name, refusal string
		cert          *Certificate
	}{
		{"plain", "", plain},
		{"a leaf as issuer", "cannot sign this kind", forge(Forgery{Name: "x", Under: plain})},
		{"path length", "too many intermediates", forge(Forgery{Name: "x", Under: second})},
		{"name constraint", "not permitted", forge(Forgery{Name: "x", Under: constrained, Change: named})},
		{"root signs", "", forge(Forgery{Name: "x", Root: true})},
		{"another's key", "", forge(Forgery{Name: "x", Public: &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 8200, 1), E: 65537}})},
	}
	for _, test := range tests {
		_, err := test.cert.Leaf.Verify(x509.VerifyOptions{
			Roots: pool(t, lab.Roots()), Intermediates: pool(t, test.cert.CertPEM),
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		})
		if (err == nil) != (test.refusal == "") || err != nil && !strings.Contains(err.Error(), test.refusal) {
			t.Errorf("%s: %v, want %q", test.name, err, test.refusal)
		}
	}
	if _, err := lab.Forge(Forgery{Name: "x", Under: &Certificate{Leaf: plain.Leaf}}); err == nil {
		t.Error("a certificate without a key signed")
	}
}
