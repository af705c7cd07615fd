package origin

// With a public host on the listener the certificate goes with the authority:
// SNI names the public host, so none is asked for, and Host the protected one.
func init() {
	registerMistake(Mistake{
		Name:     "no-authority-check",
		Title:    "serves the protected host on a connection that was set up for another",
		Fix:      "answer 421 when Host is not the server name of the handshake",
		Strategy: MTLS,
		Drops:    overTLS(certificateProofs | Authority),
		plant: func(g *guard) error {
			g.anyAuthority = true
			return nil
		},
	})
}
