package pki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"slices"
	"time"
)

// trusted returns those of roots and candidates that roots vouch for at now.
// The candidates came with the list, so they count for nothing by themselves.
func trusted(roots, candidates []*x509.Certificate, now time.Time) []*x509.Certificate {
	options := x509.VerifyOptions{
		Roots:         x509.NewCertPool(),
		Intermediates: x509.NewCertPool(),
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	for _, root := range roots {
		options.Roots.AddCert(root)
	}
	for _, cert := range candidates {
		options.Intermediates.AddCert(cert)
	}
	var good []*x509.Certificate
	for _, cert := range slices.Concat(roots, candidates) {
		if _, err := cert.Verify(options); err == nil {
			good = append(good, cert)
		}
	}
	return good
}

// issuerOf finds the authority that signed list. Several may bear its name;
// only a signature that fits tells them apart.
func issuerOf(list *x509.RevocationList, issuers []*x509.Certificate) (*x509.Certificate, error) {
	var failure error
	for _, issuer := range issuers {
		if !bytes.Equal(list.RawIssuer, issuer.RawSubject) {
			continue
		}
		if failure = mayIssue(list, issuer); failure == nil {
			return issuer, nil
		}
	}
	if failure != nil {
		return nil, fmt.Errorf("revocation list is not signed by the trusted authority %q that it names: %w", list.Issuer, failure)
	}
	return nil, fmt.Errorf("revocation list is by %q, which is no trusted authority", list.Issuer)
}

func mayIssue(list *x509.RevocationList, issuer *x509.Certificate) error {
	if !issuer.BasicConstraintsValid || !issuer.IsCA || issuer.KeyUsage&x509.KeyUsageCRLSign == 0 {
		return fmt.Errorf("certificate may not sign revocation lists")
	}
	return list.CheckSignatureFrom(issuer)
}

// checkCurrent refuses a list that says less than all there is to know now.
func checkCurrent(list *x509.RevocationList, now time.Time) error {
	switch {
	case list.NextUpdate.IsZero():
		return fmt.Errorf("revocation list of %q has no next update: it could be of any age", list.Issuer)
	case now.Before(list.ThisUpdate):
		return fmt.Errorf("revocation list of %q is dated in the future (%s)", list.Issuer, list.ThisUpdate.Format(time.RFC3339))
	case !now.Before(list.NextUpdate):
		return fmt.Errorf("revocation list of %q is stale since %s", list.Issuer, list.NextUpdate.Format(time.RFC3339))
	}
	return refuseCritical(list.Extensions)
}

// refuseCritical refuses extensions that change what a list means, such as the
// delta list indicator: none is implemented (RFC 5280, 5.2).
func refuseCritical(extensions []pkix.Extension) error {
	for _, extension := range extensions {
		if extension.Critical {
			return fmt.Errorf("revocation list has the critical extension %s, which is not understood", extension.Id)
		}
	}
	return nil
}
