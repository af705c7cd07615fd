package origin

import "crypto/tls"

func init() {
	registerMistake(Mistake{
		Name:     "any-certificate",
		Title:    "requires a client certificate and verifies nothing of it",
		Fix:      "use tls.RequireAndVerifyClientCert, not RequireAnyClientCert",
		Strategy: MTLS,
		Drops:    overTLS(certificateProofs),
		plant: func(g *guard) error {
			g.clientAuth = tls.RequireAnyClientCert
			g.chain, g.subject, g.freshness = nil, nil, nil
			return nil
		},
	})
}
