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
	RogueOrigin  Family = "E" // an origin that is not the one, against the edge
	Exhaustion   Family = "F" // what an attempt costs the origin
	Randomised   Family = "R" // drawn from a seed
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
	AddressInRange   Capability = "has an address in the allowed range"
	Viewer           Capability = "is a viewer of the edge"
	OnPath           Capability = "sits on the path between edge and origin"
	Nobody           Capability = "is nobody: it is the edge itself that is affected"
	ControlsOrigin   Capability = "answers in the origin's place"
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

	// Protocols are what the attempt is made over, in turn; none: HTTP/1.1, or
	// HTTP/3 where Path is on UDP.
	Protocols []string

	// Unasked: the deciding handshake is made under a name for which the
	// origin asks for no certificate, so that a refusal comes after it.
	Unasked bool

	// Mistakes names the control of each strategy that the case concerns, and
	// Also a second one, for steps that the first lets pass no more than the
	// correct policy does. For other strategies the control is that of A01: see
	// Controls.
	Mistakes, Also map[string]string

	// Concerns are the strategies under which the attempt means anything; none:
	// all of them.
	Concerns []string

	// Profiles: the attempt means something under a front door's profile alone.
	Profiles bool

	// Legitimate: it is the edge itself that pulls, in a way that careless
	// origins refuse. Then every step has to be served.
	Legitimate bool

	// Gain is what an attempt that succeeds amounts to; "" is Bypassed.
	Gain Verdict

	// Leaf: the certificate that is shown is the very one that the edge has.
	Leaf bool

	// SecondLeaf: the attempt begins with a second certificate in the edge's
	// name, which is nothing where one certificate is pinned.
	SecondLeaf bool

	// Live: the attempt changes the policy of a running origin and counts on
	// connections, sessions or memory that a restart would lose.
	Live bool

	// HeldBy says why a server holds on to what the attempt leaves, by server,
	// even where it refuses the request.
	HeldBy map[string]string

	// NoTLS12 says why the attempt needs TLS 1.3; "" where it does not.
	NoTLS12 string

	// OnServers13 says why the attempt is made on real servers with TLS 1.3 alone;
	// "" where it is made with both versions.
	OnServers13 string

	// TwoHosts: the attempt needs a public host beside the protected one.
	TwoHosts bool

	// Sides are the listeners that it needs beside the TLS port: see Origin.
	Sides []string

	// Exploits are the proofs that a server which asks for them weakly does not
	// get from this attempt: see origin.Limit.
	Exploits origin.Proof

	// BuiltinOnly says why the attempt can only be made on the built-in origin;
	// "" where it can be made on any.
	BuiltinOnly string

	// Unbuilt says why the case is listed and cannot be made; "" for an attempt
	// that has a Run.
	Unbuilt string

	// Rogue makes the attempt of family E, which meets the edge and no origin:
	// see EdgeLab.
	Rogue func(ctx context.Context, lab *EdgeLab) (Outcome, error)

	// EdgeFault names the control of such an attempt, "" for none; Refusal is
	// part of what the strict edge says; OpenByDesign: it says nothing.
	EdgeFault, Refusal string
	OpenByDesign       bool

	// Run makes the attempt. A refusal is part of the outcome; an error
	// means that nothing was proven.
	Run func(ctx context.Context, lab *Lab) (Outcome, error)
}

// baseline is the case whose controls stand in where a strategy does not
// concern a case: nobody checks anything.
const baseline = "A01"

// Controls returns the names of the mistakes of one strategy that must let the
// attempt through; none where the case has no meaning for it.
func (a Attempt) Controls(strategy string) []string {
	name, concerned := a.Mistakes[strategy]
	if !concerned {
		if a.Legitimate || len(a.Concerns) > 0 {
			return nil
		}
		name = registry[baseline].Mistakes[strategy]
	}
	controls := []string{name}
	if second, ok := a.Also[strategy]; ok {
		controls = append(controls, second)
	}
	return controls
}

// gain is what the attempt amounts to when it succeeds.
func (a Attempt) gain() Verdict {
	switch {
	case a.Legitimate:
		return Served
	case a.Gain != "":
		return a.Gain
	default:
		return Bypassed
	}
}

// unmet says why the attempt cannot be made over this protocol with this TLS
// version, or "".
func (a Attempt) unmet(protocol, version string) string {
	switch {
	case a.Unbuilt != "":
		return a.Unbuilt
	case a.NoTLS12 != "" && version == "1.2":
		return a.NoTLS12
	case protocol == overH3 && version == "1.2":
		return "QUIC has no TLS 1.2"
	}
	return ""
}

// overQUIC: the attempt and its legitimate legs speak HTTP/3.
func (a Attempt) overQUIC() bool { return a.Path.Port == origin.UDP }

// of is the attempt in another class than Safe.
func (a Attempt) of(c Class) Attempt {
	a.Class = c
	return a
}

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
