package origin

import "net/http"

func init() {
	registerMistake(Mistake{
		Name:     "any-secret",
		Title:    "checks that the secret header is there, not what it says",
		Fix:      "compare the header's value with this origin's own secret",
		Strategy: Header,
		Drops:    everywhere(Secret),
		plant: func(g *guard) error {
			name := g.secretHeader()
			g.secret = func(h http.Header) *denial {
				if h.Get(name) == "" {
					return deny(Secret, "header %s is absent", name)
				}
				return nil
			}
			return nil
		},
	})
}
