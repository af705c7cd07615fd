package bypass

import (
	"cmp"
	"context"
	"slices"

	"github.com/originpull/originpull/origin"
)

// Family groups attempts by what they attack.
type Family string

// The families, in the order of the catalogue.
const (
	Reachability Family = "A" // who can reach the origin at all
	SharedSecret Family = "B" // the secret header
	Certificate  Family = "C" // the client certificate
	Session      Family = "D" // handshake, session and routing
)

// Class says where an attempt may be made.
type Class string

// The classes: safe ones may leave the machine with consent, intrusive ones
// only on demand, disruptive ones never.
const (
	Safe       Class = "safe"
	Intrusive  Class = "intrusive"
	Disruptive Class = "disruptive"
)

// Capability is what an attacker is assumed to have beside the address of
// the origin.
type Capability string

// The capabilities of the catalogue.
const (
	KnowsAddress     Capability = "knows the origin's address"
	OtherTenant      Capability = "is another tenant of the same CDN"
	LeakedSecret     Capability = "has seen the secret header"
	OtherCertificate Capability = "has another certificate of the same authority"
	StolenKey        Capability = "has stolen a certificate with its key"
)

// Attempt is one way to pull from an origin without being its edge. It is
// data, but for Run.
type Attempt struct {
	ID         string // of the catalogue, such as "A01"
	Title      string
	Family     Family
	Capability Capability
	Class      Class
	Reference  string   // where this happened or is described
	Steps      []string // what Run does, for people

	// Holds is what the attempt can prove. A proof that a strategy does not
	// ask for does no harm here.
	Holds origin.Proof

	// Path is how the deciding request reaches the origin.
	Path origin.Path

	// Unasked: the deciding handshake is made under a name for which the
	// origin asks for no certificate, so that a refusal comes after it.
	Unasked bool

	// Mistakes names the control of each strategy that the case concerns.
	// For the others the control is that of A01: see Control.
	Mistakes map[string]string

	// Needs names what the attempt needs and an origin may lack.
	Needs string

	// Run makes the attempt. A refusal is part of the outcome; an error
	// means that nothing was proven.
	Run func(ctx context.Context, lab *Lab) (Outcome, error)
}

// baseline is the case whose controls stand in where a strategy does not
// concern a case: nobody checks anything.
const baseline = "A01"

// Control returns the name of the mistake that must let the attempt through
// when the origin trusts the named strategy, or "" when there is none.
func (a Attempt) Control(strategy string) string {
	if name, ok := a.Mistakes[strategy]; ok {
		return name
	}
	return registry[baseline].Mistakes[strategy]
}

// unmet says why the attempt cannot be made with this TLS version, or "".
func (a Attempt) unmet(version string) string {
	switch {
	case a.Needs != "":
		return "needs " + a.Needs + ", which the built-in origin does not offer"
	case a.overQUIC() && version == "1.2":
		return "QUIC has no TLS 1.2"
	}
	return ""
}

// overQUIC: the attempt and its legitimate legs speak HTTP/3.
func (a Attempt) overQUIC() bool { return a.Path.Port == origin.UDP }

var registry = map[string]Attempt{}

// register adds attempts to the registry and panics on a duplicate.
func register(attempts ...Attempt) {
	for _, a := range attempts {
		if _, taken := registry[a.ID]; taken {
			panic("bypass: attempt " + a.ID + " is registered twice")
		}
		registry[a.ID] = a
	}
}

// Attempts returns every registered attempt, ordered by ID.
func Attempts() []Attempt {
	all := make([]Attempt, 0, len(registry))
	for _, a := range registry {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b Attempt) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// AttemptNamed returns the attempt with the given ID.
func AttemptNamed(id string) (Attempt, bool) {
	a, ok := registry[id]
	return a, ok
}
