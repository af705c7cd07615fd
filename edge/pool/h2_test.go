package pool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/originpull/originpull/wire"
)

func (l *lab) h2Target(at netip.AddrPort, identity string, profile wire.Profile) *Target {
	target := l.target(at, identity, profile)
	target.Protocol = H2
	return target
}

var modern = wire.Profile{Version: "1.3", Group: "x25519"}

// modelledH2 is net/http behind a modelled link; every request takes think.
func modelledH2(t *testing.T, network *wire.Model, l *lab, streams int, think time.Duration) (*standardOrigin, *Target) {
	t.Helper()
	o := serveStandardOn(t, network, modelled, l, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(think):
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "hello")
	}, streams)
	target := l.h2Target(modelled, "one", modern)
	target.Dialer.Network = network
	return o, target
}

// burst makes n requests at once, which must succeed.
func burst(t *testing.T, p *Pool, target *Target, n int) []Exchange {
	t.Helper()
	exchanges := make([]Exchange, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			var resp Response
			x, err := p.Do(t.Context(), target, get, &resp)
			if err != nil || resp.Status != 200 || string(resp.Body) != "hello" {
				t.Errorf("exchange %+v, status %d, body %q: %v", x, resp.Status, resp.Body, err)
			}
			exchanges[i] = x
		})
	}
	wg.Wait()
	return exchanges
}

// TestH2ColdBurst: one dial, and more connections only where the origin's
// SETTINGS leave no stream. Nothing is refused on the way.
func TestH2ColdBurst(t *testing.T) {
	for _, test := range []struct {
		streams, requests, limit int
		connections, waits       int64
	}{
		{0, 16, 0, 1, 0},
		{16, 16, 0, 1, 0},
		{15, 16, 0, 2, 0},
		{4, 16, 0, 4, 0},
		{1, 5, 0, 5, 0},
		{4, 16, 2, 2, 0},
	} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			bubble(t, func(t *testing.T, network *wire.Model) {
				o, target := modelledH2(t, network, newLab(t), test.streams, 10*time.Second)
				p := newPool(t, Config{Reuse: true, MaxConnections: test.limit})
				made := int64(0)
				for _, x := range burst(t, p, target, test.requests) {
					if !x.Reused {
						made++
						if x.Trace == nil || x.Trace.ALPN != "h2" {
							t.Errorf("trace %+v", x.Trace)
						}
					}
				}
				if again := burst(t, p, target, 1); !again[0].Reused {
					t.Error("nothing is reused")
				}
				s := o.stop(t, p)
				if made != test.connections || s.Connects != test.connections || s.Dials != test.connections || s.HandshakesFull != test.connections {
					t.Errorf("%d connections were made; stats %+v", made, s)
				}
				if s.Requests != int64(test.requests)+1 || s.StaleRetries != 0 || s.Shared != int64(test.requests)-1 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

// TestH2TurnsAreRoundTrips: under a delay that nothing else adds to, the time
// to the first byte of HEADERS is the counted turns times the round trip.
func TestH2TurnsAreRoundTrips(t *testing.T) {
	for _, version := range wire.Versions() {
		for _, identity := range []string{"", "one"} {
			for _, resumption := range []bool{false, true} {
				bubble(t, func(t *testing.T, network *wire.Model) {
					l := newLab(t)
					if identity == "" {
						l.server.ClientAuth = 0
					}
					o, _ := modelledH2(t, network, l, 0, 0)
					p := newPool(t, Config{})
					target := l.h2Target(modelled, identity, wire.Profile{Version: version, Group: "x25519", Resumption: resumption})
					target.Dialer.Network = network
					received := int64(0)
					for i := range 4 {
						x := do(t, p, target)
						turns, _ := wire.Turns(version, resumption && i > 0)
						if x.Trace.Turns != turns || x.Trace.FirstByteTurns != turns+2 || x.Trace.FirstByte != time.Duration(turns+2)*rtt || x.Trace.Stage != wire.StageHTTP {
							t.Errorf("TLS %s, resumption %v, exchange %d: %+v", version, resumption, i, x.Trace)
						}
						if d := x.Trace.Received - received; i > 1 && max(d, -d) > 6 {
							t.Errorf("TLS %s, exchange %d: %d bytes received after %d", version, i, x.Trace.Received, received)
						}
						received = x.Trace.Received
						if x.FirstByte.Sub(x.Start) != x.Trace.FirstByte || x.Reused {
							t.Errorf("exchange %+v", x)
						}
					}
					if s := o.stop(t, p); s.Closed[ReasonOnce] != 4 {
						t.Errorf("stats %+v", s)
					}
				})
			}
		}
	}
}

// TestH2ReusedTakesOneRoundTrip, and the idle timeout ends it.
func TestH2ReusedTakesOneRoundTrip(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		o, target := modelledH2(t, network, newLab(t), 0, 0)
		p := newPool(t, Config{Reuse: true, IdleTimeout: time.Minute})
		do(t, p, target)
		time.Sleep(59 * time.Second)
		x := do(t, p, target)
		if !x.Reused || x.Trace != nil || x.End.Sub(x.Start) != rtt || x.FirstByte.Sub(x.Start) != rtt {
			t.Errorf("exchange %+v", x)
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if s := p.Stats(); s.Open != 0 || s.Closed[ReasonIdle] != 1 {
			t.Errorf("stats %+v", s)
		}
		if x := do(t, p, target); x.Reused {
			t.Error("an idle connection outlives its timeout")
		}
		o.stop(t, p)
	})
}

// TestH2Waits: with every stream and every connection taken, requests wait
// their turn, first come, first served.
func TestH2Waits(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		o, target := modelledH2(t, network, newLab(t), 2, time.Second)
		p := newPool(t, Config{Reuse: true, MaxConnections: 1})
		do(t, p, target)
		start := time.Now()
		var wg sync.WaitGroup
		ends := make([]time.Duration, 6)
		for i := range ends {
			wg.Go(func() {
				x := do(t, p, target)
				ends[i] = x.End.Sub(start)
				if want := time.Duration(i/2) * (rtt + time.Second); x.Wait != want {
					t.Errorf("request %d waited %s, want %s", i, x.Wait, want)
				}
			})
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var resp Response
		x, err := p.Do(ctx, target, get, &resp)
		failed(t, x, err, StageWait)
		wg.Wait()
		for i, end := range ends {
			if want := time.Duration(i/2+1) * (rtt + time.Second); end != want {
				t.Errorf("request %d took %s, want %s", i, end, want)
			}
		}
		if s := o.stop(t, p); s.Connects != 1 || s.Waits != 5 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestH2IdentitiesShareNothing, even over one TLS configuration.
func TestH2IdentitiesShareNothing(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		l := newLab(t)
		o, one := modelledH2(t, network, l, 0, time.Second)
		two := l.h2Target(modelled, "two", modern)
		two.Dialer.Network = network
		alias := *one
		alias.Identity = "an alias of one"
		h1 := *one
		h1.Protocol = H1
		p := newPool(t, Config{Reuse: true})
		var wg sync.WaitGroup
		for range 2 {
			for _, target := range []*Target{one, two, &alias, &h1} {
				wg.Go(func() { do(t, p, target) })
			}
		}
		wg.Wait()
		// One of each over h2, two over h1.
		if s := o.stop(t, p); s.Connects != 5 || s.HandshakesFull != 5 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestH2NotAgreed is an origin without HTTP/2: one that has other protocols,
// and one that does not know ALPN.
func TestH2NotAgreed(t *testing.T) {
	for _, test := range []struct {
		protocols []string
		want      string
	}{
		{nil, "agreed on no protocol in the handshake (ALPN)"},
		{[]string{"http/1.1"}, "no application protocol"},
	} {
		bubble(t, func(t *testing.T, network *wire.Model) {
			l := newLab(t)
			l.server.NextProtos = test.protocols
			o := serve(t, network, modelled, under(l.server, always))
			p := newPool(t, Config{Reuse: true})
			target := l.h2Target(modelled, "one", modern)
			target.Dialer.Network = network
			var resp Response
			x, err := p.Do(t.Context(), target, get, &resp)
			failed(t, x, err, StageTLS)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if s := done(t, p, o); s.HandshakesFailed != 1 || s.Closed[ReasonHandshake] != 1 || s.Requests != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// TestH2RefusedCertificate: TLS 1.2 refuses in the handshake, TLS 1.3 with the
// first read. All who shared the dial fail with it.
func TestH2RefusedCertificate(t *testing.T) {
	for _, version := range wire.Versions() {
		t.Run(version, func(t *testing.T) {
			bubble(t, func(t *testing.T, network *wire.Model) {
				l := newLab(t)
				o, _ := modelledH2(t, network, l, 0, 0)
				p := newPool(t, Config{Reuse: true})
				target := l.h2Target(modelled, "", wire.Profile{Version: version, Group: "x25519"})
				target.Dialer.Network = network
				var wg sync.WaitGroup
				for range 5 {
					wg.Go(func() {
						var resp Response
						x, err := p.Do(t.Context(), target, get, &resp)
						failed(t, x, err, StageTLS)
						if x.Retried || !x.FirstByte.IsZero() {
							t.Errorf("exchange %+v", x)
						}
					})
				}
				wg.Wait()
				if s := o.stop(t, p); s.HandshakesFailed != 1 || s.Connects != 1 || s.HandshakesFull != 0 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

// TestH2DialFails: those who waited for the dial fail with it, unless the
// dialling request left on its own account.
func TestH2DialFails(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		l := newLab(t)
		target := l.h2Target(modelled, "one", modern)
		target.Dialer.Network = network
		p := newPool(t, Config{Reuse: true})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				var resp Response
				x, err := p.Do(t.Context(), target, get, &resp)
				failed(t, x, err, StageTCP)
			})
		}
		wg.Wait()
		if s := p.Stats(); s.Dials != 1 || s.Connects != 0 {
			t.Errorf("stats %+v", s)
		}
		o, _ := modelledH2(t, network, l, 0, 0)
		ctx, cancel := context.WithTimeout(t.Context(), rtt/2)
		defer cancel()
		wg.Go(func() {
			var resp Response
			x, err := p.Do(ctx, target, get, &resp)
			failed(t, x, err, StageTCP)
		})
		synctest.Wait()
		burst(t, p, target, 3)
		wg.Wait()
		time.Sleep(time.Second)
		if s := o.stop(t, p); s.Dials != 3 || s.HandshakesFull != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestH2LimitsResponses: content beyond the limit, silence, and what is not
// followed, and that the connection stays of use.
func TestH2LimitsResponses(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		l := newLab(t)
		o := serveStandardOn(t, network, modelled, l, func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/large":
				_, _ = w.Write(make([]byte, 1001))
			case "/silent":
				<-r.Context().Done()
			case "/away":
				http.Redirect(w, r, "https://elsewhere.test/", http.StatusFound)
			default:
				if r.UserAgent() != "" || r.Header.Get("Accept-Encoding") != "" || r.RequestURI != "/a|b%2f//c?d=e f"[:len("/a|b%2f//c?d=e")] {
					w.WriteHeader(http.StatusTeapot)
				}
			}
		}, 0)
		target := l.h2Target(modelled, "one", modern)
		target.Dialer.Network = network
		p := newPool(t, Config{Reuse: true, MaxBody: 1000, ResponseTimeout: time.Minute})
		ask := func(path string) (int, Exchange, error) {
			var resp Response
			x, err := p.Do(t.Context(), target, &Request{Method: "GET", Host: originName, Path: path}, &resp)
			return resp.Status, x, err
		}
		if status, _, err := ask("/a|b%2f//c?d=e"); status != 200 || err != nil {
			t.Errorf("status %d: %v", status, err)
		}
		if status, _, err := ask("/away"); status != 302 || err != nil {
			t.Errorf("status %d: %v", status, err)
		}
		_, x, err := ask("/large")
		failed(t, x, err, StageHTTP)
		start := time.Now()
		_, x, err = ask("/silent")
		failed(t, x, err, StageHTTP)
		if took := time.Since(start); took != time.Minute || !strings.Contains(fmt.Sprint(err), "no response within 1m0s") {
			t.Errorf("%s: %v", took, err)
		}
		// Nothing at all came in that minute, so that connection is given up.
		if s := p.Stats(); s.Connects != 1 || s.Closed[ReasonFailed] != 1 {
			t.Errorf("stats %+v", s)
		}
		o.stop(t, p)
	})
}

// TestH2CloseFailsRequests: Close ends what is under way and what waits.
func TestH2CloseFailsRequests(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		o, target := modelledH2(t, network, newLab(t), 1, 20*time.Second)
		p := newPool(t, Config{Reuse: true, MaxConnections: 1})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				var resp Response
				if x, err := p.Do(t.Context(), target, get, &resp); !errors.Is(err, ErrClosed) {
					t.Errorf("exchange %+v: %v", x, err)
				}
			})
		}
		time.Sleep(10 * time.Second)
		o.stop(t, p)
		wg.Wait()
	})
}

// h2Frame is one frame as bytes.
func h2Frame(kind, flags byte, id uint32, payload ...byte) []byte {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return append(binary.BigEndian.AppendUint32(b, id), payload...)
}

const endBoth = 0x5 // END_STREAM and END_HEADERS

// ok is HEADERS with :status 200 from HPACK's static table, and no content.
func okFrame(id uint32) []byte { return h2Frame(frameHeaders, endBoth, id, 0x88) }

// rawH2 speaks HTTP/2 by hand: it sends its SETTINGS and passes the number of
// each request's stream to answer, which returns what to send, or nil to end.
func rawH2(answer func(connection int, id uint32) []byte) script {
	return func(n int, conn net.Conn) {
		if _, err := conn.Write(h2Frame(frameSettings, 0, 0)); err != nil {
			return
		}
		in := frames{skip: prefaceLength}
		buf := make([]byte, 4096)
		for over := false; !over; {
			m, err := conn.Read(buf)
			if err != nil {
				return
			}
			in.scan(buf[:m], time.Time{}, func(f frame) {
				if f.kind != frameHeaders || over {
					return
				}
				reply := answer(n, f.stream)
				if _, err := conn.Write(reply); err != nil || reply == nil {
					over = true
				}
			})
		}
	}
}

// TestH2SendsAgain: what the origin has not looked at may be sent again,
// whatever it asks; what it may have looked at only when that does no harm.
func TestH2SendsAgain(t *testing.T) {
	word := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	refused := func(id uint32) []byte { return h2Frame(frameReset, 0, id, word(codeRefused)...) }
	goAway := func(last uint32) []byte { return h2Frame(frameGoAway, 0, 0, append(word(last), word(0)...)...) }
	for _, test := range []struct {
		name        string
		answer      func(connection int, id uint32) []byte
		get, post   bool // the second request is answered
		connections int64
		requests    int64
		reason      string
	}{
		{"refused", func(_ int, id uint32) []byte {
			if id == 3 {
				return refused(3)
			}
			return okFrame(id)
		}, true, true, 1, 3, ""},
		{"refused twice", func(_ int, id uint32) []byte {
			if id >= 3 {
				return refused(id)
			}
			return okFrame(id)
		}, false, false, 1, 3, ""},
		{"beyond GOAWAY", func(n int, id uint32) []byte {
			if n == 0 && id == 3 {
				return goAway(1)
			}
			return okFrame(id)
		}, true, true, 2, 3, ReasonOrigin},
		{"within GOAWAY", func(_ int, id uint32) []byte {
			if id == 3 {
				return append(goAway(3), okFrame(3)...)
			}
			return okFrame(id)
		}, true, true, 1, 2, ReasonOrigin},
		{"within GOAWAY, and ends", func(n int, id uint32) []byte {
			if n > 0 || id != 3 {
				return okFrame(id)
			}
			return append(goAway(3), h2Frame(frameReset, 0, 3, word(2)...)...)
		}, false, false, 1, 2, ReasonFailed},
		{"ends before any answer", func(n int, id uint32) []byte {
			if n == 0 && id == 3 {
				return nil
			}
			if n == 1 {
				return nil
			}
			return okFrame(id)
		}, false, false, 2, 3, ReasonStale},
		{"ends", func(n int, id uint32) []byte {
			if n == 0 && id == 3 {
				return nil
			}
			return okFrame(id)
		}, true, false, 2, 3, ReasonStale},
		{"reset for another reason", func(_ int, id uint32) []byte {
			if id == 3 {
				return h2Frame(frameReset, 0, id, word(2)...)
			}
			return okFrame(id)
		}, false, false, 1, 2, ""},
	} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(test.name+"/"+method, func(t *testing.T) {
				bubble(t, func(t *testing.T, network *wire.Model) {
					l := newLab(t)
					l.server.NextProtos = []string{"h2"}
					o := serve(t, network, modelled, under(l.server, rawH2(test.answer)))
					target := l.h2Target(modelled, "one", modern)
					target.Dialer.Network = network
					p := newPool(t, Config{Reuse: true})
					var resp Response
					if _, err := p.Do(t.Context(), target, get, &resp); err != nil {
						t.Fatal(err)
					}
					x, err := p.Do(t.Context(), target, &Request{Method: method, Host: originName, Path: "/"}, &resp)
					want, requests, connections := test.get, test.requests, test.connections
					if method == "POST" {
						want = test.post
						if !want && test.reason == ReasonStale {
							requests, connections = requests-1, connections-1
						}
					}
					if want != (err == nil) || want && resp.Status != 200 || x.Retried != (requests == 3) {
						t.Errorf("exchange %+v, status %d: %v", x, resp.Status, err)
					}
					if !want {
						failed(t, x, err, StageHTTP)
					}
					s := done(t, p, o)
					reason := test.reason
					if method == "POST" && reason == ReasonStale {
						reason = ReasonFailed
					}
					if s.Requests != requests || s.Connects != connections || s.StaleRetries != requests-2 || reason != "" && s.Closed[reason] != 1 {
						t.Errorf("stats %+v", s)
					}
				})
			})
		}
	}
}

// TestH2NeverAnsweredIsNotStale: a request that shares a connection which ends
// before its first answer is not sent again: that was no kept connection.
func TestH2NeverAnsweredIsNotStale(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		l := newLab(t)
		l.server.NextProtos = []string{"h2"}
		o := serve(t, network, modelled, under(l.server, rawH2(func(_ int, id uint32) []byte {
			if id < 5 {
				return []byte{}
			}
			return nil
		})))
		target := l.h2Target(modelled, "one", modern)
		target.Dialer.Network = network
		p := newPool(t, Config{Reuse: true})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				var resp Response
				x, err := p.Do(t.Context(), target, get, &resp)
				failed(t, x, err, StageHTTP)
				if x.Retried {
					t.Errorf("exchange %+v", x)
				}
			})
		}
		wg.Wait()
		if s := done(t, p, o); s.Connects != 1 || s.Requests != 3 || s.RaceLost != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestH2StreamsAreToldApart: many requests at once, each of which gets the
// reply and the first byte of its own.
func TestH2StreamsAreToldApart(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		l := newLab(t)
		var served atomic.Int64
		o := serveStandardOn(t, network, modelled, l, func(w http.ResponseWriter, r *http.Request) {
			var n int
			_, _ = fmt.Sscanf(r.URL.Path, "/%d", &n)
			time.Sleep(time.Duration(n) * time.Second)
			served.Add(1)
			_, _ = io.WriteString(w, r.URL.Path)
		}, 0)
		target := l.h2Target(modelled, "one", modern)
		target.Dialer.Network = network
		p := newPool(t, Config{Reuse: true, ResponseTimeout: time.Hour})
		var resp Response
		if _, err := p.Do(t.Context(), target, get, &resp); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for n := range 50 {
			wg.Go(func() {
				path := fmt.Sprintf("/%d", n)
				var resp Response
				x, err := p.Do(t.Context(), target, &Request{Method: "GET", Host: originName, Path: path}, &resp)
				if err != nil || string(resp.Body) != path {
					t.Errorf("%s: %q: %v", path, resp.Body, err)
				}
				if got, want := x.FirstByte.Sub(x.Start), rtt+time.Duration(n)*time.Second; got != want {
					t.Errorf("%s: first byte after %s, want %s", path, got, want)
				}
			})
		}
		wg.Wait()
		if s := o.stop(t, p); s.Connects != 1 || served.Load() != 51 {
			t.Errorf("%d served; stats %+v", served.Load(), s)
		}
	})
}
