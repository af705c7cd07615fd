package origin

import (
	"net/http"
	"net/netip"
	"strings"
)

func init() {
	registerMistake(Mistake{
		Name:     "trust-forwarded",
		Title:    "believes the address in X-Forwarded-For and its like",
		Fix:      "decide on the socket address at accept; read forwarded addresses for logs only",
		Strategy: Allowlist,
		Drops:    everywhere(Address),
		plant: func(g *guard) error {
			admits := g.admits
			g.admits = nil
			g.claims = func(r *http.Request, socket netip.Addr) bool {
				return admits(socket) || forwardedMatches(r.Header, admits)
			}
			return nil
		},
	})
}

// forwardedMatches says whether any header that is commonly taken for the
// client's address names one that admits accepts.
func forwardedMatches(h http.Header, admits func(netip.Addr) bool) bool {
	for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Forwarded"} {
		for _, value := range h[name] {
			for element := range strings.SplitSeq(value, ",") {
				if addr, ok := forwardedAddr(element); ok && admits(addr) {
					return true
				}
			}
		}
	}
	return false
}

// forwardedAddr reads "192.0.2.1", "[2001:db8::1]:443" and the for= parameter
// of RFC 7239.
func forwardedAddr(element string) (netip.Addr, bool) {
	for parameter := range strings.SplitSeq(element, ";") {
		name, value, pair := strings.Cut(strings.TrimSpace(parameter), "=")
		if !pair {
			value = name
		} else if !strings.EqualFold(name, "for") {
			continue
		}
		value = strings.Trim(value, `"`)
		if at, err := netip.ParseAddrPort(value); err == nil {
			return plainAddr(at.Addr()), true
		}
		if addr, err := netip.ParseAddr(strings.Trim(value, "[]")); err == nil {
			return plainAddr(addr), true
		}
	}
	return netip.Addr{}, false
}
