package origin

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

func init() {
	registerStrategy(Strategy{
		Name:  Header,
		Title: "the edge sends a secret header",
		Fill: func(p *Policy, s Settings) {
			p.SecretHeader, p.Secret, p.PreviousSecret = s.SecretHeader, s.Secret, s.PreviousSecret
		},
		requires: func(_ Policy, path Path) Proof {
			if path.Public {
				return 0
			}
			return Secret
		},
		equip: equipHeader,
	})
}

// secretSum is the SHA-256 of a secret: sums have one length, so comparing
// them in constant time tells nothing about the secret's length either.
type secretSum [sha256.Size]byte

func equipHeader(g *guard) error {
	name := textproto.CanonicalMIMEHeaderKey(g.policy.SecretHeader)
	if !isToken(name) || slices.Contains([]string{"Host", "Connection", "Content-Length", "Transfer-Encoding"}, name) {
		return fmt.Errorf("%q cannot be a secret header's name: use a field name of your own, such as X-Origin-Verify", g.policy.SecretHeader)
	}
	if g.policy.Secret == "" {
		return fmt.Errorf("the policy names no secret to compare header %s with", name)
	}
	for _, credential := range []string{g.policy.Secret, g.policy.PreviousSecret} {
		if err := g.acceptSecret(credential); err != nil {
			return err
		}
	}
	g.secret = func(h http.Header) *denial {
		switch values := h[name]; len(values) {
		case 0:
			return deny(Secret, "header %s is absent", name)
		case 1:
			if !g.acceptsSecret(values[0]) {
				return deny(Secret, "header %s is wrong", name)
			}
			return nil
		default:
			return deny(Secret, "header %s is given %d times", name, len(values))
		}
	}
	return nil
}

func (g *guard) acceptSecret(credential string) error {
	if credential == "" {
		return nil
	}
	secret, err := g.credentials.Secret(credential)
	if err != nil {
		return err
	}
	if secret == "" {
		return g.refuse(refuseEmptySecret, "secret %q is empty: a request without the header would equal it", credential)
	}
	if strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r == ',' || r >= 0x7f }) {
		return fmt.Errorf("secret %q has a comma, a space or another character that a header value does not keep", credential)
	}
	g.secrets = append(g.secrets, sha256.Sum256([]byte(secret)))
	return nil
}

// acceptsSecret compares with every accepted secret, whichever matches first.
func (g *guard) acceptsSecret(value string) bool {
	sum := sha256.Sum256([]byte(value))
	match := 0
	for i := range g.secrets {
		match |= subtle.ConstantTimeCompare(sum[:], g.secrets[i][:])
	}
	return match == 1
}

// secretHeader is the canonical name of the secret header.
func (g *guard) secretHeader() string {
	return textproto.CanonicalMIMEHeaderKey(g.policy.SecretHeader)
}

func isToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}
