package pki

import (
	"cmp"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"
)

// listValidity is how long a revocation list counts after it was issued.
const listValidity = 7 * 24 * time.Hour

// Revoke puts c on the authority's next revocation list; only c.Leaf is read.
// Revoking twice keeps the first date. A certificate that this authority's
// issuing certificate did not sign is an error.
func (a *Authority) Revoke(c *Certificate) error {
	if c == nil || c.Leaf == nil {
		return fmt.Errorf("revoke: no certificate given")
	}
	if err := c.Leaf.CheckSignatureFrom(a.issuing().cert); err != nil {
		return fmt.Errorf("revoke serial %s: authority %q did not issue it: %w", SerialText(c.Leaf), a.cfg.Name, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.dir.loadRevoked(a.revoked); err != nil {
		return fmt.Errorf("revoke serial %s: %w", SerialText(c.Leaf), err)
	}
	key := string(c.Leaf.SerialNumber.Bytes())
	if _, done := a.revoked[key]; done {
		return nil
	}
	entry := revocation{serial: c.Leaf.SerialNumber, at: a.cfg.now().UTC().Truncate(time.Second)}
	if err := a.dir.recordRevoked(entry); err != nil {
		return fmt.Errorf("revoke serial %s: %w", SerialText(c.Leaf), err)
	}
	a.revoked[key] = entry
	return nil
}

// RevocationList returns the lists of every authority of the chain, the
// issuing one's first, as PEM, each signed by its authority and good for seven
// days; the root's and upper intermediates' are empty, because servers that
// check whole chains want them. Where there are intermediates their
// certificates follow the lists, so that whoever trusts the root can verify
// all of it. The number increases with each call.
func (a *Authority) RevocationList() ([]byte, error) {
	return a.RevocationListAt(a.cfg.now())
}

// RevocationListAt is RevocationList as issued at another time: with one more
// than seven days ago it makes a list that is authentic and stale.
func (a *Authority) RevocationListAt(issued time.Time) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.dir.loadRevoked(a.revoked); err != nil {
		return nil, fmt.Errorf("revocation list: %w", err)
	}
	number, err := a.nextNumber()
	if err != nil {
		return nil, fmt.Errorf("revocation list: %w", err)
	}
	template := &x509.RevocationList{
		Number:     number,
		ThisUpdate: issued.UTC().Truncate(time.Second),
		NextUpdate: issued.UTC().Truncate(time.Second).Add(listValidity),
	}
	var text []byte
	for i := len(a.chain) - 1; i >= 0; i-- {
		template.RevokedCertificateEntries = nil
		if i == len(a.chain)-1 {
			template.RevokedCertificateEntries = a.entries()
		}
		der, err := x509.CreateRevocationList(rand.Reader, template, a.chain[i].cert, a.chain[i].key)
		if err != nil {
			return nil, fmt.Errorf("sign revocation list: %w", err)
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: blockList, Bytes: der})...)
	}
	text = append(text, encodeCertificates(a.intermediates()...)...)
	if err := a.dir.recordList(number, text); err != nil {
		return nil, fmt.Errorf("revocation list: %w", err)
	}
	return text, nil
}

func (a *Authority) nextNumber() (*big.Int, error) {
	if a.dir != nil {
		return a.dir.claimNumber()
	}
	a.number.Add(a.number, big.NewInt(1))
	return new(big.Int).Set(a.number), nil
}

func (a *Authority) entries() []x509.RevocationListEntry {
	sorted := slices.SortedFunc(maps.Values(a.revoked), func(x, y revocation) int {
		return cmp.Or(x.at.Compare(y.at), x.serial.Cmp(y.serial))
	})
	entries := make([]x509.RevocationListEntry, len(sorted))
	for i, r := range sorted {
		entries[i] = x509.RevocationListEntry{SerialNumber: r.serial, RevocationTime: r.at}
	}
	return entries
}

// ParseRevocationList reads a PEM bundle of revocation lists, and of the
// intermediate certificates that lead from their issuers to one of roots.
//
// Every list must be signed by an authority that roots vouch for, be current
// by the clock and be understood as a whole: an unknown critical extension, a
// list without a next update, two lists of one issuer, a damaged block and an
// empty bundle are errors. An error never means that nothing is revoked.
func ParseRevocationList(bundle []byte, roots []*x509.Certificate) (*Revoked, error) {
	lists, intermediates, err := splitBundle(bundle)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	issuers := trusted(roots, intermediates, now)
	revoked := &Revoked{}
	for _, list := range lists {
		issuer, err := issuerOf(list, issuers)
		if err != nil {
			return nil, err
		}
		if err := checkCurrent(list, now); err != nil {
			return nil, err
		}
		for _, other := range revoked.lists {
			if other.issuer.Equal(issuer) {
				return nil, fmt.Errorf("two revocation lists of %q: keep the one that counts", issuer.Subject)
			}
		}
		parsed := revocationList{issuer: issuer, serials: make(map[string]bool), nextUpdate: list.NextUpdate}
		for _, entry := range list.RevokedCertificateEntries {
			if err := refuseCritical(entry.Extensions); err != nil {
				return nil, err
			}
			parsed.serials[string(entry.SerialNumber.Bytes())] = true
		}
		revoked.lists = append(revoked.lists, parsed)
	}
	return revoked, nil
}

func splitBundle(bundle []byte) (lists []*x509.RevocationList, certs []*x509.Certificate, err error) {
	blocks, err := decodeBlocks(bundle)
	if err != nil {
		return nil, nil, err
	}
	for i, block := range blocks {
		switch block.Type {
		case blockList:
			list, err := x509.ParseRevocationList(block.Bytes)
			if err != nil {
				return nil, nil, fmt.Errorf("PEM block %d: %w", i+1, err)
			}
			lists = append(lists, list)
		case blockCertificate:
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, nil, fmt.Errorf("PEM block %d: %w", i+1, err)
			}
			certs = append(certs, cert)
		default:
			return nil, nil, fmt.Errorf("PEM block %d is a %q, want revocation lists and certificates", i+1, block.Type)
		}
	}
	if len(lists) == 0 {
		return nil, nil, fmt.Errorf("no revocation list in the PEM bundle")
	}
	return lists, certs, nil
}
