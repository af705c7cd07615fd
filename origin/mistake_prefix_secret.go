package origin

import (
	"crypto/subtle"
	"net/http"
)

// comparedPrefix is how much of the secret is looked at, in bytes.
const comparedPrefix = 8

// A fixed length handed to strncmp, or a regular expression without its end: a
// guess has to hit a few characters and no more.
func init() {
	registerMistake(Mistake{
		Name:     "prefix-secret",
		Title:    "compares the beginning of the secret alone",
		Fix:      "compare the whole value, lengths included",
		Strategy: Header,
		Drops:    everywhere(Secret),
		plant: func(g *guard) error {
			name, strict := g.secretHeader(), g.secret
			g.secret = func(h http.Header) *denial {
				values := h[name]
				if len(values) != 1 || len(values[0]) < comparedPrefix {
					return strict(h)
				}
				for _, credential := range []string{g.policy.Secret, g.policy.PreviousSecret} {
					own := g.credentials.Secrets[credential]
					if len(own) >= comparedPrefix && subtle.ConstantTimeCompare([]byte(own[:comparedPrefix]), []byte(values[0][:comparedPrefix])) == 1 {
						return nil
					}
				}
				return strict(h)
			}
			return nil
		},
	})
}
