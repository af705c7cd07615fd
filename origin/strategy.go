package origin

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// The strategies' names.
const (
	Allowlist = "allowlist"
	Header    = "header"
	MTLS      = "mtls"
)

// Settings is what strategies take from the outside: the edge's addresses and
// the names of credentials.
type Settings struct {
	EdgeAddresses                        []netip.Prefix
	SecretHeader, Secret, PreviousSecret string
	ClientRoots, RevocationList          string
	Pin                                  Pin
	PinValue                             string
}

// Strategy is one way to keep everyone but the edge out.
type Strategy struct {
	Name  string
	Title string // one line, for a person
	// Fill writes the strategy's part of a policy.
	Fill func(*Policy, Settings)

	// requires returns the proofs the strategy asks for on a path.
	requires func(Policy, Path) Proof
	// equip gives the guard its checks, or refuses an unsafe policy.
	equip func(*guard) error
}

var strategies []Strategy

func registerStrategy(s Strategy) {
	if _, taken := StrategyNamed(s.Name); taken {
		panic("origin: strategy " + s.Name + " is registered twice")
	}
	strategies = append(strategies, s)
	slices.SortFunc(strategies, func(a, b Strategy) int { return strings.Compare(a.Name, b.Name) })
}

// Strategies lists the strategies by name.
func Strategies() []Strategy { return slices.Clone(strategies) }

// StrategyNamed finds a strategy.
func StrategyNamed(name string) (Strategy, bool) {
	i := slices.IndexFunc(strategies, func(s Strategy) bool { return s.Name == name })
	if i < 0 {
		return Strategy{}, false
	}
	return strategies[i], true
}

func unknownStrategy(name string) error {
	names := make([]string, len(strategies))
	for i, s := range strategies {
		names[i] = s.Name
	}
	return fmt.Errorf("unknown strategy %q: want one of %s", name, strings.Join(names, ", "))
}
