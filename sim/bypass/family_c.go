package bypass

import (
	"context"

	"github.com/originpull/originpull/origin"
)

// A certificate counts for what it says, whoever signed it, so that each case
// lacks as little as possible and is refused for one exact reason.
func init() {
	register(
		Attempt{
			ID:         "C01",
			Protocols:  everyProtocol,
			Title:      "no client certificate",
			Family:     Certificate,
			Capability: KnowsAddress,
			Class:      Safe,
			Reference:  "RFC 8446 section 4.4.2.4",
			Steps:      []string{"handshake without a certificate, then request"},
			Holds:      origin.Authority,
			Mistakes:   map[string]string{origin.MTLS: "optional-certificate"},
			Run:        single(Try{Name: "no certificate"}),
		},
		Attempt{
			ID:         "C02",
			Title:      "self-signed client certificate",
			Family:     Certificate,
			Capability: KnowsAddress,
			Class:      Safe,
			Reference:  "RFC 5280 section 6.1",
			Steps:      []string{"handshake with a self-signed certificate in the edge's name, then request"},
			Holds:      certificateProofs &^ origin.Chain,
			Mistakes:   map[string]string{origin.MTLS: "any-certificate"},
			Run:        single(Try{Name: "self-signed", Certificate: selfSigned}),
		},
		Attempt{
			ID:         "C03",
			Protocols:  everyProtocol,
			Title:      "client certificate of another authority",
			Family:     Certificate,
			Capability: KnowsAddress,
			Class:      Safe,
			Reference:  "RFC 5280 section 6.1",
			Steps: []string{
				"handshake with a certificate of another authority, then request",
				"the same with an authority that bears the trusted one's name",
			},
			Holds:    certificateProofs &^ origin.Chain,
			Mistakes: map[string]string{origin.MTLS: "any-certificate"},
			Run:      otherAuthorities,
		},
		Attempt{
			ID:         "C04",
			Title:      "client certificate of a public authority",
			Family:     Certificate,
			Capability: KnowsAddress,
			Class:      Safe,
			Reference:  "CVE-2026-27586",
			Steps:      []string{"handshake with a certificate in the attacker's own name, of an authority among the system's roots, then request"},
			Holds:      certificateProofs &^ (origin.Chain | origin.Subject),
			Mistakes:   map[string]string{origin.MTLS: "system-roots"},
			Run:        single(Try{Name: "public authority", Certificate: publicCertificate}),
		},
		Attempt{
			ID:         "C05",
			Protocols:  everyProtocol,
			Title:      "expired client certificate",
			Family:     Certificate,
			Capability: OtherCertificate,
			Class:      Safe,
			Reference:  "RFC 5280 section 4.1.2.5",
			Steps:      []string{"handshake with the edge's certificate of yesterday, then request"},
			Holds:      certificateProofs &^ origin.Validity,
			Mistakes:   map[string]string{origin.MTLS: "any-certificate"},
			Run:        single(Try{Name: "expired", Certificate: expiredCertificate}),
		},
		Attempt{
			ID:         "C07",
			Title:      "server certificate shown as a client's",
			Family:     Certificate,
			Capability: OtherCertificate,
			Class:      Safe,
			Reference:  "CVE-2022-21657",
			Steps:      []string{"handshake with a certificate for server authentication only, then request"},
			Holds:      certificateProofs &^ origin.Purpose,
			Mistakes:   map[string]string{origin.MTLS: "any-purpose"},
			Run:        single(Try{Name: "server certificate", Certificate: wrongUsage}),
		},
		Attempt{
			ID:         "C09",
			Protocols:  everyProtocol,
			Title:      "another name's certificate of the same authority",
			Family:     Certificate,
			Capability: OtherCertificate,
			Class:      Safe,
			Reference:  "Cloudflare, Authenticated Origin Pulls: shared certificate",
			Steps:      []string{"handshake with a valid certificate for another name, then request"},
			Holds:      certificateProofs &^ origin.Subject,
			Mistakes:   map[string]string{origin.MTLS: "no-pin"},
			Run:        single(Try{Name: "wrong name", Certificate: wrongNameOfSameRoot}),
		},
		Attempt{
			ID:         "C11",
			Protocols:  everyProtocol,
			Title:      "revoked client certificate",
			Family:     Certificate,
			Capability: StolenKey,
			Class:      Safe,
			Reference:  "CVE-2026-53434, CVE-2026-24734",
			Steps: []string{
				"request with a stolen certificate of the edge and succeed",
				"revoke that certificate, not the edge's other one",
				"request with it again, on a new connection without a session",
			},
			SecondLeaf: true,
			Holds:      certificateProofs &^ origin.Freshness,
			Mistakes:   map[string]string{origin.MTLS: "no-revocation"},
			Run:        revoked,
		},
	)
}

// certificateProofs is what a valid certificate of the edge proves, with SNI
// and Host alike.
const certificateProofs = origin.Chain | origin.Purpose | origin.Validity | origin.Subject | origin.Freshness | origin.Possession | origin.Authority

func otherAuthorities(ctx context.Context, l *Lab) (Outcome, error) {
	return l.each(ctx,
		Try{Name: "another authority", Certificate: otherAuthority},
		Try{Name: "another authority of the same name", Certificate: sameNameAuthority},
	)
}

func revoked(ctx context.Context, l *Lab) (Outcome, error) {
	if l.server != "" { // it reads its list at the start
		return l.each(ctx, Try{Name: "revoked certificate", Certificate: revokedBefore})
	}
	refused, err := l.thenRevoke(ctx, func() (Step, error) {
		return l.Try(ctx, Try{Name: "stolen certificate before it is revoked", Certificate: stolenCertificate})
	})
	if refused != nil || err != nil {
		return outcomeOf(refused), err
	}
	return l.each(ctx, Try{Name: "revoked certificate", Certificate: stolenCertificate})
}
