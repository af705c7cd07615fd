package origin

import "crypto/tls"

func init() {
	registerMistake(Mistake{
		Name:     "quic-optional-certificate",
		Title:    "asks for a client certificate over TCP and not over QUIC",
		Fix:      "give the QUIC listener the same TLS configuration",
		Strategy: MTLS,
		Drops:    overQUIC(certificateProofs),
		plant:    plantOverQUIC(func(g *guard) { g.clientAuth = tls.NoClientCert }),
	})
}
