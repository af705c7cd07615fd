package wire

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

const (
	initialSegments = 10 // RFC 6928
	firstEphemeral  = 49152
)

// Model is a network in memory: byte streams with a one-way delay of half a
// round trip, an initial congestion window and slow start. TCP's connect
// costs one round trip, as it does in a kernel.
//
// It has no packets, so it has no loss, and acknowledgements are not delayed.
// The window neither shrinks after idling nor is bounded by a receiver. Under
// testing/synctest it is exact; on real time a delivery is as late as the
// timers of the runtime are.
type Model struct {
	delay, back time.Duration // one way, and the other: together the round trip
	window      int           // initial, in bytes

	mu        sync.Mutex
	listeners map[netip.AddrPort]*modelListener
	ephemeral uint16
}

// NewModel returns a network in which every pair of addresses is joined by l.
// It refuses what it cannot model: loss, jitter and rate.
func NewModel(l Link) (*Model, error) {
	if l.Kind == "" {
		l.Kind = "model"
	}
	if l.Kind != "model" {
		return nil, fmt.Errorf("a model link cannot stand in for kind %q", l.Kind)
	}
	if err := l.Validate(); err != nil {
		return nil, err
	}
	m := &Model{
		delay: l.RTT / 2, back: l.RTT - l.RTT/2, window: l.InitialWindow,
		listeners: map[netip.AddrPort]*modelListener{}, ephemeral: firstEphemeral,
	}
	if m.window == 0 {
		m.window = initialSegments * cmp.Or(l.MSS, cmp.Or(l.MTU, defaultMTU)-headers)
	}
	return m, nil
}

// Dial connects within one round trip. Where nothing listens the refusal
// takes as long.
func (m *Model) Dial(ctx context.Context, source netip.Addr, target netip.AddrPort) (net.Conn, error) {
	if err := wait(ctx, m.delay+m.back); err != nil {
		return nil, modelError("dial", target, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.listener(target)
	if l == nil {
		return nil, modelError("dial", target, syscall.ECONNREFUSED)
	}
	local := netip.AddrPortFrom(source, m.port())
	if !source.IsValid() {
		local = netip.AddrPortFrom(target.Addr(), local.Port())
	}
	near, far := newStream(m, local, target)
	l.arrive(far, m.delay)
	return near, nil
}

// Listen accepts what is dialed to at from now on. An unspecified address
// stands for all of them.
func (m *Model) Listen(at netip.AddrPort) (net.Listener, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at.Port() == 0 {
		at = netip.AddrPortFrom(at.Addr(), m.port())
	}
	if m.listeners[at] != nil {
		return nil, modelError("listen", at, syscall.EADDRINUSE)
	}
	l := &modelListener{model: m, at: at}
	l.changed.L = &l.mu
	m.listeners[at] = l
	return l, nil
}

func (m *Model) listener(target netip.AddrPort) *modelListener {
	if l := m.listeners[target]; l != nil {
		return l
	}
	anywhere := netip.IPv4Unspecified()
	if target.Addr().Is6() {
		anywhere = netip.IPv6Unspecified()
	}
	return m.listeners[netip.AddrPortFrom(anywhere, target.Port())]
}

// port returns the next ephemeral port; m.mu is held.
func (m *Model) port() uint16 {
	p := m.ephemeral
	m.ephemeral++
	if m.ephemeral == 0 {
		m.ephemeral = firstEphemeral
	}
	return p
}

// modelListener holds the connections of one address. One becomes ready half
// a round trip after its dialer got it: that is when the last segment of
// TCP's handshake arrives.
type modelListener struct {
	model *Model
	at    netip.AddrPort

	mu      sync.Mutex
	changed sync.Cond
	ready   []*modelConn
	coming  map[*modelConn]*time.Timer
	closed  bool
}

func (l *modelListener) arrive(c *modelConn, after time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		c.abort()
		return
	}
	if after == 0 {
		l.ready = append(l.ready, c)
		l.changed.Broadcast()
		return
	}
	if l.coming == nil {
		l.coming = map[*modelConn]*time.Timer{}
	}
	l.coming[c] = time.AfterFunc(after, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.closed {
			return
		}
		delete(l.coming, c)
		l.ready = append(l.ready, c)
		l.changed.Broadcast()
	})
}

// Accept returns the next connection, or net.ErrClosed after Close.
func (l *modelListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.ready) == 0 {
		if l.closed {
			return nil, modelError("accept", l.at, net.ErrClosed)
		}
		l.changed.Wait()
	}
	c := l.ready[0]
	l.ready = l.ready[1:]
	return c, nil
}

// Close stops listening and resets what was not accepted.
func (l *modelListener) Close() error {
	l.model.mu.Lock()
	delete(l.model.listeners, l.at)
	l.model.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return modelError("close", l.at, net.ErrClosed)
	}
	l.closed = true
	for _, c := range l.ready {
		c.abort()
	}
	for c, timer := range l.coming {
		timer.Stop()
		c.abort()
	}
	l.ready, l.coming = nil, nil
	l.changed.Broadcast()
	return nil
}

// Addr returns the address listened on.
func (l *modelListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.at) }

func modelError(op string, at netip.AddrPort, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: net.TCPAddrFromAddrPort(at), Err: err}
}

func wait(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d == 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
