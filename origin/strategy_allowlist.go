package origin

import (
	"fmt"
	"net/netip"
)

func init() {
	registerStrategy(Strategy{
		Name:  Allowlist,
		Title: "only the edge's addresses may connect",
		Fill: func(p *Policy, s Settings) {
			p.Allow = append([]netip.Prefix(nil), s.EdgeAddresses...)
		},
		// The socket address is decided on every port and for every route.
		requires: func(Policy, Path) Proof { return Address },
		equip:    equipAllowlist,
	})
}

func equipAllowlist(g *guard) error {
	if len(g.policy.Allow) == 0 {
		if err := g.refuse(refuseOpenAllowlist, "the list of allowed addresses is empty: name the edge's prefixes"); err != nil {
			return err
		}
	}
	allow := make([]netip.Prefix, 0, len(g.policy.Allow))
	for _, prefix := range g.policy.Allow {
		prefix, err := plainPrefix(prefix)
		if err != nil {
			return err
		}
		if prefix.Bits() == 0 {
			if err := g.refuse(refuseOpenAllowlist, "prefix %s allows every address: name the edge's prefixes", prefix); err != nil {
				return err
			}
		}
		allow = append(allow, prefix)
	}
	g.admits = func(addr netip.Addr) bool { return contains(allow, addr) }
	return nil
}

// plainPrefix unmaps a prefix: peers are compared unmapped, and a prefix of
// IPv4-mapped addresses would contain none of them.
func plainPrefix(prefix netip.Prefix) (netip.Prefix, error) {
	if !prefix.IsValid() {
		return prefix, fmt.Errorf("an allowed prefix is not valid: write it as address/bits")
	}
	if !prefix.Addr().Is4In6() {
		return prefix.Masked(), nil
	}
	if prefix.Bits() < 96 {
		return prefix, fmt.Errorf("allowed prefix %s covers more than the IPv4-mapped addresses: write it as an IPv4 prefix", prefix)
	}
	return netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96).Masked(), nil
}

// contains wants addr unmapped and without zone, as peerOf returns it. An
// address that is not valid is in no prefix.
func contains(allow []netip.Prefix, addr netip.Addr) bool {
	for _, prefix := range allow {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}
