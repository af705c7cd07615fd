package pki

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
)

// MaxChainBytes is the most that Config.ChainBytes may be. crypto/tls reads
// certificate messages of up to 256 KiB, but a session ticket, which carries
// the client's chain, must fit into 64 KiB (RFC 8446, section 4.6.1).
const MaxChainBytes = 64 << 10

// paddingID marks the extension that pads a certificate. It is not critical,
// so nobody has to understand it. The arc is the one that RFC 5612 reserves
// for documentation: no enterprise owns it.
var paddingID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 1}

// paddingTries bounds the search for a padding. ECDSA signatures are of
// several lengths in DER, each try draws another one, and the wanted length
// comes up in one of four to one of two.
const paddingTries = 200

// paddingSlack is by how many bytes a padded certificate may be too short
// where its length cannot be reached: nested DER lengths grow by a byte at 128,
// 256 and 65,536.
const paddingSlack = 4

// padded makes a leaf of exactly size DER bytes, if needed up to paddingSlack
// fewer. sign signs template, which gets the padding as an extension.
func padded(template *x509.Certificate, size int, sign func() (*x509.Certificate, error)) (*x509.Certificate, error) {
	least, err := padTo(template, 0, sign)
	if err != nil {
		return nil, err
	}
	if len(least.Raw) > size {
		return nil, fmt.Errorf("the chain cannot be padded down: its leaf takes at least %d bytes, only %d are left for it: use more bytes or fewer certificates", len(least.Raw), max(size, 0))
	}
	padding := max(0, size-len(least.Raw)-paddingSlack)
	var best *x509.Certificate
	for range paddingTries {
		leaf, err := padTo(template, padding, sign)
		if err != nil {
			return nil, err
		}
		missing := size - len(leaf.Raw)
		switch {
		case missing == 0:
			return leaf, nil
		case missing > 0 && (best == nil || len(leaf.Raw) > len(best.Raw)):
			best = leaf
		}
		// One byte at a time: a larger step would leap over a length that a
		// shorter signature reaches.
		if missing > 0 {
			padding++
		} else if padding > 0 {
			padding--
		}
	}
	if best == nil || size-len(best.Raw) > paddingSlack {
		return nil, fmt.Errorf("no padding makes a leaf of %d bytes: use a few bytes more", size)
	}
	return best, nil
}

// padTo signs template with that many bytes of padding. They are random, so
// that no compression of certificates (RFC 8879) takes them away.
func padTo(template *x509.Certificate, padding int, sign func() (*x509.Certificate, error)) (*x509.Certificate, error) {
	content := make([]byte, padding)
	if _, err := rand.Read(content); err != nil {
		return nil, fmt.Errorf("draw padding: %w", err)
	}
	template.ExtraExtensions = []pkix.Extension{{Id: paddingID, Value: content}}
	return sign()
}

// encodedSize is how many DER bytes the certificates are.
func encodedSize(certs []*x509.Certificate) int {
	n := 0
	for _, cert := range certs {
		n += len(cert.Raw)
	}
	return n
}
