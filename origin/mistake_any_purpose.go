package origin

import (
	"crypto/tls"
	"crypto/x509"
)

// crypto/tls always asks for clientAuth; the mistake comes with verification
// of one's own, where x509.VerifyOptions.KeyUsages has to be filled in.
func init() {
	registerMistake(Mistake{
		Name:     "any-purpose",
		Title:    "accepts a certificate that is meant for servers only",
		Fix:      "verify with KeyUsages: x509.ExtKeyUsageClientAuth, not ExtKeyUsageAny",
		Strategy: MTLS,
		Drops:    overTLS(Purpose),
		plant: func(g *guard) error {
			g.clientAuth = tls.RequireAnyClientCert
			g.usages = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
			g.ownChain = true
			return nil
		},
	})
}
