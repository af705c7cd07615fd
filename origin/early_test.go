package origin

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"
)

// TestEarlyRequests: a request in 0-RTT meets the handler before the handshake
// is complete, so it is answered only where origin and route have opted in.
// The delay makes "before" exact.
func TestEarlyRequests(t *testing.T) {
	for _, test := range []struct {
		name    string
		early   bool
		request string
		status  int
		trips   int // until the answer
	}{
		{"an object", true, "GET /o/k", http.StatusOK, 1},
		{"a route that has not opted in", true, "GET /", http.StatusTooEarly, 1},
		// Its tickets allow no 0-RTT, so clients do not try.
		{"off", false, "GET /o/k", http.StatusOK, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				took, status := earlyRequest(t, test.early, test.request)
				if want := time.Duration(test.trips) * earlyTrip; took != want || status != test.status {
					t.Errorf("status %d after %s, want %d after %s", status, took, test.status, want)
				}
			})
		})
	}
}

const earlyTrip = 100 * time.Millisecond // there and back

func earlyRequest(t *testing.T, early bool, line string) (took time.Duration, status int) {
	at := netip.MustParseAddrPort("127.0.0.1:4433")
	network := &simnet.Simnet{Router: &simnet.PerfectRouter{}}
	settings := simnet.NodeBiDiLinkSettings{Latency: earlyTrip / 2}
	socket := network.NewEndpoint(net.UDPAddrFromAddrPort(at), settings)
	var clients []*simnet.SimConn
	for port := range uint16(2) {
		clients = append(clients, network.NewEndpoint(net.UDPAddrFromAddrPort(netip.AddrPortFrom(edgeAddr, 1000+port)), settings))
	}
	if err := network.Start(); err != nil {
		t.Fatal(err)
	}

	l := newLab(t)
	audit := &auditBuffer{}
	cfg := l.config(policy(t, Allowlist, Header, MTLS))
	cfg.Audit, cfg.Early = audit, early
	server, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- server.ServeQUIC(socket) }()

	r := &rig{t: t, lab: l, udp: map[netip.Addr]net.Addr{edgeAddr: socket.LocalAddr()}}
	c := l.legitimate()
	c.sessions = tls.NewLRUClientSessionCache(4)
	first := r.h3On(clients[0], c)
	if o := first.do(t.Context()); !o.served() || o.resumed {
		t.Errorf("the first: %+v", o)
	}
	first.close()

	c.early, c.request = true, line
	began := time.Now()
	second := r.h3On(clients[1], c)
	o := second.do(t.Context())
	took = time.Since(began)
	if !o.resumed || second.quic.ConnectionState().Used0RTT != early {
		t.Errorf("%+v", o)
	}
	second.close()
	if err := server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := network.Close(); err != nil {
		t.Error(err)
	}
	entries := audit.entries(t)
	last := entries[len(entries)-1]
	switch {
	case o.status == http.StatusOK && (last.Verdict != Allowed || !last.Resumed || last.Serial == ""):
		t.Errorf("audit %+v", last)
	case o.status == http.StatusTooEarly && (last.Verdict != Refused || last.Status != o.status || last.Proof != "" || last.Reason == ""):
		t.Errorf("audit %+v", last)
	}
	counts := server.Counts()
	if counts.Accepted != 2 || counts.Full != 1 || counts.Resumed != 1 || counts.Ended() != 2 {
		t.Errorf("counts %+v", counts)
	}
	return took, o.status
}
