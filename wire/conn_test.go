package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// TestTurns counts what handshakes take on a real loopback connection, and
// compares with the theory of the registry.
func TestTurns(t *testing.T) {
	for _, version := range Versions() {
		for _, mutual := range []bool{false, true} {
			for _, group := range []string{"x25519", "p256"} {
				full, _ := Turns(version, false)
				resumed, _ := Turns(version, true)
				l := newLab(t, ecdsaKey, 0, 0)
				if mutual {
					l.server.ClientAuth = tls.RequireAndVerifyClientCert
				}
				profile := Profile{Version: version, Group: group, Resumption: true}
				at, stop := origin(t, Direct{}, loopback, profile.Server(l.server))
				cfg := profile.Client(l.client)
				for i, want := range []int{full, resumed, resumed} {
					trace := pull(t, Dialer{}, at, cfg)
					if trace.Turns != want || trace.FirstByteTurns != want+2 {
						t.Errorf("TLS %s, mutual %v, connection %d: %d turns, %d to the first byte; want %d and %d",
							version, mutual, i, trace.Turns, trace.FirstByteTurns, want, want+2)
					}
					// The client speaks first; a full 1.2 handshake ends with
					// the server, every other with the client.
					flights := 2*want + 1
					if want == 2 {
						flights = 4
					}
					if trace.Flights != flights {
						t.Errorf("TLS %s, connection %d: %d flights instead of %d", version, i, trace.Flights, flights)
					}
					if trace.Version != version || trace.Resumed != (i > 0) || trace.HelloRetry || trace.Cipher == "" || trace.Stage != StageHTTP {
						t.Errorf("trace %+v", trace)
					}
					if trace.Group != group {
						t.Errorf("TLS %s, connection %d: group %q instead of %q", version, i, trace.Group, group)
					}
				}
				stop()
			}
		}
	}
}

func TestTurnsWithHelloRetryRequest(t *testing.T) {
	for _, mutual := range []bool{false, true} {
		l := newLab(t, ecdsaKey, 0, 0)
		if mutual {
			l.server.ClientAuth = tls.RequireAndVerifyClientCert
		}
		profile := Profile{Version: "1.3", Group: "p256", HelloRetry: true, Resumption: true}
		if err := profile.Validate(); err != nil {
			t.Fatal(err)
		}
		at, stop := origin(t, Direct{}, loopback, profile.Server(l.server))
		cfg := profile.Client(l.client)
		for i := range 3 { // resumption does not spare the second round trip
			trace := pull(t, Dialer{}, at, cfg)
			if trace.Turns != 2 || trace.FirstByteTurns != 4 || trace.Flights != 5 || !trace.HelloRetry || trace.Group != "p256" || trace.Resumed != (i > 0) {
				t.Errorf("mutual %v, connection %d: trace %+v", mutual, i, trace)
			}
		}
		stop()
	}
}

// TestResumedMutualHandshakesAreBigger holds what resumption with a client
// certificate costs in bytes: the ticket carries the client's chain, and the
// client sends it back, under a handshake that got shorter by less. Compared
// are handshakes without any ticket with resumed ones, all of them exact.
func TestResumedMutualHandshakesAreBigger(t *testing.T) {
	for _, version := range Versions() {
		for _, mutual := range []bool{false, true} {
			l := newLab(t, ed25519Key, 0, 0)
			if mutual {
				l.server.ClientAuth = tls.RequireAndVerifyClientCert
			}
			bytes := map[bool][2]int64{}
			for _, resumed := range []bool{false, true} {
				profile := Profile{Version: version, Group: "x25519", Resumption: resumed}
				at, stop := origin(t, Direct{}, loopback, profile.Server(l.server))
				cfg := profile.Client(l.client)
				pull(t, Dialer{}, at, cfg) // earns the ticket
				for range 5 {
					trace := pull(t, Dialer{}, at, cfg)
					got := [2]int64{trace.Sent, trace.Received}
					if known, have := bytes[resumed]; trace.Resumed != resumed || have && known != got {
						t.Errorf("TLS %s, mutual %v, resumed %v: %v bytes after %v", version, mutual, trace.Resumed, got, known)
					}
					bytes[resumed] = got
				}
				stop()
			}
			full, resumed := bytes[false], bytes[true]
			if bigger := resumed[0] > full[0] && resumed[1] > full[1]; bigger != mutual {
				t.Errorf("TLS %s, mutual %v: full %v bytes sent and received, resumed %v", version, mutual, full, resumed)
			}
		}
	}
}

// TestBothEndsCountTheSame has the server's side counted too: at the moment
// its handshake returns, whatever it has read ahead.
func TestBothEndsCountTheSame(t *testing.T) {
	for _, version := range Versions() {
		for _, resumption := range []bool{false, true} {
			l := newLab(t, ecdsaKey, 0, 0)
			l.server.ClientAuth = tls.RequireAndVerifyClientCert
			profile := Profile{Version: version, Group: "x25519", Resumption: resumption}
			listener, err := Direct{}.Listen(loopback)
			if err != nil {
				t.Fatal(err)
			}
			handed := make(chan [2]int64)
			server := profile.Server(l.server)
			go func() {
				for {
					raw, err := listener.Accept()
					if err != nil {
						return
					}
					c := Accepted(raw)
					c.FollowRecords()
					conn := tls.Server(c, server)
					if err := conn.Handshake(); err != nil {
						t.Error(err)
					}
					sent, received := c.Handed()
					answer(t, conn, nil)
					handed <- [2]int64{sent, received}
				}
			}()
			cfg := profile.Client(l.client)
			for i := range 3 {
				trace := pull(t, Dialer{}, listener.Addr().(*net.TCPAddr).AddrPort(), cfg)
				if got, want := <-handed, ([2]int64{trace.Received, trace.Sent}); got != want || trace.Resumed != (resumption && i > 0) {
					t.Errorf("TLS %s, resumed %v: the server sent and received %v bytes, the client received and sent %v", version, trace.Resumed, got, want)
				}
			}
			if err := listener.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestBytes repeats handshakes. Ed25519 signatures have one length; ECDSA's
// are DER, so each of the two varies by a few bytes.
func TestBytes(t *testing.T) {
	const derSlack = 6
	for _, test := range []struct {
		name  string
		key   keyPair
		slack int64
	}{{"ed25519", ed25519Key, 0}, {"ecdsa", ecdsaKey, derSlack}} {
		for _, version := range Versions() {
			t.Run(test.name+"/"+version, func(t *testing.T) {
				l := newLab(t, test.key, 0, 0)
				l.server.ClientAuth = tls.RequireAndVerifyClientCert
				profile := Profile{Version: version, Group: "x25519"}
				at, stop := origin(t, Direct{}, loopback, profile.Server(l.server))
				defer stop()
				cfg := profile.Client(l.client)
				first := pull(t, Dialer{}, at, cfg)
				if first.Sent < 600 || first.Received < 600 {
					t.Fatalf("%d bytes sent, %d received: too few for two certificates", first.Sent, first.Received)
				}
				for range 20 {
					trace := pull(t, Dialer{}, at, cfg)
					if d := trace.Sent - first.Sent; max(d, -d) > test.slack {
						t.Errorf("%d bytes sent after %d", trace.Sent, first.Sent)
					}
					if d := trace.Received - first.Received; max(d, -d) > test.slack {
						t.Errorf("%d bytes received after %d", trace.Received, first.Received)
					}
				}
			})
		}
	}
}

// TestReceivedIncludesTickets compares handshakes with and without a ticket
// asked for. In TLS 1.3 the ticket arrives after the handshake has returned,
// at the latest together with the reply, which must not be counted.
func TestReceivedIncludesTickets(t *testing.T) {
	for _, mutual := range []bool{false, true} {
		l := newLab(t, ed25519Key, 0, 0)
		if mutual {
			l.server.ClientAuth = tls.RequireAndVerifyClientCert
		}
		received := map[bool]int64{}
		for _, tickets := range []bool{false, true} {
			profile := Profile{Version: "1.3", Group: "x25519", Resumption: tickets}
			at, stop := origin(t, Direct{}, loopback, profile.Server(l.server))
			for range 5 {
				trace := pull(t, Dialer{}, at, profile.Client(l.client))
				if known := received[tickets]; known != 0 && known != trace.Received {
					t.Errorf("mutual %v, tickets %v: %d bytes received after %d", mutual, tickets, trace.Received, known)
				}
				received[tickets] = trace.Received
			}
			stop()
		}
		// A ticket holds the client's certificate, if there is one.
		least := int64(100)
		if mutual {
			least = 400
		}
		if ticket := received[true] - received[false]; ticket < least {
			t.Errorf("mutual %v: the ticket is worth %d bytes", mutual, ticket)
		}
	}
}

// TestReceivedExcludesReplies has ticket and several reply records arrive in
// one segment.
func TestReceivedExcludesReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, err := NewModel(Link{RTT: rtt})
		if err != nil {
			t.Fatal(err)
		}
		l := newLab(t, ed25519Key, 0, 0)
		l.server.ClientAuth = tls.RequireAndVerifyClientCert
		listener, err := network.Listen(target)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			raw, err := listener.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			conn := tls.Server(raw, l.server)
			for range 3 { // the first write shakes hands
				if _, err := conn.Write([]byte("reply")); err != nil {
					t.Error(err)
				}
			}
		}()
		c, err := Dialer{Network: network}.Dial(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		conn, trace, err := Handshake(t.Context(), c, Profile{Version: "1.3", Group: "x25519", Resumption: true}.Client(l.client))
		if err != nil {
			t.Fatal(err)
		}
		reply := make([]byte, 100)
		n, err := conn.Read(reply)
		if n != len("reply") || err != nil {
			t.Fatal(n, err)
		}
		trace.MarkFirstByte(c, time.Now())
		const replyRecord = 5 + len("reply") + 1 + 16
		if got, want := trace.Received, c.Counts().Received-3*int64(replyRecord); got != want {
			t.Errorf("received %d before the first of three reply records instead of %d", got, want)
		}
		if c.Quiet() {
			t.Error("quiet, with two more records read ahead")
		}
		for range 2 {
			if n, err := conn.Read(reply); n != len("reply") || err != nil {
				t.Fatal(n, err)
			}
		}
		if !c.Quiet() {
			t.Error("not quiet after everything was read")
		}
		if err := errors.Join(conn.Close(), listener.Close()); err != nil {
			t.Error(err)
		}
	})
}

func TestHandshakeFailureHasATrace(t *testing.T) {
	l := newLab(t, ecdsaKey, 0, 0)
	l.server.ClientAuth = tls.RequireAndVerifyClientCert
	at, stop := origin(t, Direct{}, loopback, l.server)
	defer stop()
	l.client.Certificates = nil
	c, err := Dialer{}.Dial(context.Background(), at)
	if err != nil {
		t.Fatal(err)
	}
	conn, trace, err := Handshake(context.Background(), c, Profile{Version: "1.2", Group: "x25519"}.Client(l.client))
	if err == nil || conn != nil {
		t.Fatalf("without a certificate: %v, %v", conn, err)
	}
	if trace.Stage != StageTLS || trace.Version != "1.2" || trace.Cipher != "" || trace.Sent == 0 || trace.Received == 0 || trace.Turns == 0 {
		t.Errorf("trace %+v", trace)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestQuiet(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can look without reading")
	}
	for _, test := range []struct {
		name string
		do   func(net.Conn) error
		want bool
	}{
		{"nothing", func(net.Conn) error { return nil }, true},
		{"end", func(c net.Conn) error { return c.Close() }, false},
		{"bytes", func(c net.Conn) error { _, err := io.WriteString(c, "x"); return err }, false},
		{"reset", func(c net.Conn) error { return errors.Join(c.(*net.TCPConn).SetLinger(0), c.Close()) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, err := Direct{}.Listen(loopback)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Dialer{}.Dial(t.Context(), l.Addr().(*net.TCPAddr).AddrPort())
			if err != nil {
				t.Fatal(err)
			}
			accepted, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if !c.Quiet() {
				t.Error("not quiet at first")
			}
			if err := test.do(accepted); err != nil {
				t.Fatal(err)
			}
			// The kernel may deliver after the call that sent has returned.
			for start := time.Now(); !test.want && c.Quiet() && time.Since(start) < 5*time.Second; {
				runtime.Gosched()
			}
			if got := c.Quiet(); got != test.want {
				t.Errorf("quiet: %v", got)
			}
			if allocs := testing.AllocsPerRun(100, func() { c.Quiet() }); allocs != 0 {
				t.Errorf("a look allocates %v times", allocs)
			}
			_ = accepted.Close()
			if err := errors.Join(c.Close(), l.Close()); err != nil {
				t.Error(err)
			}
			if c.Quiet() {
				t.Error("quiet after Close")
			}
		})
	}
}
