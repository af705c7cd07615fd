package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

func init() {
	k := tunKind
	k.open = openTun
	k.available = func() error {
		out, back, err := openSides(defaultMTU)
		if err != nil {
			return err
		}
		return errors.Join(out.close(), back.close())
	}
	registerKind(k)
}

// tun is two network namespaces, each with a TUN device for its way out, and
// a router in this process that carries packets between the devices over two
// lines. Both ends are the kernel's TCP.
//
// Neither namespace has a name: they, their devices and routes live as long as
// something in this process is in them, and no longer, however it ends.
type tun struct {
	near, far *namespace
	out, back *line[[]byte]
	readers   sync.WaitGroup
}

func openTun(l Link) (carrier, error) {
	near, far, err := openSides(l.MTU)
	if err != nil {
		return nil, err
	}
	t := &tun{near: near, far: far}
	out, back := l.lines()
	t.out = newLine(out, newAlarm(), far.deliver, func([]byte) {})
	t.back = newLine(back, newAlarm(), near.deliver, func([]byte) {})
	t.readers.Go(func() { near.read(l.MTU, t.out) })
	t.readers.Go(func() { far.read(l.MTU, t.back) })
	return t, nil
}

func openSides(mtu int) (near, far *namespace, err error) {
	if near, err = newNamespace(mtu); err != nil {
		return nil, nil, err
	}
	if far, err = newNamespace(mtu); err != nil {
		return nil, nil, errors.Join(err, near.close())
	}
	return near, far, nil
}

// Dial connects from source, which may be any IPv4 address but a loopback one.
func (t *tun) Dial(ctx context.Context, source netip.Addr, target netip.AddrPort) (net.Conn, error) {
	source, target, err := t.between(source, target)
	if err != nil {
		return nil, err
	}
	var c net.Conn
	d := net.Dialer{KeepAlive: -1, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))}
	err = t.near.enter(func(leave func() error) error {
		d.Control = func(network, address string, raw syscall.RawConn) error {
			return errors.Join(leave(), latePort(network, address, raw), useCongestion(raw))
		}
		c, err = d.DialContext(ctx, "tcp4", target.String())
		return err
	})
	if err != nil {
		if c != nil {
			err = errors.Join(err, c.Close())
		}
		return nil, err
	}
	return c, nil
}

// between makes source and target addresses of their sides.
func (t *tun) between(source netip.Addr, target netip.AddrPort) (netip.Addr, netip.AddrPort, error) {
	source, target = source.Unmap(), netip.AddrPortFrom(target.Addr().Unmap(), target.Port())
	if !source.IsValid() {
		source = defaultSource4
	}
	err := errors.Join(t.near.own(source), t.far.own(target.Addr()))
	if err != nil {
		return source, target, fmt.Errorf("reaching %s from %s: %w", target, source, err)
	}
	return source, target, nil
}

// Listen accepts what is dialed to at, which may be any IPv4 address but a
// loopback one.
func (t *tun) Listen(at netip.AddrPort) (net.Listener, error) {
	var l net.Listener
	err := t.listen(at, func(c *net.ListenConfig, address string) (err error) {
		l, err = c.Listen(context.Background(), "tcp4", address)
		return err
	}, useCongestion)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// ListenPackets opens a socket at the origin's side.
func (t *tun) ListenPackets(at netip.AddrPort) (net.PacketConn, error) {
	var p net.PacketConn
	err := t.listen(at, func(c *net.ListenConfig, address string) (err error) {
		p, err = c.ListenPacket(context.Background(), "udp4", address)
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (t *tun) listen(at netip.AddrPort, open func(*net.ListenConfig, string) error, options func(syscall.RawConn) error) error {
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	if err := t.far.own(at.Addr()); err != nil {
		return fmt.Errorf("listening on %s: %w", at, err)
	}
	return t.far.listen(at, open, options)
}

// OpenPackets opens a socket at the edge's side.
func (t *tun) OpenPackets(source netip.Addr, target netip.AddrPort) (net.PacketConn, error) {
	source, _, err := t.between(source, target)
	if err != nil {
		return nil, err
	}
	var p net.PacketConn
	err = t.near.listen(netip.AddrPortFrom(source, 0), func(c *net.ListenConfig, address string) (err error) {
		p, err = c.ListenPacket(context.Background(), "udp4", address)
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// useCongestion names TCP's congestion control, whatever the system's default.
func useCongestion(raw syscall.RawConn) error {
	var set error
	err := raw.Control(func(fd uintptr) {
		set = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, congestion)
	})
	if err := errors.Join(err, set); err != nil {
		return fmt.Errorf("choosing the congestion control %s: %w", congestion, err)
	}
	return nil
}

func (t *tun) takeStats(s *LinkStats) {
	takeLines(s, t.out, t.back)
	s.Congestion = congestion
}

func (t *tun) ground() *Ground {
	return &Ground{Congestion: t.far.congestion, own: t.far.own, enter: t.far.enter}
}

// close stops the router. Connections are the kernel's and their owners': the
// namespaces go with the last of them.
func (t *tun) close() error {
	err := errors.Join(t.near.close(), t.far.close())
	t.readers.Wait()
	return errors.Join(err, t.out.close(), t.back.close())
}
