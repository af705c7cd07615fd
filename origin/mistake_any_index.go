package origin

import "crypto/x509"

// crypto/tls proves the key of the first certificate only; whatever follows it
// is anybody's to send (CVE-2023-2422).
func init() {
	registerMistake(Mistake{
		Name:     "any-index",
		Title:    "looks for the pin in any certificate that was sent, not in the client's own",
		Fix:      "compare PeerCertificates[0], the only one whose key the client has proven",
		Strategy: MTLS,
		Drops:    overTLS(Subject),
		plant: func(g *guard) error {
			strict := g.subject
			if strict == nil {
				return nil
			}
			g.subject = func(certs []*x509.Certificate) *denial {
				for i := range certs {
					if strict(certs[i:]) == nil {
						return nil
					}
				}
				return strict(certs)
			}
			return nil
		},
	})
}
