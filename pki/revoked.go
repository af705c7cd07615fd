package pki

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// ErrRevoked is what Revoked.Check wraps for a certificate that is listed.
var ErrRevoked = errors.New("certificate is revoked")

// ErrNoList is what Revoked.Check wraps when no current list speaks for the
// certificate's issuer, so that nothing is known.
var ErrNoList = errors.New("no current revocation list of the certificate's issuer")

// Revoked is a set of verified revocation lists. It is immutable: lists are
// renewed by parsing new ones. Every method is safe for concurrent use.
type Revoked struct {
	lists []revocationList
}

type revocationList struct {
	issuer     *x509.Certificate
	serials    map[string]bool // by big-endian magnitude
	nextUpdate time.Time
}

// Contains reports whether a list of cert's issuer names cert's serial.
//
// It answers false for an issuer of whom there is no list. A guard asks Check,
// for which "nothing is known" is an error.
func (r *Revoked) Contains(cert *x509.Certificate) bool {
	for i := range r.lists {
		if r.lists[i].speaksFor(cert) && r.lists[i].names(cert) {
			return true
		}
	}
	return false
}

// Check returns nil only if a list that is current at now speaks for cert's
// issuer and does not name cert; else an error that wraps ErrRevoked or
// ErrNoList. Issuers are told apart by subject key identifier, because two
// authorities may share one name. It costs no signature check: cert must have
// been verified before.
func (r *Revoked) Check(cert *x509.Certificate, now time.Time) error {
	if r.Contains(cert) {
		return fmt.Errorf("serial %s of %q: %w", SerialText(cert), cert.Issuer.CommonName, ErrRevoked)
	}
	for i := range r.lists {
		if r.lists[i].speaksFor(cert) && now.Before(r.lists[i].nextUpdate) {
			return nil
		}
	}
	return fmt.Errorf("serial %s of %q: %w", SerialText(cert), cert.Issuer.CommonName, ErrNoList)
}

// NextUpdate returns when the first of the lists goes stale.
func (r *Revoked) NextUpdate() time.Time {
	var first time.Time
	for i := range r.lists {
		if next := r.lists[i].nextUpdate; first.IsZero() || next.Before(first) {
			first = next
		}
	}
	return first
}

func (l *revocationList) speaksFor(cert *x509.Certificate) bool {
	if !bytes.Equal(cert.RawIssuer, l.issuer.RawSubject) {
		return false
	}
	// A certificate that does not say which key signed it is matched by name
	// alone: that may only revoke too much.
	return len(cert.AuthorityKeyId) == 0 || bytes.Equal(cert.AuthorityKeyId, l.issuer.SubjectKeyId)
}

func (l *revocationList) names(cert *x509.Certificate) bool {
	return cert.SerialNumber != nil && l.serials[string(cert.SerialNumber.Bytes())]
}
