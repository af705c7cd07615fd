package origin

// Middleware of a router runs when a route matches: what the router answers by
// itself, 404, 405 and redirects, tells a stranger which paths there are.
func init() {
	registerMistake(Mistake{
		Name:     "guard-behind-router",
		Title:    "checks the secret in the router's middleware, which unmatched requests do not reach",
		Fix:      "put the guard around the router, and switch off the server's own OPTIONS *",
		Strategy: Header,
		Drops:    everywhere(Secret),
		plant: func(g *guard) error {
			g.behindRouter = true
			return nil
		},
	})
}
