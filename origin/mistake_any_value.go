package origin

import (
	"net/http"
	"strings"
)

func init() {
	registerMistake(Mistake{
		Name:     "any-value",
		Title:    "is content with one right value among several, or in a comma list",
		Fix:      "refuse a request that does not carry the header exactly once",
		Strategy: Header,
		Drops:    everywhere(Secret),
		plant: func(g *guard) error {
			name, strict := g.secretHeader(), g.secret
			g.secret = func(h http.Header) *denial {
				for _, line := range h[name] {
					for value := range strings.SplitSeq(line, ",") {
						if g.acceptsSecret(strings.TrimSpace(value)) {
							return nil
						}
					}
				}
				return strict(h)
			}
			return nil
		},
	})
}
