package origin

func init() {
	registerMistake(Mistake{
		Name:     "quic-no-secret",
		Title:    "compares the secret header on HTTP/1.1 and not on HTTP/3",
		Fix:      "put the same guard around the HTTP/3 handler",
		Strategy: Header,
		Drops:    overQUIC(Secret),
		plant:    plantOverQUIC(func(g *guard) { g.secret = nil }),
	})
}
