package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// ErrNoConsent is wrapped by what Consented returns for anything that its owner
// has not consented to.
var ErrNoConsent = errors.New("not consented to")

// Consented reaches the one address that somebody consented to, so many times
// and until then. Whatever asks it for another address, by whatever way it came
// by that, has sent nothing.
type Consented struct {
	Target netip.AddrPort
	Until  time.Time
	Most   int           // connections
	Every  time.Duration // at the least between the starts of two
	// Open opens the connection; nil: the kernel's TCP.
	Open func(ctx context.Context, source netip.Addr, target netip.AddrPort) (net.Conn, error)

	mu   sync.Mutex
	made int
	next time.Time
}

// Dial connects to Target, when its turn has come. The error wraps ErrNoConsent
// for another address, after Until, and beyond Most connections.
func (c *Consented) Dial(ctx context.Context, source netip.Addr, target netip.AddrPort) (net.Conn, error) {
	wait, err := c.turn(target)
	if err != nil {
		return nil, fmt.Errorf("dialing %s: %w", target, err)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil, fmt.Errorf("dialing %s: %w", target, context.Cause(ctx))
	}
	if c.Open != nil {
		return c.Open(ctx, source, target)
	}
	d := net.Dialer{KeepAlive: -1}
	if source.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	return d.DialContext(ctx, "tcp", target.String())
}

// turn counts a connection, and says how long it has to wait.
func (c *Consented) turn(target netip.AddrPort) (time.Duration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case !c.Target.IsValid() || target != c.Target:
		return 0, fmt.Errorf("%w: the consent is for %s alone", ErrNoConsent, c.Target)
	case !now.Before(c.Until):
		return 0, fmt.Errorf("%w: the consent ended at %s", ErrNoConsent, c.Until.UTC().Format(time.RFC3339))
	case c.made >= c.Most:
		return 0, fmt.Errorf("%w: a run makes at most %d connections", ErrNoConsent, c.Most)
	}
	c.made++
	start := now
	if c.next.After(now) {
		start = c.next
	}
	c.next = start.Add(c.Every)
	return start.Sub(now), nil
}

// Listen is refused: nothing is served to others.
func (c *Consented) Listen(at netip.AddrPort) (net.Listener, error) {
	return nil, fmt.Errorf("listening on %s: %w", at, ErrNoConsent)
}
