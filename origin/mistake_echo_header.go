package origin

func init() {
	registerMistake(Mistake{
		Name:     "echo-header",
		Title:    "answers TRACE with the request as it came, the edge's secret included",
		Fix:      "answer TRACE with 405, and keep the secret out of error pages and echo handlers",
		Strategy: Header,
		// Whoever has seen the secret shows it.
		Drops: everywhere(Secret),
		plant: func(g *guard) error {
			g.echoes = true
			return nil
		},
	})
}
