package origin

import "crypto/sha256"

// weakSecrets are what stands in tutorials.
var weakSecrets = []string{"secret", "changeme", "my-secret", "cloudfront"}

func init() {
	registerMistake(Mistake{
		Name:     "weak-secret",
		Title:    "has the secret of a tutorial",
		Fix:      "draw 128 random bits or more; refuse to start with a word",
		Strategy: Header,
		Drops:    everywhere(Secret),
		plant: func(g *guard) error {
			for _, weak := range weakSecrets {
				g.secrets = append(g.secrets, sha256.Sum256([]byte(weak)))
			}
			return nil
		},
	})
}
