package origin

import (
	"fmt"
	"slices"
)

// mistakesOfAll are written for every real server: they are made in the policy
// before it is rendered.
var mistakesOfAll = []string{
	"open-allowlist", "wide-allowlist",
	"optional-secret", "empty-secret", "any-secret", "never-retire", "weak-secret", "case-insensitive-secret", "single-secret",
	"optional-certificate", "never-asks", "any-certificate", "extra-roots", "system-roots", "no-pin", "no-revocation",
}

// Writes says whether the driver can make the mistake in its server's own
// words.
func (d Driver) Writes(mistake string) bool {
	if slices.Contains(d.unwritten, mistake) {
		return false
	}
	return mistake == "" || slices.Contains(mistakesOfAll, mistake) || slices.Contains(d.mistakes, mistake)
}

// Stage is where the server refuses a caller who lacks the proof.
func (d Driver) Stage(missing Proof) string {
	if d.refusesAt == nil {
		return StageHTTP
	}
	return d.refusesAt(missing)
}

// secretRule is how the secret header is compared.
type secretRule string

const (
	exactSecret    secretRule = ""
	optionalSecret secretRule = "optional" // an absent or empty one will do
	anySecret      secretRule = "any"      // whatever it says
	caselessSecret secretRule = "caseless"
)

// certificateRule is what is asked of client certificates.
type certificateRule string

const (
	requireCertificate  certificateRule = ""
	optionalCertificate certificateRule = "optional" // verified if there is one
	anyCertificate      certificateRule = "any"      // one has to be there
	noCertificate       certificateRule = "none"
)

// mistaken makes the policy's mistake in the rendering, as far as that is no
// driver's own affair.
func (r *rendering) mistaken() {
	p := &r.Config.Policy
	switch p.Mistake {
	case "open-allowlist":
		p.Allow = nil
	case "wide-allowlist":
		p.Allow = widened(p.Allow)
	case "optional-secret", "empty-secret":
		r.secretRule = optionalSecret
	case "any-secret":
		r.secretRule = anySecret
	case "case-insensitive-secret":
		r.secretRule = caselessSecret
	case "optional-certificate", "exempt-path-certificate", "trust-forwarded-certificate", "lax-default", "no-authority-check":
		r.certificateRule = optionalCertificate
	case "never-asks":
		r.certificateRule = noCertificate
	case "any-certificate":
		r.certificateRule = anyCertificate
	case "extra-roots", "system-roots", "no-revocation":
		p.RevocationList = ""
	case "no-pin":
		p.Pin, p.PinValue = PinNone, ""
	}
	// Whoever asks little of a certificate has no pin for it either.
	if r.certificateRule != requireCertificate || p.Mistake == "system-roots" {
		p.Pin, p.PinValue = PinNone, ""
	}
	if r.certificateRule != requireCertificate {
		p.RevocationList = ""
	}
}

// mistakenRoots are the client roots with those that a mistake adds.
func (r *rendering) mistakenRoots() string {
	p, c := r.Config.Policy, r.Config.Credentials
	switch p.Mistake {
	case "extra-roots":
		return (&guard{policy: p, credentials: c}).everyRoot()
	case "system-roots":
		return c.Roots[p.ClientRoots] + string(r.PublicRoots)
	default:
		return c.Roots[p.ClientRoots]
	}
}

// mistakenSecrets are the values that a mistake accepts beside the right ones.
func (r *rendering) mistakenSecrets() []string {
	switch r.Config.Policy.Mistake {
	case "never-retire":
		var all []string
		for _, secret := range r.Config.Credentials.Secrets {
			if secret != "" && quotable(secret) && !slices.Contains(r.secrets, secret) {
				all = append(all, secret)
			}
		}
		slices.Sort(all)
		return all
	case "weak-secret":
		return weakSecrets
	default:
		return nil
	}
}

// mistakeLimit is the limit of a driver that has no words for a mistake.
func mistakeLimit(d Driver, p Policy) []Limit {
	if d.Writes(p.Mistake) {
		return nil
	}
	return []Limit{{Reason: fmt.Sprintf("mistake %q is not written for it", p.Mistake)}}
}
