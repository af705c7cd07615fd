package origin

import "net/http"

func init() {
	registerMistake(Mistake{
		Name:     "optional-secret",
		Title:    "compares the secret header only when there is one",
		Fix:      "refuse a request without the header",
		Strategy: Header,
		Drops:    everywhere(Secret),
		plant: func(g *guard) error {
			name, strict := g.secretHeader(), g.secret
			g.secret = func(h http.Header) *denial {
				if len(h[name]) == 0 {
					return nil
				}
				return strict(h)
			}
			return nil
		},
	})
}
