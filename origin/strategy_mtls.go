package origin

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/originpull/originpull/pki"
)

func init() {
	registerStrategy(Strategy{
		Name:  MTLS,
		Title: "the edge shows a client certificate of a private authority",
		Fill: func(p *Policy, s Settings) {
			p.ClientRoots, p.RevocationList = s.ClientRoots, s.RevocationList
			p.Pin, p.PinValue = s.Pin, s.PinValue
		},
		requires: requiresCertificate,
		equip:    equipMTLS,
	})
}

// requiresCertificate asks for a certificate even on a plaintext port, where
// nobody can show one: New does not open such a port.
func requiresCertificate(p Policy, path Path) Proof {
	if path.Public {
		return 0
	}
	required := Chain | Purpose | Validity | Possession
	if p.Pin != PinNone {
		required |= Subject
	}
	if p.RevocationList != "" {
		required |= Freshness
	}
	return required
}

func equipMTLS(g *guard) error {
	if !g.encrypted {
		return errors.New("a plaintext origin cannot ask for a client certificate: name a server certificate")
	}
	g.clientAuth = tls.RequireAndVerifyClientCert
	g.usages = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if err := g.equipRoots(); err != nil {
		return err
	}
	g.chain = g.verifyChain
	if err := g.policy.Pin.check(g.policy.PinValue); err != nil {
		return err
	}
	if g.policy.Pin != PinNone {
		g.subject = func(certs []*x509.Certificate) *denial {
			if g.policy.Pin.matches(certs[0], g.policy.PinValue) {
				return nil
			}
			return deny(Subject, "client certificate %q is not the pinned %s", names(certs[0]), g.policy.Pin)
		}
	}
	return g.equipRevocation()
}

func (g *guard) equipRoots() error {
	if g.policy.ClientRoots == "" {
		return g.refuse(refuseNoRoots, "the policy names no client roots: crypto/tls would trust every public authority")
	}
	roots, err := g.credentials.Pool(g.policy.ClientRoots)
	if err != nil {
		return g.refuse(refuseNoRoots, "client roots: %w", err)
	}
	g.roots = roots
	return nil
}

// equipRevocation fails closed: a list that cannot be used is no empty list.
func (g *guard) equipRevocation() error {
	if g.policy.RevocationList == "" {
		return nil
	}
	revoked, err := g.credentials.RevocationList(g.policy.RevocationList, g.policy.ClientRoots)
	if err != nil {
		return g.refuse(refuseNoRevocation, "revocation list: %w", err)
	}
	roots, err := pki.ParseCertificates([]byte(g.credentials.Roots[g.policy.ClientRoots]))
	if err != nil {
		return g.refuse(refuseNoRevocation, "revocation list: client roots: %w", err)
	}
	g.freshness = func(certs []*x509.Certificate) *denial { return checkFreshness(revoked, certs, roots) }
	return nil
}

// checkFreshness asks for the leaf and for each authority above it, but for
// the root, which nobody but itself could revoke. certs is what the caller
// sent: the leaf first, and perhaps certificates of no importance, which are
// not looked at.
func checkFreshness(revoked *pki.Revoked, certs, roots []*x509.Certificate) *denial {
	now, at := time.Now(), certs[0]
	for range certs {
		if err := revoked.Check(at, now); err != nil {
			return deny(Freshness, "client certificate: %v", err)
		}
		if issuedByOneOf(at, roots) {
			return nil
		}
		above := issuerAmong(at, certs[1:])
		if above == nil {
			return nil // the chain's own check has found it elsewhere, or not at all
		}
		at = above
	}
	return nil
}

// issuerAmong returns the certificate that signed c, or nil.
func issuerAmong(c *x509.Certificate, candidates []*x509.Certificate) *x509.Certificate {
	for _, above := range candidates {
		if issuedByOneOf(c, []*x509.Certificate{above}) {
			return above
		}
	}
	return nil
}

// issuedByOneOf compares names and key identifiers: the signature has been
// verified with the chain, and costs more than a request may.
func issuedByOneOf(c *x509.Certificate, issuers []*x509.Certificate) bool {
	for _, issuer := range issuers {
		if bytes.Equal(c.RawIssuer, issuer.RawSubject) && (len(c.AuthorityKeyId) == 0 || bytes.Equal(c.AuthorityKeyId, issuer.SubjectKeyId)) {
			return true
		}
	}
	return false
}

func (g *guard) verifyChain(certs []*x509.Certificate) *denial {
	options := x509.VerifyOptions{Roots: g.roots, KeyUsages: g.usages, Intermediates: x509.NewCertPool()}
	for _, intermediate := range certs[1:] {
		options.Intermediates.AddCert(intermediate)
	}
	if _, err := certs[0].Verify(options); err != nil {
		return chainDenial(err)
	}
	return nil
}

// chainDenial names the proof that a failed chain verification lacks. x509
// looks at dates first, then at the chain, then at the extended key usage.
func chainDenial(err error) *denial {
	proof := Chain
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		switch invalid.Reason {
		case x509.Expired:
			proof = Validity
		case x509.IncompatibleUsage:
			proof = Purpose
		default:
		}
	}
	return deny(proof, "client certificate: %v", err)
}

// handshakeDenial classifies why a handshake failed. What is no refusal of
// ours (a broken record, a client that went away) misses no proof.
func handshakeDenial(err error) *denial {
	if d, ok := errors.AsType[*denial](err); ok {
		return d
	}
	if unverified, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return chainDenial(unverified.Err)
	}
	// crypto/tls has no type for this one; a test holds its text.
	if err.Error() == "tls: client didn't provide a certificate" {
		return deny(Chain, "no client certificate")
	}
	if strings.HasPrefix(err.Error(), "tls: invalid signature by the client certificate") {
		return deny(Possession, "the client does not hold the key of its certificate")
	}
	return &denial{reason: fmt.Sprintf("handshake failed: %v", err)}
}

// names is what an audit line says of a certificate's owner.
func names(leaf *x509.Certificate) string {
	var list []byte
	for _, uri := range leaf.URIs {
		list = append(append(list, uri.String()...), ',')
	}
	for _, name := range leaf.DNSNames {
		list = append(append(list, name...), ',')
	}
	if len(list) == 0 {
		return ""
	}
	return string(list[:len(list)-1])
}
