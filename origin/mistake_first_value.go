package origin

import (
	"net/http"
	"strings"
)

// Who can add a header but not remove one (a viewer, by way of an edge that
// appends) needs a wrong value to be overlooked beside a right one.
func init() {
	registerMistake(Mistake{
		Name:     "first-value",
		Title:    "looks at the first of several secret headers, or of a comma list",
		Fix:      "refuse a request that does not carry the header exactly once",
		Strategy: Header,
		Drops:    everywhere(Secret),
		plant: func(g *guard) error {
			name, strict := g.secretHeader(), g.secret
			g.secret = func(h http.Header) *denial {
				if h.Get(name) == "" {
					return strict(h)
				}
				first, _, _ := strings.Cut(h.Get(name), ",")
				return strict(http.Header{name: {strings.TrimSpace(first)}})
			}
			return nil
		},
	})
}
