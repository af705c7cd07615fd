package wire

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
)

// groups are the key-exchange groups that a Profile may pin.
var groups = []struct {
	name string
	id   tls.CurveID
}{
	{"x25519", tls.X25519},
	{"p256", tls.CurveP256},
	{"x25519mlkem768", tls.X25519MLKEM768},
}

// Groups names the key-exchange groups that a Profile may pin.
func Groups() []string {
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = g.name
	}
	return names
}

func groupNamed(name string) (tls.CurveID, bool) {
	for _, g := range groups {
		if g.name == name {
			return g.id, true
		}
	}
	return 0, false
}

// groupName names a negotiated group as a Profile does; "" when there was no
// key exchange.
func groupName(id tls.CurveID) string {
	if id == 0 {
		return ""
	}
	for _, g := range groups {
		if g.id == id {
			return g.name
		}
	}
	return strings.ToLower(id.String())
}

// Profile pins what two TLS peers would otherwise negotiate, so that a
// comparison compares what its name says.
type Profile struct {
	Version    string // one of Versions
	Group      string // one of Groups
	Resumption bool   // the client keeps sessions and offers them
	// HelloRetry makes the server ask for another key share, which costs one
	// round trip more (RFC 8446, section 4.1.4). It needs TLS 1.3 and p256.
	HelloRetry bool
	// P384: the peers' certificates have keys on that curve. In TLS 1.2 the
	// client then names it beside the groups; see tls12.go.
	P384 bool
}

// retryOffers is how a HelloRetryRequest is forced: crypto/tls sends a key
// share for X25519 whenever it may use it, and a server pinned to P-256 then
// asks for another. No other pinned group has one that comes before it and is
// not sent along: with x25519mlkem768 a share for x25519 goes too.
var retryOffers = []tls.CurveID{tls.X25519, tls.CurveP256}

// Validate reports the first thing wrong with p.
func (p Profile) Validate() error {
	v, known := versionNamed(p.Version)
	if !known {
		return fmt.Errorf("unknown TLS version %q: use one of %s", p.Version, strings.Join(Versions(), ", "))
	}
	group, known := groupNamed(p.Group)
	if !known {
		return fmt.Errorf("unknown key-exchange group %q: use one of %s", p.Group, strings.Join(Groups(), ", "))
	}
	if v.offers(group) == nil {
		return fmt.Errorf("TLS %s has no key-exchange group %s: use another group or version", p.Version, p.Group)
	}
	if p.HelloRetry && v.id != tls.VersionTLS13 {
		return fmt.Errorf("TLS %s has no HelloRetryRequest: use 1.3", p.Version)
	}
	if p.HelloRetry && group != tls.CurveP256 {
		return fmt.Errorf("a HelloRetryRequest cannot be forced with the group %s: use p256, for which no key share is sent first", p.Group)
	}
	return nil
}

// Client returns a copy of base (nil: an empty one) that is pinned to the
// version and the group of p. With Resumption it keeps base's session cache
// or, where base has none, gets one of its own; without Resumption it has
// none. What Validate would refuse is left as base has it.
func (p Profile) Client(base *tls.Config) *tls.Config {
	cfg := clone(base)
	if v, known := versionNamed(p.Version); known {
		cfg.MinVersion, cfg.MaxVersion = v.id, v.id
		if group, known := groupNamed(p.Group); known {
			if offers := v.offers(group); offers != nil {
				cfg.CurvePreferences = offers
				if p.P384 && v.id == tls.VersionTLS12 {
					cfg.CurvePreferences = append(slices.Clone(offers), tls.CurveP384)
				}
			}
			if p.HelloRetry && p.Validate() == nil {
				cfg.CurvePreferences = retryOffers
			}
		}
	}
	switch {
	case !p.Resumption:
		cfg.ClientSessionCache = nil
	case cfg.ClientSessionCache == nil:
		cfg.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	return cfg
}

// Server returns a copy of base (nil: an empty one) that accepts the group of
// p alone. The version is the client's choice within what base allows, and
// tickets are base's.
func (p Profile) Server(base *tls.Config) *tls.Config {
	cfg := clone(base)
	if group, known := groupNamed(p.Group); known {
		cfg.CurvePreferences = []tls.CurveID{group}
	}
	return cfg
}

func clone(base *tls.Config) *tls.Config {
	if base == nil {
		return &tls.Config{}
	}
	return base.Clone()
}
