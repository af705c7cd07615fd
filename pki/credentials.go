package pki

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

// KeyPair is a certificate chain and its private key, both PEM. It is what
// crosses the pipe to a worker process; printing one shows nothing of it.
type KeyPair struct {
	Certificate string `json:"certificate"` // leaf first, then intermediates
	Key         string `json:"key"`         // PKCS #8
}

// Credentials is the material that a worker process is handed over its
// standard input, by name. The zero value holds nothing. Marshalled to JSON it
// carries everything; printed with fmt or slog it shows names only.
//
// Note: fmt ignores methods of values in unexported fields, so a struct that
// keeps Credentials in one must not itself be printed.
type Credentials struct {
	Certificates    map[string]KeyPair `json:"certificates,omitempty"`
	Roots           map[string]string  `json:"roots,omitempty"`           // PEM bundles
	RevocationLists map[string]string  `json:"revocationLists,omitempty"` // PEM, see ParseRevocationList
	Secrets         map[string]string  `json:"secrets,omitempty"`
}

// Certificate returns the named key pair. The error names a certificate that
// is missing, unparsable, or does not fit its key.
func (c Credentials) Certificate(name string) (tls.Certificate, error) {
	pair, ok := c.Certificates[name]
	if !ok {
		return tls.Certificate{}, missing("certificate", name)
	}
	cert, err := tls.X509KeyPair([]byte(pair.Certificate), []byte(pair.Key))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("credential certificate %q: %w", name, err)
	}
	return cert, nil
}

// Pool returns the named roots. Unlike x509.CertPool.AppendCertsFromPEM it
// skips nothing: one damaged certificate in the bundle is an error.
func (c Credentials) Pool(name string) (*x509.CertPool, error) {
	roots, err := c.roots(name)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, root := range roots {
		pool.AddCert(root)
	}
	return pool, nil
}

// RevocationList returns the named list, verified as ParseRevocationList says
// against the bundle named roots.
func (c Credentials) RevocationList(name, roots string) (*Revoked, error) {
	list, ok := c.RevocationLists[name]
	if !ok {
		return nil, missing("revocation list", name)
	}
	anchors, err := c.roots(roots)
	if err != nil {
		return nil, fmt.Errorf("credential revocation list %q: %w", name, err)
	}
	revoked, err := ParseRevocationList([]byte(list), anchors)
	if err != nil {
		return nil, fmt.Errorf("credential revocation list %q: %w", name, err)
	}
	return revoked, nil
}

// Secret returns the named secret; the error names a missing one. An empty
// secret is returned as it is: to refuse it is the origin's decision.
func (c Credentials) Secret(name string) (string, error) {
	secret, ok := c.Secrets[name]
	if !ok {
		return "", missing("secret", name)
	}
	return secret, nil
}

func (c Credentials) roots(name string) ([]*x509.Certificate, error) {
	bundle, ok := c.Roots[name]
	if !ok {
		return nil, missing("roots", name)
	}
	certs, err := ParseCertificates([]byte(bundle))
	if err != nil {
		return nil, fmt.Errorf("credential roots %q: %w", name, err)
	}
	return certs, nil
}

func missing(kind, name string) error {
	return fmt.Errorf("credential %s %q is missing", kind, name)
}

// String lists the names held, never their content.
func (c Credentials) String() string {
	return fmt.Sprintf("credentials{certificates: %s; roots: %s; revocation lists: %s; secrets: %s}",
		names(c.Certificates), names(c.Roots), names(c.RevocationLists), names(c.Secrets))
}

// GoString is String, for %#v.
func (c Credentials) GoString() string { return c.String() }

// Format is String for every verb: %d and %x would walk the fields otherwise.
func (c Credentials) Format(s fmt.State, _ rune) { writeName(s, c.String()) }

// LogValue lists the names held, for log/slog.
func (c Credentials) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("certificates", names(c.Certificates)),
		slog.String("roots", names(c.Roots)),
		slog.String("revocationLists", names(c.RevocationLists)),
		slog.String("secrets", names(c.Secrets)),
	)
}

// String shows nothing of the pair.
func (KeyPair) String() string { return "key pair" }

// GoString is String, for %#v.
func (k KeyPair) GoString() string { return k.String() }

// Format is String for every verb.
func (k KeyPair) Format(s fmt.State, _ rune) { writeName(s, k.String()) }

// LogValue is String, for log/slog.
func (k KeyPair) LogValue() slog.Value { return slog.StringValue(k.String()) }

func names[V any](m map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}

// writeName prints what stands for a value that must not be printed. A
// fmt.State of package fmt never fails; others have no way to be told.
func writeName(s fmt.State, text string) {
	_, _ = s.Write([]byte(text))
}

// ParseCertificates reads a PEM bundle of certificates and nothing else. Text
// between blocks is allowed, as in the bundles that systems ship; a damaged
// block, a block of another type and an empty bundle are errors.
func ParseCertificates(bundle []byte) ([]*x509.Certificate, error) {
	blocks, err := decodeBlocks(bundle)
	if err != nil {
		return nil, err
	}
	certs := make([]*x509.Certificate, 0, len(blocks))
	for i, block := range blocks {
		if block.Type != blockCertificate {
			return nil, fmt.Errorf("PEM block %d is a %q, want only certificates", i+1, block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", i+1, err)
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

const (
	blockCertificate = "CERTIFICATE"
	blockKey         = "PRIVATE KEY"
	blockList        = "X509 CRL"
)

// decodeBlocks is pem.Decode that loses nothing: pem.Decode steps over a
// damaged block in silence, and a root or a revocation list would be gone.
func decodeBlocks(text []byte) ([]*pem.Block, error) {
	var blocks []*pem.Block
	begun := strings.Count(string(text), "-----BEGIN ")
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		blocks = append(blocks, block)
		text = rest
	}
	switch {
	case len(blocks) == 0:
		return nil, fmt.Errorf("no PEM block found")
	case len(blocks) != begun:
		return nil, fmt.Errorf("%d of %d PEM blocks are damaged", begun-len(blocks), begun)
	}
	return blocks, nil
}
