package wire

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
)

// TestGround runs what a server does on the far side: a process that listens
// nowhere else, and a socket that is reached over the link alone.
func TestGround(t *testing.T) {
	available(t, "tun")
	p := openPath(t, Link{Kind: "tun", RTT: 10 * ms})
	ground, err := p.Ground()
	if err != nil {
		t.Fatal(err)
	}
	if ground.Congestion == "" {
		t.Error("the congestion control of what runs there has no name")
	}
	if err := ground.Own(farOrigin.Addr()); err != nil {
		t.Fatal(err)
	}
	var devices []byte
	var l net.Listener
	err = ground.Do(func() (err error) {
		if devices, err = exec.CommandContext(t.Context(), "cat", "/proc/self/net/dev").Output(); err != nil {
			return err
		}
		l, err = net.Listen("tcp4", farOrigin.String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(devices), ":"); n != 2 || !strings.Contains(string(devices), device+":") {
		t.Errorf("a process there has the devices\n%s", devices)
	}
	here := interfaces(t)
	if strings.Contains(strings.Join(here, " "), device) {
		t.Errorf("this process has the devices %v", here)
	}
	far, err := p.Dial(t.Context(), edgeA, farOrigin)
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if seen := accepted.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(); seen != edgeA {
		t.Errorf("seen from %s, not from the edge's address", seen)
	}
	if err := errors.Join(accepted.Close(), far.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	if err := ground.Do(func() error { return io.ErrUnexpectedEOF }); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the error of what was done is lost: %v", err)
	}
	if err := ground.Own(netip.MustParseAddr("127.0.0.9")); err == nil {
		t.Error("an address that never leaves was given to the link")
	}
}

func TestGroundIsTunsAlone(t *testing.T) {
	for _, kind := range []string{"direct", "netstack", "model"} {
		if _, err := openPath(t, Link{Kind: kind}).Ground(); err == nil || !strings.HasSuffix(err.Error(), "use tun") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
