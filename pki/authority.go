package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"sync"
	"time"
)

const (
	defaultName = "originpull lab"
	// skew is how far in the past a certificate starts, so that a peer whose
	// clock is a little behind does not refuse it.
	skew = 5 * time.Minute
	// authorityValidity is the life of roots and intermediates.
	authorityValidity = 10 * 365 * 24 * time.Hour
	// maxIntermediates bounds chains.
	maxIntermediates = 8
)

// Config shapes an authority. Its zero value is an authority named
// "originpull lab" with ECDSA P-256 keys, whose root signs leaves itself.
type Config struct {
	Name          string    // "" = "originpull lab"; part of every subject
	Key           KeyType   // "" = ECDSAP256
	Intermediates int       // authorities between root and leaf, 0 to 8
	ChainBytes    int       // DER bytes of a leaf with its intermediates, reached by padding the leaf; 0 = as they come, at most MaxChainBytes
	Now           time.Time // when everything is issued; zero = the clock, read at each call
}

// Authority is a lab certificate authority: a root, its intermediates, and
// what was revoked. Its methods are safe for concurrent use.
type Authority struct {
	cfg   Config
	chain []signer // root first; the last one issues
	dir   *folder  // nil = in memory

	impostor func() (*Authority, error) // another root with the same subject

	mu      sync.Mutex
	revoked map[string]revocation // by big-endian serial
	number  *big.Int              // of the last revocation list
}

type signer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

type revocation struct {
	serial *big.Int
	at     time.Time
}

// New makes an authority in memory. The error names the field of cfg that is
// wrong.
func New(cfg Config) (*Authority, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	chain := make([]signer, 0, 1+cfg.Intermediates)
	for len(chain) <= cfg.Intermediates {
		next, err := newSigner(cfg, chain)
		if err != nil {
			return nil, err
		}
		chain = append(chain, next)
	}
	return newAuthority(cfg, chain), nil
}

func newAuthority(cfg Config, chain []signer) *Authority {
	return &Authority{
		cfg:      cfg,
		chain:    chain,
		impostor: sync.OnceValues(func() (*Authority, error) { return New(cfg) }),
		revoked:  make(map[string]revocation),
		number:   new(big.Int),
	}
}

func (c Config) withDefaults() (Config, error) {
	if c.Name == "" {
		c.Name = defaultName
	}
	if c.Key == "" {
		c.Key = ECDSAP256
	}
	if _, ok := keyTypes[c.Key]; !ok {
		return c, fmt.Errorf("authority: key type %q is unknown: use one of %q", c.Key, KeyTypes())
	}
	if c.Intermediates < 0 || c.Intermediates > maxIntermediates {
		return c, fmt.Errorf("authority: %d intermediates: use 0 to %d", c.Intermediates, maxIntermediates)
	}
	if c.ChainBytes < 0 || c.ChainBytes > MaxChainBytes {
		return c, fmt.Errorf("authority: a chain of %d bytes: use 0 to %d", c.ChainBytes, MaxChainBytes)
	}
	return c, nil
}

// newSigner makes the authority that stands below above: the root when there
// is none, and then one intermediate after the other.
func newSigner(cfg Config, above []signer) (signer, error) {
	key, err := newKey(cfg.Key)
	if err != nil {
		return signer{}, err
	}
	role := "root"
	if len(above) > 0 {
		role = fmt.Sprintf("intermediate %d", len(above))
	}
	now := cfg.now()
	below := cfg.Intermediates - len(above) // authorities that may follow
	template := &x509.Certificate{
		Subject:               subject(cfg.Name, cfg.Name+" "+role),
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(authorityValidity),
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            below,
		MaxPathLenZero:        below == 0,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	issuer := signer{cert: template, key: key}
	if len(above) > 0 {
		issuer = above[len(above)-1]
	}
	cert, err := sign(template, issuer, key)
	if err != nil {
		return signer{}, fmt.Errorf("sign %s: %w", role, err)
	}
	return signer{cert: cert, key: key}, nil
}

// sign issues template under issuer for the public half of key, with a serial
// number of its own.
func sign(template *x509.Certificate, issuer signer, key crypto.Signer) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.cert, key.Public(), issuer.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func subject(organisation, name string) pkix.Name {
	return pkix.Name{Organization: []string{organisation}, CommonName: name}
}

func (c Config) now() time.Time {
	if c.Now.IsZero() {
		return time.Now()
	}
	return c.Now
}

// Roots returns the root certificate as PEM: what a peer must trust.
func (a *Authority) Roots() []byte {
	return encodeCertificates(a.chain[0].cert)
}

// Name returns the authority's name.
func (a *Authority) Name() string { return a.cfg.Name }

// Format prints the name for every verb: the fields hold private keys.
func (a *Authority) Format(s fmt.State, _ rune) {
	writeName(s, fmt.Sprintf("authority %q", a.cfg.Name))
}

func (a *Authority) issuing() signer { return a.chain[len(a.chain)-1] }

// intermediates returns the certificates between leaf and root, in the order
// in which TLS sends them.
func (a *Authority) intermediates() []*x509.Certificate {
	var certs []*x509.Certificate
	for i := len(a.chain) - 1; i > 0; i-- {
		certs = append(certs, a.chain[i].cert)
	}
	return certs
}
