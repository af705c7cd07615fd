package origin

import (
	"crypto/x509"
	"fmt"

	"github.com/originpull/originpull/pki"
)

// The bundle that grew with every rotation. Of the authorities that were left
// in it nobody keeps a revocation list.
func init() {
	registerMistake(Mistake{
		Name:     "extra-roots",
		Title:    "keeps retired authorities in the bundle of client roots",
		Fix:      "take the old authority out of the bundle when the rotation is over",
		Strategy: MTLS,
		Drops:    overTLS(Chain | Freshness),
		plant: func(g *guard) error {
			bundle := g.everyRoot()
			roots, err := pki.ParseCertificates([]byte(bundle))
			if err != nil {
				return fmt.Errorf("client roots: %w", err)
			}
			private, err := pki.ParseCertificates([]byte(g.credentials.Roots[g.policy.ClientRoots]))
			if err != nil {
				return fmt.Errorf("client roots: %w", err)
			}
			g.roots = x509.NewCertPool()
			for _, root := range roots {
				g.roots.AddCert(root)
			}
			g.listedOnly(private)
			return nil
		},
	})
}

// everyRoot is every bundle of roots that the origin was ever handed.
func (g *guard) everyRoot() string {
	bundle := g.credentials.Roots[g.policy.ClientRoots]
	for name, other := range g.credentials.Roots {
		if name != g.policy.ClientRoots {
			bundle += other
		}
	}
	return bundle
}

// listedOnly asks for freshness only where a list can speak: of certificates
// under the private roots.
func (g *guard) listedOnly(private []*x509.Certificate) {
	listed := g.freshness
	if listed == nil {
		return
	}
	g.freshness = func(certs []*x509.Certificate) *denial {
		if !issuedBy(certs, private) {
			return nil
		}
		return listed(certs)
	}
}
