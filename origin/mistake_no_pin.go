package origin

func init() {
	registerMistake(Mistake{
		Name:     "no-pin",
		Title:    "takes every certificate of the authority for the edge's",
		Fix:      "pin the edge's name (san, subject) or certificate (leaf)",
		Strategy: MTLS,
		Drops:    overTLS(Subject),
		plant: func(g *guard) error {
			g.subject = nil
			return nil
		},
	})
}
