package origin

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Pin says which part of a client certificate names the edge.
type Pin string

// The pins, from none to the strictest.
const (
	PinNone    Pin = "none"    // every certificate of the roots is the edge
	PinSubject Pin = "subject" // the subject's distinguished name, as pkix.Name.String writes it
	PinSAN     Pin = "san"     // one DNS name or URI among the subject alternative names
	PinLeaf    Pin = "leaf"    // the SHA-256 of the certificate, in hexadecimal
)

// Pins lists the pins.
func Pins() []Pin { return []Pin{PinNone, PinSubject, PinSAN, PinLeaf} }

// Value returns the PinValue under which this pin matches exactly the given
// certificate; "" for PinNone. For PinSAN it is the first URI, else the first
// DNS name, and an error where there is neither.
func (p Pin) Value(leaf *x509.Certificate) (string, error) {
	switch p {
	case PinNone:
		return "", nil
	case PinSubject:
		return leaf.Subject.String(), nil
	case PinSAN:
		if len(leaf.URIs) > 0 {
			return leaf.URIs[0].String(), nil
		}
		if len(leaf.DNSNames) > 0 {
			return leaf.DNSNames[0], nil
		}
		return "", fmt.Errorf("certificate %q has no URI and no DNS name to pin", leaf.Subject)
	case PinLeaf:
		return fingerprint(leaf), nil
	default:
		return "", fmt.Errorf("unknown pin %q: want one of none, subject, san, leaf", p)
	}
}

// matches compares whole values: a wildcard in a certificate names no edge,
// and the common name is never a stand-in for a SAN (CVE-2018-16886).
func (p Pin) matches(leaf *x509.Certificate, value string) bool {
	switch p {
	case PinNone:
		return true
	case PinSubject:
		return leaf.Subject.String() == value
	case PinSAN:
		for _, uri := range leaf.URIs {
			if uri.String() == value {
				return true
			}
		}
		return slices.ContainsFunc(leaf.DNSNames, func(name string) bool { return strings.EqualFold(name, value) })
	case PinLeaf:
		return strings.EqualFold(fingerprint(leaf), value)
	default:
		return false
	}
}

// check says what is wrong with a pin and its value, as New reports it.
func (p Pin) check(value string) error {
	switch p {
	case PinNone:
		if value != "" {
			return fmt.Errorf("pin none takes no value, but %q is given", value)
		}
		return nil
	case PinSubject, PinSAN:
		if value == "" {
			return fmt.Errorf("pin %s has no value: every certificate of the roots would be refused", p)
		}
		return nil
	case PinLeaf:
		if sum, err := hex.DecodeString(value); err != nil || len(sum) != sha256.Size {
			return fmt.Errorf("pin leaf wants the SHA-256 of a certificate in hexadecimal, not %q", value)
		}
		return nil
	default:
		return fmt.Errorf("unknown pin %q: want one of none, subject, san, leaf", p)
	}
}

func fingerprint(leaf *x509.Certificate) string {
	sum := sha256.Sum256(leaf.Raw)
	return hex.EncodeToString(sum[:])
}
