package wire

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	device = "link0"
	// queueLength is how many packets the kernel holds for the router. The
	// usual 500 would drop what a burst of connections sends.
	queueLength = 10000
	thisThread  = "/proc/thread-self/ns/net"
)

// sysctls are a namespace's own. Without the first the kernel would begin
// connections as it ended others.
var sysctls = []struct{ name, value string }{
	{"net/ipv4/tcp_no_metrics_save", "1"},
	{"net/ipv4/tcp_tw_reuse", "1"},
	{"net/ipv4/ip_local_port_range", "16384 65535"},
	{"net/ipv4/ip_unprivileged_port_start", "0"}, // a server there is nobody
}

// congestionDefault is what sockets get that do not choose. To change it takes
// more than being root of the namespace.
const congestionDefault = "/proc/sys/net/ipv4/tcp_congestion_control"

// namespace is a network namespace with one TUN device, towards which
// everything goes that is not its own.
type namespace struct {
	handle, home *os.File // it, and where the process is
	tun          *os.File
	routes       *netlink.Handle
	loopback     int    // index of its device
	congestion   string // of sockets that do not choose

	mu    sync.Mutex
	owned map[netip.Addr]bool
}

// newNamespace makes one on a thread that ends with it.
func newNamespace(mtu int) (*namespace, error) {
	n := &namespace{owned: map[netip.Addr]bool{}}
	var err error
	if n.home, err = os.Open(thisThread); err != nil {
		return nil, fmt.Errorf("opening the network namespace: %w", err)
	}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: nobody else may find himself in it
		made <- n.set(mtu)
	}()
	if err := <-made; err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

// set fills a new namespace; the thread is in it from then on.
func (n *namespace) set(mtu int) (err error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("making a network namespace, for which one must be root: %w", err)
	}
	if n.handle, err = os.Open(thisThread); err != nil {
		return fmt.Errorf("opening the new network namespace: %w", err)
	}
	for _, s := range sysctls {
		if err := os.WriteFile("/proc/sys/"+s.name, []byte(s.value), 0); err != nil {
			return fmt.Errorf("setting up the network namespace: %w", err)
		}
	}
	if name, err := os.ReadFile(congestionDefault); err == nil {
		n.congestion = strings.TrimSpace(string(name))
	}
	if n.tun, err = openDevice(); err != nil {
		return err
	}
	if n.routes, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("talking to the network namespace: %w", err)
	}
	if err := n.connect(mtu); err != nil {
		return fmt.Errorf("setting up the device of the network namespace: %w", err)
	}
	return nil
}

// openDevice makes a TUN device that vanishes with its file.
func openDevice() (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening /dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(device)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		// Before the poller gets to know it: without a device it is in error.
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making a TUN device: %w", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), device), nil
}

func (n *namespace) connect(mtu int) error {
	lo, err := n.routes.LinkByName("lo")
	if err != nil {
		return err
	}
	n.loopback = lo.Attrs().Index
	out, err := n.routes.LinkByName(device)
	if err != nil {
		return err
	}
	anywhere := &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
	for _, step := range []func() error{
		func() error { return n.routes.LinkSetUp(lo) }, // for what a server there says to itself
		func() error { return n.routes.LinkSetMTU(out, mtu) },
		func() error { return n.routes.LinkSetTxQLen(out, queueLength) },
		func() error { return n.routes.LinkSetUp(out) },
		func() error {
			return n.routes.RouteAdd(&netlink.Route{LinkIndex: out.Attrs().Index, Dst: anywhere, Scope: netlink.SCOPE_LINK})
		},
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// own makes an address the namespace's: it may be bound, and what comes for it
// is answered, if only with a reset.
func (n *namespace) own(a netip.Addr) error {
	if a.IsUnspecified() {
		return nil
	}
	if !a.Is4() {
		return fmt.Errorf("a tun link carries IPv4 alone, and %s is not: use netstack", a)
	}
	if a.IsLoopback() {
		return fmt.Errorf("%s never leaves its own end of a tun link: use an address outside of 127.0.0.0/8, or netstack", a)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.owned[a] {
		return nil
	}
	err := n.routes.RouteAdd(&netlink.Route{
		LinkIndex: n.loopback, Scope: netlink.SCOPE_HOST, Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL,
		Dst: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(32, 32)},
	})
	if err != nil {
		return fmt.Errorf("adding the address %s: %w", a, err)
	}
	n.owned[a] = true
	return nil
}

// enter runs f on a thread in the namespace until f calls leave, at the latest
// until it returns. A socket belongs to the namespace that it was made in, so
// f leaves as soon as it has one.
func (n *namespace) enter(f func(leave func() error) error) error {
	runtime.LockOSThread()
	if err := unix.Setns(int(n.handle.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("entering a network namespace: %w", err)
	}
	left := false
	leave := func() error {
		if left {
			return nil
		}
		left = true
		if err := unix.Setns(int(n.home.Fd()), unix.CLONE_NEWNET); err != nil {
			// The thread stays locked, and ends with its goroutine.
			return fmt.Errorf("leaving a network namespace: %w", err)
		}
		runtime.UnlockOSThread()
		return nil
	}
	err := f(leave)
	return errors.Join(err, leave())
}

// listen opens a socket in the namespace. The net package calls Control on the
// goroutine that opens it, once there is a socket.
func (n *namespace) listen(at netip.AddrPort, open func(*net.ListenConfig, string) error, options func(syscall.RawConn) error) error {
	return n.enter(func(leave func() error) error {
		c := &net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, raw syscall.RawConn) error {
			err := leave()
			if options != nil {
				err = errors.Join(err, options(raw))
			}
			return err
		}}
		c.SetMultipathTCP(false)
		return open(c, at.String())
	})
}

// read sends what leaves the namespace into a line until the device is closed.
func (n *namespace) read(mtu int, into *line[[]byte]) {
	buffer := make([]byte, mtu+64)
	for {
		size, err := n.tun.Read(buffer)
		if err != nil {
			return // closed
		}
		packet := append([]byte(nil), buffer[:size]...)
		if size == 0 || packet[0]>>4 != 4 {
			continue // IPv6 looking for routers
		}
		into.send(flowOfPacket(packet), size, packet)
	}
}

// deliver gives the namespace a packet. What the kernel does not take is lost,
// as on any link whose far end is gone.
func (n *namespace) deliver(packet []byte) { _, _ = n.tun.Write(packet) }

// close lets go of the namespace.
func (n *namespace) close() error {
	if n.routes != nil {
		n.routes.Close()
	}
	var errs []error
	for _, f := range []*os.File{n.tun, n.handle, n.home} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
