package origin

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/originpull/originpull/wire"
)

// TestServesOverALink runs the origin at the far end of a link, over TCP and
// QUIC, with callers whose addresses this machine does not have.
func TestServesOverALink(t *testing.T) {
	path, err := wire.Open(wire.Link{Kind: "netstack", RTT: 2 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort("203.0.113.9:443")
	streams, err := path.Listen(at)
	if err != nil {
		t.Fatal(err)
	}
	datagrams, err := path.ListenPackets(at)
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	p := policy(t, Allowlist, Header, MTLS)
	p.Allow = []netip.Prefix{netip.MustParsePrefix("130.176.0.0/16")}
	r := &rig{t: t, lab: l, audit: &auditBuffer{}, udp: map[netip.Addr]net.Addr{}}
	cfg := l.config(p)
	cfg.Audit = r.audit
	if r.server, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	for _, serve := range []func() error{
		func() error { return r.server.Serve(streams) },
		func() error { return r.server.ServeQUIC(datagrams) },
	} {
		serving.Go(func() {
			if err := serve(); err != nil {
				t.Error(err)
			}
		})
	}
	for address, served := range map[string]bool{"130.176.3.4": true, "9.9.9.9": false} {
		c := l.legitimate()
		c.from = netip.MustParseAddr(address)
		stream, err := path.Dial(t.Context(), c.from, at)
		if err != nil {
			t.Fatal(err)
		}
		s := r.on(stream, c)
		if o := s.do(); o.served() != served {
			t.Errorf("TCP from %s: %+v", address, o)
		}
		_ = stream.Close()
		if e := r.entry(stream.LocalAddr().(*net.TCPAddr).AddrPort()); (e.Verdict == Allowed) != served {
			t.Errorf("audit: %+v", e)
		}
		r.udp[c.from] = net.UDPAddrFromAddrPort(at)
		socket, err := path.OpenPackets(c.from, at)
		if err != nil {
			t.Fatal(err)
		}
		q := r.h3On(socket, c)
		if o := q.do(t.Context()); o.served() != served {
			t.Errorf("QUIC from %s: %+v", address, o)
		}
		q.close()
	}
	if err := r.server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	serving.Wait()
	if err := path.Close(); err != nil {
		t.Error(err)
	}
	if c := r.server.Counts(); c.Accepted != c.Ended() || c.Accepted != 4 {
		t.Errorf("counts %+v", c)
	}
}
