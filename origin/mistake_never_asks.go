package origin

import "crypto/tls"

func init() {
	registerMistake(Mistake{
		Name:     "never-asks",
		Title:    "has the private authority configured and never asks for a client certificate",
		Fix:      "set ClientAuth: ClientCAs alone asks for nothing",
		Strategy: MTLS,
		Drops:    overTLS(certificateProofs),
		plant: func(g *guard) error {
			g.clientAuth = tls.NoClientCert
			return nil
		},
	})
}
