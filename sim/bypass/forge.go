package bypass

import (
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"maps"
	"math/big"
	"time"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
)

// forged is a certificate that no careful authority signs.
type forged struct {
	name   string
	change func(*x509.Certificate)
	under  string // the certificate that signs it, "" = the lab's authority
	root   bool
}

func named(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = names }
}

// authorised makes an authority of a template.
func authorised(c *x509.Certificate) {
	c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature, nil
}

// Authorities that sign forgeries.
const (
	secondIntermediate = "second intermediate" // below one that may have none
	narrowIntermediate = "narrow intermediate" // for other names only
)

var forgeries = []forged{
	{name: noPurpose, change: func(c *x509.Certificate) { c.DNSNames, c.ExtKeyUsage = []string{edgeName}, nil }},
	{name: anyPurpose, change: func(c *x509.Certificate) {
		c.DNSNames, c.ExtKeyUsage = []string{edgeName}, []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	}},
	{name: commonNameOnly, change: func(c *x509.Certificate) {
		c.Subject, c.DNSNames = pkix.Name{CommonName: edgeName}, []string{attackerName}
	}},
	{name: wildcardName, change: named("*.cdn.test")},
	{name: leafAsIssuer, under: tenantCertificate, change: named(edgeName)},
	{name: secondIntermediate, change: authorised},
	{name: pathTooLong, under: secondIntermediate, change: named(edgeName)},
	{name: narrowIntermediate, root: true, change: func(c *x509.Certificate) {
		authorised(c)
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{attackerName}
	}},
	{name: constrainedName, under: narrowIntermediate, change: named(edgeName)},
	{name: authorityAsLeaf, root: true, change: authorised},
}

// forgeClients makes the certificates that an origin has to see through.
func (m *Material) forgeClients(lab *pki.Authority) error {
	tenant, err := lab.Forge(pki.Forgery{Name: "tenant", Change: named(tenantName)})
	if err != nil {
		return err
	}
	made := map[string]*pki.Certificate{tenantCertificate: tenant}
	for _, f := range forgeries {
		cert, err := lab.Forge(pki.Forgery{Name: f.name, Change: f.change, Under: made[f.under], Root: f.root})
		if err != nil {
			return err
		}
		made[f.name] = cert
		if m.clients[f.name], err = cert.TLS(); err != nil {
			return err
		}
	}
	edge := m.clients[edgeCertificate]
	if m.edgeLeaf, err = origin.PinLeaf.Value(edge.Leaf); err != nil {
		return err
	}
	m.rearrange(edge)
	return m.forgeHugeKey(lab)
}

// rearrange makes chains of certificates that there are already.
func (m *Material) rearrange(edge tls.Certificate) {
	m.clients[withoutIntermediate] = tls.Certificate{Certificate: edge.Certificate[:1], PrivateKey: edge.PrivateKey}
	m.clients[wrongKey] = tls.Certificate{Certificate: edge.Certificate, PrivateKey: m.clients[tenantCertificate].PrivateKey}
	tenant := m.clients[tenantCertificate]
	m.clients[unrelatedBehind] = tls.Certificate{
		Certificate: append(append([][]byte{}, tenant.Certificate...), edge.Certificate[0]), PrivateKey: tenant.PrivateKey,
	}
	stranger := m.clients[otherAuthority]
	long := tls.Certificate{Certificate: append([][]byte{}, stranger.Certificate...), PrivateKey: stranger.PrivateKey}
	for range chainLength {
		long.Certificate = append(long.Certificate, stranger.Certificate[0])
	}
	m.clients[hugeChain] = long
}

// chainLength makes a chain of some 35 KB, which every server still reads.
const chainLength = 80

// hugeKeyBits is more than crypto/tls verifies (CVE-2023-29409).
const hugeKeyBits = 8200

// forgeHugeKey makes a certificate for an RSA key that nobody has.
func (m *Material) forgeHugeKey(lab *pki.Authority) error {
	public := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), hugeKeyBits, 1), E: 1<<16 + 1}
	cert, err := lab.Forge(pki.Forgery{Name: hugeKey, Public: public, Change: named(edgeName)})
	if err != nil {
		return err
	}
	m.clients[hugeKey] = tls.Certificate{Certificate: append([][]byte{cert.Leaf.Raw}, m.clients[edgeCertificate].Certificate[1:]...), PrivateKey: keyless{public}}
	return nil
}

// keyless signs with nonsense: whoever verifies it has worked for nothing.
type keyless struct{ public *rsa.PublicKey }

func (k keyless) Public() crypto.PublicKey { return k.public }

func (k keyless) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return make([]byte, (hugeKeyBits+8)/8), nil
}

// rotate makes the authority that follows the lab's, and the one before it.
func (m *Material) rotate(now time.Time) error {
	next, err := pki.New(pki.Config{Name: "originpull lab after a rotation", Now: now})
	if err != nil {
		return err
	}
	list, err := next.RevocationList()
	if err != nil {
		return err
	}
	retired, err := pki.New(pki.Config{Name: "originpull lab before a rotation", Now: now})
	if err != nil {
		return err
	}
	if _, err := m.issue(retired, client{name: retiredAuthority, san: edgeName, usage: pki.ClientAuth}); err != nil {
		return err
	}
	m.Origin.Roots[retiredRoots] = string(retired.Roots())
	m.rotated = m.Origin
	m.rotated.Roots = maps.Clone(m.Origin.Roots)
	m.rotated.Roots[clientRoots] = string(next.Roots())
	m.rotated.RevocationLists = map[string]string{revocationList: string(list)}
	return nil
}

// damaged returns the credentials with a bundle of client roots that cannot be
// read.
func (m *Material) damaged() pki.Credentials {
	c := m.Origin
	c.Roots = maps.Clone(c.Roots)
	c.Roots[clientRoots] = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"
	return c
}
