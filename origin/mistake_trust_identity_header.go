package origin

// A route to the application that does not lead through the front door's own
// rewriting, or a front door that adds where it should set.
func init() {
	registerMistake(Mistake{
		Name:     "trust-identity-header",
		Title:    "takes the caller for whom a header of the caller's own names",
		Fix:      "overwrite the identity headers on every path to the application, and close the paths around the front door",
		Strategy: MTLS,
		Drops: func(path Path) Proof {
			if !path.Impersonates {
				return 0
			}
			return Subject
		},
		plant: func(g *guard) error {
			g.believes = true
			return nil
		},
	})
}
