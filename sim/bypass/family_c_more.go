package bypass

import (
	"context"

	"github.com/originpull/originpull/origin"
)

func init() {
	register(
		shown("C06", "client certificate that is not valid yet", OtherCertificate, "RFC 5280 section 4.1.2.5",
			notYetValid, origin.Validity, "any-certificate"),
		Attempt{
			ID: "C08", Title: "client certificate of any or no purpose",
			Family: Certificate, Capability: OtherCertificate, Class: Safe,
			Reference: "RFC 5280 section 4.2.1.12: without the extension any purpose is allowed",
			Steps:     []string{"handshake with a certificate in the edge's name without an extended key usage", "with anyExtendedKeyUsage"},
			Holds:     certificateProofs,
			Mistakes:  map[string]string{origin.MTLS: "any-purpose"},
			Run: func(ctx context.Context, l *Lab) (Outcome, error) {
				return l.each(ctx,
					Try{Name: noPurpose, Certificate: noPurpose},
					// OpenSSL wants the purpose by name.
					Try{Name: anyPurpose, Certificate: anyPurpose, Lacks: origin.Purpose},
				)
			},
		},
		Attempt{
			ID: "C10", Title: "the edge's name as common name, or covered by a wildcard",
			Family: Certificate, Capability: OtherCertificate, Class: Safe,
			Reference: "CVE-2018-16886",
			Steps:     []string{"handshake with the edge's name as common name alone", "with a wildcard that covers it"},
			Holds:     certificateProofs &^ origin.Subject,
			Mistakes:  map[string]string{origin.MTLS: "no-pin"},
			Run:       certificates(commonNameOnly, wildcardName),
		},
		Attempt{
			ID: "C12", Title: "the edge's own certificate and key, from elsewhere",
			Family: Certificate, Capability: StolenKey, Class: Safe, Leaf: true,
			Reference: "NIST SP 800-57 part 1 section 5.5: a stolen key is the owner until it is revoked",
			Steps:     []string{"handshake from outside with the edge's own certificate, which nobody has revoked"},
			Holds:     certificateProofs,
			Mistakes:  map[string]string{origin.MTLS: "no-pin"},
			Run:       certificates(edgeCertificate),
		},
		Attempt{
			ID: "C13", Title: "the edge's certificate without its key",
			Family: Certificate, Capability: OnPath, Class: Safe, Leaf: true,
			Reference: "RFC 8446 section 4.4.3",
			Steps:     []string{"handshake with a copy of the edge's certificate, signed with another key"},
			Holds:     certificateProofs &^ origin.Possession,
			Mistakes:  map[string]string{origin.MTLS: "never-asks"},
			Run:       certificates(wrongKey),
		},
		shown("C14", "certificate issued by a leaf", OtherCertificate, "CVE-2021-3450", leafAsIssuer, origin.Chain, "any-certificate"),
		shown("C15", "certificate below one authority too many", OtherCertificate, "RFC 5280 section 4.2.1.9", pathTooLong, origin.Chain, "any-certificate"),
		shown("C16", "certificate outside its authority's name constraints", OtherCertificate, "CVE-2026-33810, CVE-2025-61727", constrainedName, origin.Chain, "any-certificate"),
		Attempt{
			ID: "C17", Title: "the edge forgets its intermediate",
			Family: Certificate, Capability: Nobody, Class: Safe, Legitimate: true, Leaf: true,
			Reference: "RFC 8446 section 4.4.2: the sender provides the chain",
			Steps:     []string{"pull as the edge with its certificate alone, without the intermediate"},
			Holds:     origin.Address | origin.Secret | certificateProofs&^origin.Chain,
			Mistakes:  map[string]string{origin.MTLS: "any-certificate"},
			Run:       forgottenIntermediate,
		},
		unbuilt(Certificate, "C18", "certificate signed with SHA-1, or of a 1024-bit key", OtherCertificate,
			"RFC 9155; NIST SP 800-131A",
			"crypto/x509 signs with SHA-1 no more and crypto/rsa makes no key of 1024 bits"),
		Attempt{
			ID: "C19", Title: "an authority's own certificate as a client's",
			Family: Certificate, Capability: StolenKey, Class: Safe,
			Reference: "CWE-295; measured: crypto/x509 verifies it",
			Steps:     []string{"handshake with the certificate and key of an intermediate authority"},
			Holds:     certificateProofs &^ origin.Subject,
			Mistakes:  map[string]string{origin.MTLS: "no-pin"},
			Run:       certificates(authorityAsLeaf),
		},
		shown("C20", "the edge's certificate sent along behind one's own", OtherCertificate, "CVE-2023-2422", unrelatedBehind, origin.Subject, "any-index"),
		shown("C21", "a chain of 80 certificates", KnowsAddress, "CVE-2018-16875, CVE-2026-32280", hugeChain, origin.Chain, "any-certificate").of(Intrusive),
		Attempt{
			ID: "C22", Title: "certificate for an RSA key of 8200 bits",
			Family: Certificate, Capability: OtherCertificate, Class: Intrusive,
			Reference: "CVE-2023-29409, CVE-2025-58188, CVE-2024-24783",
			Steps: []string{
				"handshake with a certificate for a key that is dear to verify and that nobody has",
				"without a certificate, for an origin that goes on",
			},
			Holds:    certificateProofs &^ (origin.Chain | origin.Possession),
			Mistakes: map[string]string{origin.MTLS: "never-asks"},
			Run: func(ctx context.Context, l *Lab) (Outcome, error) {
				return l.each(ctx, Try{Name: "huge key", Certificate: hugeKey, Malformed: true}, Try{Name: "no certificate"})
			},
		},
		Attempt{
			ID: "C23", Title: "a damaged trust file at a reload",
			Family: Certificate, Capability: KnowsAddress, Class: Safe, Live: true,
			Reference: "CVE-2026-27586",
			Steps: []string{
				"have the origin reload with client roots that cannot be read; a correct one refuses and stays as it was",
				"request with a certificate of a public authority",
				"have it reload what it had before",
			},
			Holds:    certificateProofs &^ (origin.Chain | origin.Subject),
			Mistakes: map[string]string{origin.MTLS: "system-roots"},
			Run:      damagedTrust,
		},
		shown("C24", "certificate of an authority that was rotated out", OtherCertificate, "RFC 5280 section 6.1.1; NIST SP 800-57", retiredAuthority, origin.Chain, "extra-roots"),
	)
}

// shown is a case of one certificate that lacks one proof.
func shown(id, title string, c Capability, reference, certificate string, lacks origin.Proof, mistake string) Attempt {
	return Attempt{
		ID: id, Title: title, Family: Certificate, Capability: c, Class: Safe, Reference: reference,
		Steps:    []string{"handshake with a " + title + ", then request"},
		Holds:    certificateProofs &^ lacks,
		Mistakes: map[string]string{origin.MTLS: mistake},
		Run:      certificates(certificate),
	}
}

// certificates shows one after the other.
func certificates(names ...string) func(context.Context, *Lab) (Outcome, error) {
	return func(ctx context.Context, l *Lab) (Outcome, error) {
		tries := make([]Try, len(names))
		for i, name := range names {
			tries[i] = Try{Name: name, Certificate: name}
		}
		return l.each(ctx, tries...)
	}
}

func forgottenIntermediate(ctx context.Context, l *Lab) (Outcome, error) {
	t := l.edgeTry("without intermediate")
	t.Certificate = withoutIntermediate
	return l.each(ctx, t)
}

// damagedTrust reloads without a revocation list: a list needs roots that can
// be read, and what is asked here is what becomes of the roots.
func damagedTrust(ctx context.Context, l *Lab) (Outcome, error) {
	p := l.Policy()
	p.RevocationList = ""
	// The refusal to load is the correct answer; what matters is who gets in.
	_ = l.Reload(ctx, p, l.Material.damaged())
	o, err := l.each(ctx, Try{Name: "public authority", Certificate: publicCertificate})
	if restored := l.Restore(ctx); restored != nil {
		return o, restored
	}
	return o, err
}
