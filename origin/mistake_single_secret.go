package origin

func init() {
	registerMistake(Mistake{
		Name:     "single-secret",
		Title:    "knows one secret at a time: an edge that changes first is locked out",
		Fix:      "take the new and the old value for as long as a rotation lasts",
		Strategy: Header,
		Drops:    everywhere(0),
		Locks:    Secret,
		plant: func(g *guard) error {
			g.secrets = g.secrets[:1]
			return nil
		},
	})
}
