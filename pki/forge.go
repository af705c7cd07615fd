package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"time"
)

// Forgery is a certificate in a shape that no careful authority signs, for
// attempts that a peer must refuse. Its zero value is an ordinary client
// certificate without names.
type Forgery struct {
	Name string // subject common name

	// Change alters the template, the last thing before it is signed; nil
	// leaves it. The serial number is drawn afterwards.
	Change func(*x509.Certificate)

	// Public is put into the certificate in place of a new key's; whoever
	// forges for a key that nobody has gets a certificate without KeyPEM.
	Public crypto.PublicKey

	// Under signs, whether or not it may; nil is the issuing authority. Its
	// chain follows the leaf.
	Under *Certificate

	// Root has the root sign, past the intermediates.
	Root bool
}

// Forge signs a certificate as described. Nothing of it is recorded in a
// folder, and it can be revoked only when the issuing authority signed it.
func (a *Authority) Forge(f Forgery) (*Certificate, error) {
	cert, err := a.forge(f)
	if err != nil {
		return nil, fmt.Errorf("forge %q: %w", f.Name, err)
	}
	return cert, nil
}

func (a *Authority) forge(f Forgery) (*Certificate, error) {
	now := a.cfg.now()
	template := &x509.Certificate{
		Subject:               subject(a.cfg.Name, f.Name),
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(24 * time.Hour),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if f.Change != nil {
		f.Change(template)
	}
	issuer, above, err := a.signerOf(f)
	if err != nil {
		return nil, err
	}
	public, keyPEM := f.Public, []byte(nil)
	if public == nil {
		key, err := newKey(a.cfg.Key)
		if err != nil {
			return nil, err
		}
		if keyPEM, err = encodeKey(key); err != nil {
			return nil, err
		}
		public = key.Public()
	}
	if template.SerialNumber, err = newSerial(); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.cert, public, issuer.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Certificate{Leaf: leaf, CertPEM: append(encodeCertificates(leaf), above...), KeyPEM: keyPEM}, nil
}

// signerOf returns who signs, and the PEM of what a peer needs between the
// leaf and the root.
func (a *Authority) signerOf(f Forgery) (signer, []byte, error) {
	switch {
	case f.Under != nil:
		pair, err := f.Under.TLS()
		if err != nil {
			return signer{}, nil, err
		}
		key, ok := pair.PrivateKey.(crypto.Signer)
		if !ok {
			return signer{}, nil, fmt.Errorf("the key of %q signs nothing", f.Under.Leaf.Subject.CommonName)
		}
		return signer{cert: f.Under.Leaf, key: key}, f.Under.CertPEM, nil
	case f.Root:
		return a.chain[0], nil, nil
	default:
		return a.issuing(), encodeCertificates(a.intermediates()...), nil
	}
}
