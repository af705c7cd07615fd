package origin

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Policy says who may have an origin's content. It is plain JSON: credentials
// are named, never held. A strategy fills it, the built-in server enforces it.
type Policy struct {
	// Strategies are the names of the strategies in force; each must be
	// satisfied. None means that everyone is served.
	Strategies []string `json:"strategies,omitempty"`
	// Host is the protected host. Every name that is not a public host gets
	// the protected host's treatment, known or not.
	Host string `json:"host,omitempty"`
	// PublicHosts are served without client certificate and without secret
	// header. The allowlist stands before TLS and holds for them too.
	PublicHosts []string `json:"publicHosts,omitempty"`

	// Allow are the socket addresses that may connect (allowlist).
	Allow []netip.Prefix `json:"allow,omitempty"`

	// SecretHeader is the header's name; Secret and PreviousSecret name the
	// credentials it is compared with (header). PreviousSecret is "" outside a
	// rotation.
	SecretHeader   string `json:"secretHeader,omitempty"`
	Secret         string `json:"secret,omitempty"`
	PreviousSecret string `json:"previousSecret,omitempty"`

	// ClientRoots and RevocationList name credentials; RevocationList "" means
	// that revocation is not checked (mtls). Pin has no default.
	ClientRoots    string `json:"clientRoots,omitempty"`
	Pin            Pin    `json:"pin,omitempty"`
	PinValue       string `json:"pinValue,omitempty"`
	RevocationList string `json:"revocationList,omitempty"`

	// Profile is the managed front door that the built-in server stands for; ""
	// is none (mtls without a pin).
	Profile string `json:"profile,omitempty"`

	// Mistake is the name of the one mistake planted in this policy; "" is the
	// correct policy. Only bypass controls set it.
	Mistake string `json:"mistake,omitempty"`
}

// NewPolicy fills a policy for a host from the named strategies.
func NewPolicy(host string, strategies []string, s Settings) (Policy, error) {
	p := Policy{Host: host, Strategies: slices.Clone(strategies)}
	for _, name := range strategies {
		strategy, ok := StrategyNamed(name)
		if !ok {
			return Policy{}, unknownStrategy(name)
		}
		strategy.Fill(&p, s)
	}
	return p, nil
}

// Uses says whether the named strategy is in force.
func (p Policy) Uses(strategy string) bool { return slices.Contains(p.Strategies, strategy) }

// Requires returns the proofs that a caller on this path must hold. With a
// Mistake it is what is left for a caller who knows of the mistake and picks
// names, headers and certificates to suit it.
//
// Authority is required of every TLS path, whatever the strategies: the guard
// compares SNI with Host before anything else.
func (p Policy) Requires(path Path) Proof {
	var required Proof
	if path.Encrypted() {
		required |= Authority
	}
	for _, name := range p.Strategies {
		if strategy, ok := StrategyNamed(name); ok {
			required |= strategy.requires(p, path)
		}
	}
	// A front door that passes the identity on does so for whoever it is.
	if profile, ok := ProfileNamed(p.Profile); ok && path.Impersonates && len(profile.Identity) > 0 {
		required |= Subject
	}
	if mistake, ok := MistakeNamed(p.Mistake); ok && p.Uses(mistake.Strategy) {
		required = required.Without(mistake.Drops(path))
	}
	return required
}

// check refuses what no strategy looks at: names that contradict each other.
func (p Policy) check() error {
	for i, name := range p.Strategies {
		if _, ok := StrategyNamed(name); !ok {
			return unknownStrategy(name)
		}
		if slices.Contains(p.Strategies[:i], name) {
			return fmt.Errorf("strategy %q is listed twice", name)
		}
	}
	if len(p.Strategies) > 0 && hostName(p.Host) == "" {
		return fmt.Errorf("the policy names no host to protect")
	}
	for _, public := range p.PublicHosts {
		switch hostName(public) {
		case "":
			return fmt.Errorf("a public host has no name")
		case hostName(p.Host):
			return fmt.Errorf("host %q is protected and public at once", public)
		}
	}
	return errors.Join(p.checkProfile(), p.checkMistake())
}

func (p Policy) checkMistake() error {
	if p.Mistake == "" {
		return nil
	}
	mistake, ok := MistakeNamed(p.Mistake)
	if !ok {
		return fmt.Errorf("unknown mistake %q: want one of %s", p.Mistake, strings.Join(mistakeNames(), ", "))
	}
	if !p.Uses(mistake.Strategy) {
		return fmt.Errorf("mistake %q belongs to strategy %q, which the policy does not use", p.Mistake, mistake.Strategy)
	}
	return nil
}

// hostName brings a Host header or an SNI to the form in which names are
// compared: lower case, no port, no trailing dot. An IPv6 literal keeps its
// brackets, so that it never equals a name.
func hostName(s string) string {
	if !strings.HasSuffix(s, "]") {
		if i := strings.LastIndexByte(s, ':'); i >= 0 {
			s = s[:i]
		}
	}
	return strings.ToLower(strings.TrimSuffix(s, "."))
}
