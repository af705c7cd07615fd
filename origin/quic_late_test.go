package origin

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"
)

// firstOnly sends the first datagram and loses the others.
type firstOnly struct {
	net.PacketConn
	first []byte
	lossy bool
}

func (f *firstOnly) WriteTo(b []byte, to net.Addr) (int, error) {
	if f.first == nil {
		f.first = slices.Clone(b)
	} else if f.lossy {
		return len(b), nil
	}
	return f.PacketConn.WriteTo(b, to)
}

func (f *firstOnly) Close() error { return f.SetReadDeadline(time.Now()) } // the test has it open for longer

// A datagram that was on its way for longer than its client had patience begins
// no second connection; a new client on the same port does.
func TestLateDatagramsBeginNoConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &simnet.Simnet{Router: &simnet.PerfectRouter{}}
		settings := simnet.NodeBiDiLinkSettings{Latency: time.Millisecond}
		socket := network.NewEndpoint(net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:4433")), settings)
		client := network.NewEndpoint(net.UDPAddrFromAddrPort(netip.AddrPortFrom(edgeAddr, 1000)), settings)
		if err := network.Start(); err != nil {
			t.Fatal(err)
		}
		l := newLab(t)
		cfg := l.config(policy(t, Allowlist, Header, MTLS))
		cfg.Audit = &auditBuffer{}
		server, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error)
		go func() { served <- server.ServeQUIC(socket) }()
		r := &rig{t: t, lab: l, udp: map[netip.Addr]net.Addr{edgeAddr: socket.LocalAddr()}}

		lost := &firstOnly{PacketConn: client, lossy: true}
		if s := r.h3On(lost, l.legitimate()); s.err == nil {
			t.Fatal("a handshake of one datagram succeeded")
		} else {
			s.close()
		}
		time.Sleep(2 * server.cfg.Timeouts.Handshake)
		if c := server.Counts(); c.Accepted != 1 || c.Failed != 1 {
			t.Fatalf("counts %+v, want one failed handshake", c)
		}
		for range 3 {
			if _, err := client.WriteTo(lost.first, socket.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * server.cfg.Timeouts.Handshake)
		if c := server.Counts(); c.Accepted != 1 || c.Ended() != 1 {
			t.Errorf("counts %+v after its datagram came late, want the same", c)
		}
		if err := client.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		s := r.h3On(&firstOnly{PacketConn: client}, l.legitimate())
		if o := s.do(t.Context()); !o.served() {
			t.Errorf("a new client on the port: %+v", o)
		}
		s.close()
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := network.Close(); err != nil {
			t.Error(err)
		}
		if c := server.Counts(); c.Accepted != 2 || c.Failed != 1 || c.Full != 1 || c.Ended() != 2 {
			t.Errorf("counts %+v", c)
		}
	})
}
