package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestTunAddresses(t *testing.T) {
	available(t, "tun")
	here := interfaces(t)
	p := openPath(t, Link{Kind: "tun"})
	for _, r := range []struct{ source, at, seen string }{
		{"130.176.0.5", "203.0.113.9:443", "130.176.0.5"},
		{"9.9.9.9", "203.0.113.9:443", "9.9.9.9"},
		{"", "10.1.2.3:0", "198.51.100.1"},
		{"::ffff:130.176.0.6", "[::ffff:203.0.113.9]:444", "130.176.0.6"},
	} {
		var source netip.Addr
		if r.source != "" {
			source = netip.MustParseAddr(r.source)
		}
		near, far := connect(t, p, source, netip.MustParseAddrPort(r.at))
		if seen := far.RemoteAddr().(*net.TCPAddr).AddrPort(); seen.Addr().String() != r.seen || near.LocalAddr().String() != seen.String() {
			t.Errorf("%+v: seen from %s, dialed from %s", r, seen, near.LocalAddr())
		}
		if err := errors.Join(near.Close(), far.Close()); err != nil {
			t.Error(err)
		}
	}
	if _, err := p.Dial(t.Context(), edgeA, netip.MustParseAddrPort("203.0.113.77:443")); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v", err)
	}
	for _, r := range []struct{ source, at, want string }{
		{"130.176.0.5", "127.0.0.1:443", "use an address outside of 127.0.0.0/8"},
		{"127.0.0.1", "203.0.113.9:443", "use an address outside of 127.0.0.0/8"},
		{"2600:9000::1", "203.0.113.9:443", "IPv4 alone"},
		{"130.176.0.5", "[2001:db8::9]:443", "IPv4 alone"},
	} {
		if _, err := p.Dial(t.Context(), netip.MustParseAddr(r.source), netip.MustParseAddrPort(r.at)); err == nil || !strings.Contains(err.Error(), r.want) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if s := p.TakeStats(); s.Congestion != "cubic" || s.Packets == 0 || s.Lost != 0 {
		t.Errorf("stats %+v", s)
	}
	if now := interfaces(t); !slices.Equal(now, here) {
		t.Errorf("the process's own namespace had %v and has %v", here, now)
	}
}

func TestTunDatagrams(t *testing.T) {
	available(t, "tun")
	p := openPath(t, Link{Kind: "tun"})
	far, err := p.ListenPackets(farOrigin)
	if err != nil {
		t.Fatal(err)
	}
	near, err := p.OpenPackets(edgeA, farOrigin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := near.WriteTo([]byte("ping"), net.UDPAddrFromAddrPort(farOrigin)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 10)
	n, from, err := far.ReadFrom(buffer)
	if err != nil || string(buffer[:n]) != "ping" || from.(*net.UDPAddr).AddrPort().Addr() != edgeA {
		t.Errorf("%q from %v, %v", buffer[:n], from, err)
	}
	if err := errors.Join(near.Close(), far.Close()); err != nil {
		t.Error(err)
	}
}

// interfaces lists those of the network namespace that this thread is in.
func interfaces(t *testing.T) []string {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range all {
		names = append(names, i.Name)
	}
	return names
}

const tunChild = "ORIGINPULL_TEST_TUN_CHILD"

// TestTunLeavesNothing kills a process that has a tun link in use, as one
// cannot defend against, and looks for its namespaces, named or not.
func TestTunLeavesNothing(t *testing.T) {
	if os.Getenv(tunChild) != "" {
		beKilled(t)
		return
	}
	available(t, "tun")
	here, named := interfaces(t), namedNamespaces(t)
	child := exec.Command(os.Args[0], "-test.run=^TestTunLeavesNothing$", "-test.v")
	child.Env = append(os.Environ(), tunChild+"=1")
	hold, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close() //nolint:errcheck // its reader is dead
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	spaces := announced(t, out)
	if len(spaces) != 2 || spaces[0] == spaces[1] {
		t.Errorf("namespaces %v", spaces)
	}
	for _, s := range spaces {
		if holders(t, s) == 0 {
			t.Errorf("nobody holds %s while the link is open: the test looks in the wrong place", s)
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
	for _, s := range spaces {
		if n := holders(t, s); n != 0 {
			t.Errorf("%d still hold %s", n, s)
		}
	}
	if now := interfaces(t); !slices.Equal(now, here) {
		t.Errorf("the namespace had %v and has %v", here, now)
	}
	if now := namedNamespaces(t); !slices.Equal(now, named) {
		t.Errorf("named namespaces were %v and are %v", named, now)
	}
}

// beKilled opens a link, announces its namespaces and waits for its end.
func beKilled(t *testing.T) {
	p := openPath(t, Link{Kind: "tun"})
	near, far := connect(t, p, edgeA, farOrigin)
	defer near.Close() //nolint:errcheck // never reached
	defer far.Close()  //nolint:errcheck // never reached
	link := p.carrier.(*tun)
	for _, n := range []*namespace{link.near, link.far} {
		name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", n.handle.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("namespace", name)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func announced(t *testing.T, out io.Reader) []string {
	t.Helper()
	var spaces []string
	for lines := bufio.NewScanner(out); len(spaces) < 2 && lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "namespace "); ok {
			spaces = append(spaces, name)
		}
	}
	return spaces
}

// holders counts the open files and threads of any process in a namespace.
func holders(t *testing.T, name string) int {
	t.Helper()
	n := 0
	for _, pattern := range []string{"/proc/[0-9]*/fd/*", "/proc/[0-9]*/task/*/ns/net"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if at, err := os.Readlink(f); err == nil && at == name {
				n++
			}
		}
	}
	return n
}

func namedNamespaces(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("/run/netns/*")
	if err != nil {
		t.Fatal(err)
	}
	return files
}
