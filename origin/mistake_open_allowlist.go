package origin

func init() {
	registerMistake(Mistake{
		Name:     "open-allowlist",
		Title:    "allows the edge's addresses and denies nobody",
		Fix:      "end the list of allowed addresses with a rule that denies every other",
		Strategy: Allowlist,
		Drops:    everywhere(Address),
		lifts:    refuseOpenAllowlist,
		plant: func(g *guard) error {
			g.admits = nil
			return nil
		},
	})
}
