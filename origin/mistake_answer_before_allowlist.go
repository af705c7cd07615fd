package origin

func init() {
	registerMistake(Mistake{
		Name:     "answer-before-allowlist",
		Title:    "answers before the list of addresses is asked (nginx: return, which runs before deny)",
		Fix:      "serve from a location with files or a proxy, never with return, where allow and deny decide",
		Strategy: Allowlist,
		Drops:    everywhere(Address),
		plant: func(g *guard) error {
			g.admits = nil
			return nil
		},
	})
}
