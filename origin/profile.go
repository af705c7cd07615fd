package origin

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Profile is how a managed front door asks for client certificates, on the
// built-in server: the front door and the application behind it in one.
type Profile struct {
	Name      string
	Title     string // one line, for a person
	Reference string // where its maker describes it
	// Identity are the headers in which the application is told who came. What
	// a client has sent under these names is overwritten. None: the application
	// is told nothing, and what a client sends reaches it.
	Identity []IdentityHeader
}

// IdentityHeader is one header that a front door makes of a certificate.
type IdentityHeader struct {
	Name  string // canonical
	value func(*x509.Certificate) string
}

// IdentityClaim is the header by which an application behind a front door knows
// who came, and IdentityAnswer the one in which the built-in server says whom
// it took the caller for, under a profile alone.
const (
	IdentityClaim  = "X-Amzn-Mtls-Clientcert-Subject"
	IdentityAnswer = "X-Origin-Identity"
)

var profiles []Profile

func registerProfile(p Profile) {
	if _, taken := ProfileNamed(p.Name); taken {
		panic("origin: profile " + p.Name + " is registered twice")
	}
	profiles = append(profiles, p)
	slices.SortFunc(profiles, func(a, b Profile) int { return strings.Compare(a.Name, b.Name) })
}

// Profiles lists the profiles by name.
func Profiles() []Profile { return slices.Clone(profiles) }

// ProfileNamed finds a profile.
func ProfileNamed(name string) (Profile, bool) {
	i := slices.IndexFunc(profiles, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		return Profile{}, false
	}
	return profiles[i], true
}

// checkProfile refuses what a front door cannot do.
func (p Policy) checkProfile() error {
	if p.Profile == "" {
		return nil
	}
	if _, known := ProfileNamed(p.Profile); !known {
		names := make([]string, len(profiles))
		for i, known := range profiles {
			names[i] = known.Name
		}
		return fmt.Errorf("unknown profile %q: want one of %s", p.Profile, strings.Join(names, ", "))
	}
	if !p.Uses(MTLS) {
		return fmt.Errorf("profile %q belongs to strategy %q, which the policy does not use", p.Profile, MTLS)
	}
	if p.Pin != PinNone {
		return fmt.Errorf("profile %q trusts every certificate of the authority: it pins no %s", p.Profile, p.Pin)
	}
	return nil
}

// introduce tells the application behind the front door who came, and returns
// whom it takes the caller for. It is for guards that have a profile.
func (g *guard) introduce(c *identity, r *http.Request) string {
	for _, h := range g.profile.Identity {
		if g.believes && r.Header.Get(h.Name) != "" {
			continue // by mistake
		}
		r.Header.Del(h.Name)
		if len(c.certs) > 0 {
			r.Header.Set(h.Name, h.value(c.certs[0]))
		}
	}
	return r.Header.Get(IdentityClaim)
}
