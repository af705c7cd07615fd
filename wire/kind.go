package wire

import "slices"

// Kind is one way to put a distance between edge and origin, as an entry of
// the registry. Each has a file of its own.
type Kind struct {
	Name    string
	Summary string // what it is, without a full stop
	// Packets tells that TCP and QUIC run over packets, which can be lost.
	Packets bool
	// AnySource tells that a connection may come from any address.
	AnySource bool
	// CPU tells that what a handshake costs may be read from a run. Every
	// emulation wakes up for packets on somebody's account.
	CPU bool
	// Servers tells that real servers can be the origin: over the others the
	// origin's side is inside of this process.
	Servers bool

	rank      int      // in listings
	honours   []string // names in linkFields
	open      func(Link) (carrier, error)
	available func() error // nil: everywhere
}

var kinds []Kind

func registerKind(k Kind) {
	if _, known := kindNamed(k.Name); known {
		panic("wire: link kind " + k.Name + " is registered twice")
	}
	kinds = append(kinds, k)
	slices.SortFunc(kinds, func(a, b Kind) int { return a.rank - b.rank })
}

func kindNamed(name string) (Kind, bool) {
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}

// Kinds names the kinds of links, the plainest first.
func Kinds() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.Name
	}
	return names
}

// KindOf returns the kind with that name.
func KindOf(name string) (Kind, bool) { return kindNamed(name) }

// Honours names the fields of a Link, as scenarios spell them, that the kind
// honours.
func (k Kind) Honours() []string { return slices.Clone(k.honours) }

// Available returns nil where this machine has the kind, and otherwise what it
// lacks.
func (k Kind) Available() error {
	if k.available == nil {
		return nil
	}
	return k.available()
}
