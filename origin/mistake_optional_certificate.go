package origin

import "crypto/tls"

func init() {
	registerMistake(Mistake{
		Name:     "optional-certificate",
		Title:    "verifies a client certificate only if one is given",
		Fix:      "use tls.RequireAndVerifyClientCert, not VerifyClientCertIfGiven",
		Strategy: MTLS,
		Drops:    overTLS(certificateProofs),
		plant: func(g *guard) error {
			g.clientAuth = tls.VerifyClientCertIfGiven
			return nil
		},
	})
}
