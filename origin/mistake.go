package origin

import (
	"slices"
	"strings"
)

// Mistake is one named way to get a strategy wrong. A correct policy with one
// mistake is a control: what the correct policy blocks, the control lets
// through, or the test proves nothing.
type Mistake struct {
	Name     string
	Title    string // what the origin does wrong, one line
	Fix      string // how to put the built-in server right, one line
	Strategy string // the strategy it belongs to
	// Drops returns the proofs that a caller who knows of the mistake need no
	// longer hold on a path. A caller who behaves like the edge still passes.
	Drops func(Path) Proof
	// Locks are what the edge itself can no longer show: such a mistake lets
	// nobody in and keeps the edge out.
	Locks Proof

	// lifts is the one refusal of New that the mistake switches off; "" none.
	lifts refusal
	// plant makes the mistake in a correctly equipped guard.
	plant func(*guard) error
}

// refusal names a reason why New refuses a policy.
type refusal string

const (
	refuseOpenAllowlist refusal = "open allowlist"
	refuseEmptySecret   refusal = "empty secret"
	refuseNoRoots       refusal = "no client roots"
	refuseNoRevocation  refusal = "unusable revocation list"
)

var mistakes []Mistake

func registerMistake(m Mistake) {
	if _, taken := MistakeNamed(m.Name); taken {
		panic("origin: mistake " + m.Name + " is registered twice")
	}
	mistakes = append(mistakes, m)
	slices.SortFunc(mistakes, func(a, b Mistake) int {
		if c := strings.Compare(a.Strategy, b.Strategy); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
}

// Mistakes lists the mistakes by strategy and name.
func Mistakes() []Mistake { return slices.Clone(mistakes) }

// MistakeNamed finds a mistake.
func MistakeNamed(name string) (Mistake, bool) {
	i := slices.IndexFunc(mistakes, func(m Mistake) bool { return m.Name == name })
	if i < 0 {
		return Mistake{}, false
	}
	return mistakes[i], true
}

func mistakeNames() []string {
	names := make([]string, len(mistakes))
	for i, m := range mistakes {
		names[i] = m.Name
	}
	return names
}

// everywhere drops the same proofs on every path.
func everywhere(p Proof) func(Path) Proof {
	return func(Path) Proof { return p }
}

// overQUIC drops proofs on QUIC connections alone.
func overQUIC(p Proof) func(Path) Proof {
	return func(path Path) Proof {
		if path.Port != UDP {
			return 0
		}
		return p
	}
}

// plantOverQUIC lets QUIC connections pass by a guard that lacks what change
// takes away.
func plantOverQUIC(change func(*guard)) func(*guard) error {
	return func(g *guard) error {
		weak := *g
		change(&weak)
		g.overQUIC = &weak
		return nil
	}
}

// overTLS drops proofs on the paths that have a handshake to get them wrong in.
func overTLS(p Proof) func(Path) Proof {
	return func(path Path) Proof {
		if !path.Encrypted() {
			return 0
		}
		return p
	}
}
