package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"slices"
)

// KeyType names the algorithm and size of every key an authority makes. The
// empty KeyType is ECDSAP256.
type KeyType string

// The key types. Making an RSA key takes from a tenth of a second to several
// seconds, any other microseconds.
const (
	ECDSAP256 KeyType = "ecdsa-p256" // NIST P-256: the type that every TLS stack accepts
	ECDSAP384 KeyType = "ecdsa-p384"
	RSA2048   KeyType = "rsa-2048"
	RSA3072   KeyType = "rsa-3072"
	Ed25519   KeyType = "ed25519" // not every TLS library has it
)

// keyTypes is the one place that knows how a key is made.
var keyTypes = map[KeyType]func() (crypto.Signer, error){
	ECDSAP256: func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
	ECDSAP384: func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) },
	RSA2048:   func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) },
	RSA3072:   func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 3072) },
	Ed25519: func() (crypto.Signer, error) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	},
}

// KeyTypes lists the key types, sorted.
func KeyTypes() []KeyType {
	return slices.Sorted(maps.Keys(keyTypes))
}

// NewKey makes a key of the type t; "" is ECDSAP256. The error names the types
// there are.
func NewKey(t KeyType) (crypto.Signer, error) {
	if t == "" {
		t = ECDSAP256
	}
	return newKey(t)
}

func newKey(t KeyType) (crypto.Signer, error) {
	generate, ok := keyTypes[t]
	if !ok {
		return nil, fmt.Errorf("key type %q is unknown: use one of %q", t, KeyTypes())
	}
	key, err := generate()
	if err != nil {
		return nil, fmt.Errorf("generate %s key: %w", t, err)
	}
	return key, nil
}

// newSerial returns a random positive serial number. Bit 127 is clear and bit
// 126 set: every serial then has exactly 16 octets in DER, so that two
// certificates of one shape have one size (RFC 5280, 4.1.2.2 allows 20).
func newSerial() (*big.Int, error) {
	var octets [16]byte
	if _, err := rand.Read(octets[:]); err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	octets[0] = octets[0]&0x7f | 0x40
	return new(big.Int).SetBytes(octets[:]), nil
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: der}), nil
}

func encodeCertificates(certs ...*x509.Certificate) []byte {
	var text []byte
	for _, cert := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: cert.Raw})...)
	}
	return text
}
