package origin

import "crypto/sha256"

func init() {
	registerMistake(Mistake{
		Name:     "never-retire",
		Title:    "accepts every secret it was ever handed, rotated out or not",
		Fix:      "end the overlap of a rotation: remove the previous secret from the policy",
		Strategy: Header,
		Drops:    everywhere(Secret),
		plant: func(g *guard) error {
			for _, secret := range g.credentials.Secrets {
				if secret != "" {
					g.secrets = append(g.secrets, sha256.Sum256([]byte(secret)))
				}
			}
			if g.previous != nil {
				g.secrets = append(g.secrets, g.previous.secrets...)
			}
			return nil
		},
	})
}
