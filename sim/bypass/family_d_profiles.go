package bypass

import (
	"context"

	"github.com/originpull/originpull/origin"
)

func init() {
	register(Attempt{
		ID: "D17", Title: "an identity header that the caller sends itself",
		Family: Session, Capability: OtherCertificate, Class: Safe, Profiles: true,
		Reference: "AWS, Mutual authentication with TLS in Application Load Balancer: the application is told who came in headers; CVE-2026-46579",
		Steps: []string{
			"handshake with another customer's certificate of the same authority, and name the edge in the header by which the application knows who came",
			"the same in small letters", "the same twice",
		},
		Holds:    certificateProofs &^ origin.Subject,
		Path:     origin.Path{Impersonates: true},
		Mistakes: map[string]string{origin.MTLS: "trust-identity-header"},
		Run:      claimedIdentity,
	})
}

// forgedIdentity is whom the caller wants to be taken for.
const forgedIdentity = "CN=" + edgeName + ",O=forged"

// claimedIdentity looks in the answer for whom the application took the caller:
// that it answers at all is open by design.
func claimedIdentity(ctx context.Context, l *Lab) (Outcome, error) {
	claim := [2]string{origin.IdentityClaim, forgedIdentity}
	small := [2]string{"x-amzn-mtls-clientcert-subject", forgedIdentity}
	var tries []Try
	for _, header := range []struct {
		name  string
		lines [][2]string
	}{{"identity header", [][2]string{claim}}, {"in small letters", [][2]string{small}}, {"twice", [][2]string{claim, claim}}} {
		tries = append(tries, Try{Name: header.name, Certificate: tenantCertificate, Header: header.lines, Seeks: forgedIdentity})
	}
	return l.each(ctx, tries...)
}
