package origin

import "net/http"

func init() {
	registerMistake(Mistake{
		Name:     "own-name-only",
		Title:    "asks for the secret when Host is the site's own name, and serves the same content under another",
		Fix:      "make the rule of the secret the default, and refuse names that are not the site's",
		Strategy: Header,
		Drops:    everywhere(Secret),
		plant: func(g *guard) error {
			own := hostName(g.policy.Host)
			g.secretless = func(r *http.Request) bool { return hostName(r.Host) != own }
			return nil
		},
	})
}
