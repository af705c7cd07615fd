package origin

import (
	"net/http"
	"strings"
)

// CGI and WSGI write both X-A and X_A as HTTP_X_A: an edge that overwrites the
// one passes the other on.
func init() {
	registerMistake(Mistake{
		Name:     "alias-header",
		Title:    "takes a header with underscores or dots for the one with hyphens",
		Fix:      "refuse or drop header names with underscores and dots before they are folded",
		Strategy: Header,
		Drops:    everywhere(Secret),
		plant: func(g *guard) error {
			strict, fold := g.secret, strings.NewReplacer("_", "-", ".", "-")
			g.secret = func(h http.Header) *denial {
				folded := http.Header{}
				for name, values := range h {
					for _, value := range values {
						folded.Add(fold.Replace(name), value)
					}
				}
				return strict(folded)
			}
			return nil
		},
	})
}
