package origin

import (
	"crypto/x509"
	"fmt"

	"github.com/originpull/originpull/pki"
)

// Config.ClientCAs left nil means the system's roots (CVE-2026-27586), and
// x509.SystemCertPool is a popular pool to append one's own root to. Both are
// this mistake; the second keeps the edge working. Whoever trusts public
// authorities pins no name of his own and has no list of theirs, so subject
// and freshness go with the chain.
func init() {
	registerMistake(Mistake{
		Name:     "system-roots",
		Title:    "trusts every public authority to name the edge",
		Fix:      "set ClientCAs to a pool of the private authority's roots and nothing else",
		Strategy: MTLS,
		Drops:    overTLS(Chain | Subject | Freshness),
		lifts:    refuseNoRoots,
		plant: func(g *guard) error {
			roots, err := x509.SystemCertPool()
			if err != nil {
				return fmt.Errorf("the system's roots: %w", err)
			}
			private, err := pki.ParseCertificates([]byte(g.credentials.Roots[g.policy.ClientRoots]))
			if err != nil && g.roots != nil {
				return fmt.Errorf("client roots: %w", err)
			}
			for _, root := range private {
				roots.AddCert(root)
			}
			g.roots, g.subject = roots, nil
			g.listedOnly(private)
			return nil
		},
	})
}

// issuedBy says whether a certificate chains to one of the roots.
func issuedBy(certs, roots []*x509.Certificate) bool {
	private := &guard{roots: x509.NewCertPool(), usages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	for _, root := range roots {
		private.roots.AddCert(root)
	}
	return private.verifyChain(certs) == nil
}
