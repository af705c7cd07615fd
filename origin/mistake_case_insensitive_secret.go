package origin

import (
	"net/http"
	"strings"
)

// Header names know no case; whoever folds the whole line folds the secret.
func init() {
	registerMistake(Mistake{
		Name:     "case-insensitive-secret",
		Title:    "compares the secret without regard to case",
		Fix:      "compare the value byte by byte, in constant time",
		Strategy: Header,
		Drops:    everywhere(Secret),
		plant: func(g *guard) error {
			name, strict := g.secretHeader(), g.secret
			g.secret = func(h http.Header) *denial {
				for _, credential := range []string{g.policy.Secret, g.policy.PreviousSecret} {
					if own := g.credentials.Secrets[credential]; own != "" && strings.EqualFold(h.Get(name), own) {
						return nil
					}
				}
				return strict(h)
			}
			return nil
		},
	})
}
