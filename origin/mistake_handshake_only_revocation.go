package origin

func init() {
	registerMistake(Mistake{
		Name:     "handshake-only-revocation",
		Title:    "checks revocation at handshakes only: kept-alive connections go on",
		Fix:      "check the connection's certificate again on each request",
		Strategy: MTLS,
		Drops: func(path Path) Proof {
			if path.Encrypted() && path.Connection == Pooled {
				return Freshness
			}
			return 0
		},
		plant: func(g *guard) error {
			g.handshakeOnly = true
			return nil
		},
	})
}
