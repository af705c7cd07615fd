package origin

func init() {
	registerMistake(Mistake{
		Name:     "no-revocation",
		Title:    "does not load the revocation list, or goes on without it",
		Fix:      "load the list, and refuse to start when it cannot be read or verified",
		Strategy: MTLS,
		Drops:    overTLS(Freshness),
		lifts:    refuseNoRevocation,
		plant: func(g *guard) error {
			g.freshness = nil
			return nil
		},
	})
}
