package origin

func init() {
	registerMistake(Mistake{
		Name:     "trailer-secret",
		Title:    "merges the trailer of a chunked body into the header",
		Fix:      "take the secret from the header alone (RFC 9110, section 6.5.1)",
		Strategy: Header,
		Drops:    everywhere(Secret),
		plant: func(g *guard) error {
			g.trailers = true
			return nil
		},
	})
}
