package bypass

import (
	"fmt"
	"slices"
	"strings"

	"github.com/originpull/originpull/origin"
)

// variant is a policy that attempts meet, as its name says it: strategies
// joined by "+", where mtls may say how close it looks.
type variant struct {
	name       string
	strategies []string // of package origin
	pin        origin.Pin
	// shared: the edge's certificate is the CDN's own, which it shows for every
	// one of its customers.
	shared bool
	// profile is the managed front door that the origin stands for.
	profile string
}

// pins are the kinds of mtls.
var pins = map[string]struct {
	pin    origin.Pin
	shared bool
	title  string
}{
	"mtls":        {origin.PinSAN, false, "the edge's name is pinned"},
	"mtls-ca":     {origin.PinNone, false, "every certificate of the authority will do"},
	"mtls-leaf":   {origin.PinLeaf, false, "one certificate is pinned"},
	"mtls-shared": {origin.PinSAN, true, "the name is pinned, and the CDN shows that certificate for all of its customers"},
}

// profiled are the kinds of mtls that a front door asks for: see origin.Profile.
func profiled() []string {
	var names []string
	for _, p := range origin.Profiles() {
		names = append(names, p.Name)
	}
	return names
}

// Strategies names what attempts can meet: the strategies one by one, the
// kinds of mtls, those of front doors among them, and every pair and all three
// of the first.
func Strategies() []string {
	return slices.Concat(
		[]string{"allowlist", "header", "mtls", "mtls-ca", "mtls-leaf", "mtls-shared"}, profiled(),
		[]string{"allowlist+header", "allowlist+mtls", "header+mtls", "allowlist+header+mtls"},
	)
}

// variantNamed reads a name of Strategies.
func variantNamed(name string) (variant, error) {
	if !slices.Contains(Strategies(), name) {
		return variant{}, fmt.Errorf("unknown strategy %q; known: %s", name, strings.Join(Strategies(), ", "))
	}
	v := variant{name: name}
	for part := range strings.SplitSeq(name, "+") {
		kind, mutual := pins[part]
		if _, known := origin.ProfileNamed(part); known {
			part, v.pin, v.profile = origin.MTLS, origin.PinNone, part
		}
		if mutual {
			part, v.pin, v.shared = origin.MTLS, kind.pin, kind.shared
		}
		v.strategies = append(v.strategies, part)
	}
	return v, nil
}

// policy returns the variant's policy, with a mistake or "" for none. The
// value of a pinned leaf is the Material's to fill in.
func (v variant) policy(mistake string) (origin.Policy, error) {
	s := settings()
	if v.pin != "" {
		s.Pin = v.pin
	}
	if s.Pin != origin.PinSAN {
		s.PinValue = ""
	}
	p, err := origin.NewPolicy(Host, v.strategies, s)
	p.PublicHosts, p.Mistake, p.Profile = []string{PublicHost}, mistake, v.profile
	return p, err
}

// holds is what the attempt can prove to this policy: a second certificate in
// the edge's name is not the one that is pinned, and another customer of the
// CDN shows what the CDN shows.
func (v variant) holds(a Attempt) origin.Proof {
	held := a.Holds
	if v.pin == origin.PinLeaf && !a.Leaf {
		held = held.Without(origin.Subject)
	}
	if v.shared && a.Capability == OtherTenant {
		held |= origin.Subject
	}
	return held
}

// controls returns the mistakes that let the attempt through, one by one, in
// the order of the strategies; none where a combination takes two.
func (v variant) controls(a Attempt) ([]string, error) {
	var through []string
	for _, strategy := range v.strategies {
		for _, name := range a.Controls(strategy) {
			p, err := v.policy(name)
			if err != nil {
				return nil, err
			}
			mistake, _ := origin.MistakeNamed(name)
			if mistake.Locks != 0 || p.Requires(a.Path).Without(v.holds(a)) == 0 {
				through = append(through, name)
			}
		}
	}
	if len(through) == 0 && v.pin == origin.PinLeaf && len(v.strategies) == 1 && !a.Legitimate && !a.SecondLeaf {
		return []string{"any-certificate"}, nil // whichever certificate is shown, it is not the pinned one
	}
	return through, nil
}
