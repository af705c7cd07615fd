package origin

import "net/http"

// An unset variable is an empty secret, and Header.Get returns "" for an
// absent header: the two are equal. The edge's own secret keeps working, as it
// does where only the previous value is unset.
func init() {
	registerMistake(Mistake{
		Name:     "empty-secret",
		Title:    "compares the header with a secret that is configured empty",
		Fix:      "refuse to start with an empty secret, current or previous",
		Strategy: Header,
		Drops:    everywhere(Secret),
		lifts:    refuseEmptySecret,
		plant: func(g *guard) error {
			name, strict := g.secretHeader(), g.secret
			g.secret = func(h http.Header) *denial {
				if h.Get(name) == "" {
					return nil
				}
				return strict(h)
			}
			return nil
		},
	})
}
