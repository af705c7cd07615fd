package wire

import (
	"crypto/tls"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

const rtt = 100 * time.Millisecond

// roundTrips is what one connection costs until its handshake returned and
// until its first reply byte, both from the start of TCP connect.
type roundTrips struct{ handshake, firstByte time.Duration }

func checkRoundTrips(t *testing.T, trace *Trace, want roundTrips) {
	t.Helper()
	if got := trace.Connect; got != rtt {
		t.Errorf("TCP connect took %s instead of %s", got, rtt)
	}
	if got := trace.Connect + trace.TLS; got != want.handshake*rtt {
		t.Errorf("the handshake returned after %s instead of %d × %s", got, want.handshake, rtt)
	}
	if got := trace.FirstByte; got != want.firstByte*rtt {
		t.Errorf("the first byte arrived after %s instead of %d × %s", got, want.firstByte, rtt)
	}
}

// TestRoundTrips is the claim that this project is built around: what a
// handshake costs, counted exactly.
func TestRoundTrips(t *testing.T) {
	for _, version := range Versions() {
		for _, mutual := range []bool{false, true} {
			for _, resumed := range []bool{false, true} {
				name := fmt.Sprintf("%s/mutual=%v/resumed=%v", version, mutual, resumed)
				t.Run(name, func(t *testing.T) {
					want := roundTrips{handshake: 2, firstByte: 3}
					if version == "1.2" && !resumed {
						want = roundTrips{handshake: 3, firstByte: 4}
					}
					measure(t, row{version: version, mutual: mutual, resumed: resumed, want: want})
				})
			}
		}
	}
}

// TestChainSize holds what certificates beyond the initial window cost. The
// server's ticket carries the client's chain, so resumption does not help.
func TestChainSize(t *testing.T) {
	const fat, medium = 20 << 10, 6500
	rows := []row{
		{version: "1.2", client: fat, want: roundTrips{4, 5}},
		{version: "1.3", client: fat, want: roundTrips{2, 4}},
		{version: "1.2", client: fat, resumed: true, want: roundTrips{4, 5}},
		{version: "1.3", client: fat, resumed: true, want: roundTrips{3, 4}},
		{version: "1.3", server: medium, want: roundTrips{2, 3}},
		// Twice as much again: the window has doubled meanwhile.
		{version: "1.3", client: 2 * fat, want: roundTrips{2, 4}},
		{version: "1.3", client: 3 * fat, want: roundTrips{2, 5}},
		{version: "1.3", server: fat, want: roundTrips{3, 4}},
	}
	for _, r := range rows {
		r.mutual = true
		t.Run(fmt.Sprintf("%s/server=%d/client=%d/resumed=%v", r.version, r.server, r.client, r.resumed), func(t *testing.T) {
			measure(t, r)
		})
	}
}

type row struct {
	version         string
	mutual, resumed bool
	server, client  int // size of the certificate, in bytes
	want            roundTrips
}

func measure(t *testing.T, r row) {
	synctest.Test(t, func(t *testing.T) {
		network, err := NewModel(Link{Kind: "model", RTT: rtt})
		if err != nil {
			t.Fatal(err)
		}
		l := newLab(t, ecdsaKey, r.server, r.client)
		if r.mutual {
			l.server.ClientAuth = tls.RequireAndVerifyClientCert
		}
		profile := Profile{Version: r.version, Group: "x25519", Resumption: r.resumed}
		_, stop := origin(t, network, target, profile.Server(l.server))
		defer stop()
		cfg := profile.Client(l.client)
		if r.resumed {
			pull(t, Dialer{Network: network}, target, cfg)
		}
		trace := pull(t, Dialer{Network: network}, target, cfg)
		if trace.Resumed != r.resumed {
			t.Fatalf("resumed: %v", trace.Resumed)
		}
		checkRoundTrips(t, trace, r.want)
	})
}

func TestPlainRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, err := NewModel(Link{RTT: rtt})
		if err != nil {
			t.Fatal(err)
		}
		_, stop := origin(t, network, target, nil)
		defer stop()
		c, err := Dialer{Network: network}.Dial(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		trace := Plain(c)
		if _, err := c.Write(make([]byte, requestSize)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, responseSize)); err != nil {
			t.Fatal(err)
		}
		trace.MarkFirstByte(c, time.Now())
		checkRoundTrips(t, trace, roundTrips{1, 2})
		if trace.FirstByteTurns != 2 || trace.Received != 0 || trace.Stage != StageHTTP {
			t.Errorf("trace %+v", trace)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestModelIsTheory holds the model to the same table that packets are held
// to in TestDistance, exactly.
func TestModelIsTheory(t *testing.T) {
	rows := 0
	for _, d := range distanceRows() {
		if d.quic {
			continue // a stream carries no datagrams
		}
		rows++
		t.Run(d.name, func(t *testing.T) {
			if d.plain {
				plainRoundTrips(t, d)
				return
			}
			d.mutual = true
			measure(t, d.row)
		})
	}
	if rows != 11 {
		t.Errorf("%d rows over TCP instead of 11", rows)
	}
}

// plainRoundTrips lets a kept connection idle for an hour.
func plainRoundTrips(t *testing.T, d distanceRow) {
	synctest.Test(t, func(t *testing.T) {
		p := openPath(t, Link{Kind: "model", RTT: rtt})
		at, stop := origin(t, p, target, nil)
		defer stop()
		c, err := Dialer{Network: p}.Dial(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		trace := Plain(c)
		if err := ask(c, trace, c); err != nil {
			t.Fatal(err)
		}
		took := roundTrips{trace.Connect, trace.FirstByte}
		if d.kept {
			time.Sleep(time.Hour) // virtual
			start := time.Now()
			if err := ask(c, nil, c); err != nil {
				t.Fatal(err)
			}
			took = roundTrips{0, time.Since(start)}
		}
		if took.handshake != d.want.handshake*rtt || took.firstByte != d.want.firstByte*rtt {
			t.Errorf("%+v instead of %+v times %s", took, d.want, rtt)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}
