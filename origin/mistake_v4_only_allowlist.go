package origin

import "net/netip"

func init() {
	registerMistake(Mistake{
		Name:     "v4-only-allowlist",
		Title:    "filters IPv4 and forgets that the origin listens on IPv6 too",
		Fix:      "filter both, or do not listen on IPv6",
		Strategy: Allowlist,
		Drops:    everywhere(Address),
		plant: func(g *guard) error {
			strict := g.admits
			g.admits = func(addr netip.Addr) bool { return !addr.Is4() || strict(addr) }
			return nil
		},
	})
}
