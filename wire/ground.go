package wire

import (
	"fmt"
	"net/netip"
)

// Ground is the origin's side of a tun link as a place of its own, where a real
// server can run: it has its own addresses, ports and loopback, and the link
// for its only way out.
type Ground struct {
	// Congestion names the congestion control of what runs there, as long as it
	// does not choose another: the kernel's default.
	Congestion string

	own   func(netip.Addr) error
	enter func(func(leave func() error) error) error
}

// grounded is a carrier with a Ground.
type grounded interface{ ground() *Ground }

// Ground returns the origin's side as a place for processes. It fails on every
// kind but tun, whose far side alone is a network of the kernel's.
func (p *Path) Ground() (*Ground, error) {
	c, ok := p.carrier.(grounded)
	if !ok {
		return nil, fmt.Errorf("no process can run behind a %s link: use tun", p.kind.Name)
	}
	return c.ground(), nil
}

// Own makes an IPv4 address the ground's, so that a process there may listen on
// it, on any port and as any user.
func (g *Ground) Own(a netip.Addr) error { return g.own(a) }

// Do runs f on a thread in the ground's network: sockets that f opens and
// processes that it starts belong there, and go on belonging there. What f hands
// to other goroutines does not.
func (g *Ground) Do(f func() error) error {
	return g.enter(func(func() error) error { return f() })
}
