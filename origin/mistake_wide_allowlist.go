package origin

import "net/netip"

// A provider's whole network in place of the edge's part of it, or a range
// that the edge has given back: its next tenant is let in.
func init() {
	registerMistake(Mistake{
		Name:     "wide-allowlist",
		Title:    "allows a wider range than the edge's own, or one that it has given back",
		Fix:      "list the edge's published prefixes as they stand, and renew the list when they change",
		Strategy: Allowlist,
		Drops:    everywhere(Address),
		plant: func(g *guard) error {
			wide := widened(g.policy.Allow)
			g.admits = func(addr netip.Addr) bool { return contains(wide, addr) }
			return nil
		},
	})
}

// widened takes a byte off every prefix that has one to spare.
func widened(allow []netip.Prefix) []netip.Prefix {
	wide := make([]netip.Prefix, len(allow))
	for i, prefix := range allow {
		wide[i] = netip.PrefixFrom(prefix.Addr().Unmap(), max(8, prefix.Bits()-8)).Masked()
	}
	return wide
}
