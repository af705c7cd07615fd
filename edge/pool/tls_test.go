package pool

import (
	"crypto/tls"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/originpull/originpull/wire"
)

// TestRefusedCertificate is a client without a certificate at an origin that
// asks for one: TLS 1.2 refuses in the handshake, TLS 1.3 with the first read.
func TestRefusedCertificate(t *testing.T) {
	for _, version := range wire.Versions() {
		t.Run(version, func(t *testing.T) {
			bubble(t, func(t *testing.T, network *wire.Model) {
				l := newLab(t)
				o := serve(t, network, modelled, under(l.server, always))
				p := newPool(t, Config{Reuse: true})
				target := l.target(modelled, "", wire.Profile{Version: version, Group: "x25519"})
				target.Dialer.Network = network
				for range 3 {
					var resp Response
					x, err := p.Do(t.Context(), target, get, &resp)
					failed(t, x, err, StageTLS)
					if x.Trace == nil || x.Trace.Version != version || x.Retried || !x.FirstByte.IsZero() {
						t.Errorf("exchange %+v", x)
					}
					if returned := x.Trace != nil && x.Trace.Cipher != ""; returned != (version == "1.3") {
						t.Errorf("handshake returned: %v", returned)
					}
				}
				s := done(t, p, o)
				if s.HandshakesFailed != 3 || s.HandshakesFull != 0 || s.Connects != 3 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

// TestRefusedOrigin is an origin that the edge does not trust.
func TestRefusedOrigin(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		l := newLab(t)
		o := serve(t, network, modelled, under(l.server, always))
		p := newPool(t, Config{Reuse: true})
		target := l.target(modelled, "one", wire.Profile{Version: "1.3", Group: "x25519"})
		target.Dialer.Network = network
		target.ServerName = "other.test"
		var resp Response
		x, err := p.Do(t.Context(), target, get, &resp)
		failed(t, x, err, StageTLS)
		var verify *tls.CertificateVerificationError
		if !errors.As(err, &verify) {
			t.Errorf("error %v", err)
		}
		if s := done(t, p, o); s.HandshakesFailed != 1 || s.Requests != 0 || s.Closed[ReasonHandshake] != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestIdentitiesShareNothing makes requests as several identities in turn, at
// an origin that says whom it sees. Even over one TLS configuration, neither
// connections nor sessions pass from one to another.
func TestIdentitiesShareNothing(t *testing.T) {
	for _, version := range wire.Versions() {
		bubble(t, func(t *testing.T, network *wire.Model) {
			l := newLab(t)
			var mu sync.Mutex
			resumptions := map[string]int{}
			l.server.VerifyConnection = func(state tls.ConnectionState) error {
				mu.Lock()
				defer mu.Unlock()
				if state.DidResume {
					resumptions[state.PeerCertificates[0].DNSNames[0]]++
				}
				return nil
			}
			o := serve(t, network, modelled, under(l.server, always))
			p := newPool(t, Config{Reuse: true})
			profile := wire.Profile{Version: version, Group: "x25519", Resumption: true}
			one, two := l.target(modelled, "one", profile), l.target(modelled, "two", profile)
			shared := *one
			shared.Identity = "an alias of one"
			targets := []*Target{one, two, &shared}
			for _, target := range targets {
				target.Dialer.Network = network
			}
			for round := range 3 {
				for _, target := range targets {
					if x := do(t, p, target); x.Reused || x.Trace.Resumed != (round > 0) {
						t.Errorf("TLS %s, round %d, %s: reused %v, resumed %v", version, round, target.Identity, x.Reused, x.Trace.Resumed)
					}
				}
				for _, target := range targets {
					if x := do(t, p, target); !x.Reused {
						t.Errorf("TLS %s, round %d, %s: not reused", version, round, target.Identity)
					}
				}
				p.CloseIdle()
			}
			s := done(t, p, o)
			if s.HandshakeSent == 0 || s.HandshakeReceived == 0 {
				t.Errorf("TLS %s: no bytes of handshakes: %+v", version, s)
			}
			if s.HandshakesFull != 3 || s.HandshakesResumed != 6 || s.Reused != 9 {
				t.Errorf("TLS %s: stats %+v", version, s)
			}
			// "one" stands for itself and its alias.
			if resumptions["one"] != 4 || resumptions["two"] != 2 {
				t.Errorf("TLS %s: resumptions %v", version, resumptions)
			}
		})
	}
}

// TestResumptionKeepsTheOldIdentity swaps the client's certificate under the
// pool's feet, where crypto/tls asks for it at each handshake. The session of
// the old one is resumed all the same, without asking, and the origin goes on
// seeing whom it saw. Only another configuration, which is another lane with a
// session cache of its own, is a new identity.
func TestResumptionKeepsTheOldIdentity(t *testing.T) {
	for _, version := range wire.Versions() {
		bubble(t, func(t *testing.T, network *wire.Model) {
			l := newLab(t)
			var seen, shown atomic.Value
			l.server.VerifyConnection = func(state tls.ConnectionState) error {
				seen.Store(state.PeerCertificates[0].DNSNames[0])
				return nil
			}
			o := serve(t, network, modelled, under(l.server, always))
			p := newPool(t, Config{})
			target := l.target(modelled, "", wire.Profile{Version: version, Group: "x25519", Resumption: true})
			target.Dialer.Network = network
			target.TLS.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				certificate := l.client[shown.Load().(string)]
				return &certificate, nil
			}
			fresh := *target
			fresh.TLS = target.TLS.Clone() // even with the same cache in it
			for i, step := range []struct {
				target      *Target
				shown, seen string
				resumed     bool
			}{
				{target, "one", "one", false},
				{target, "one", "one", true},
				{target, "two", "one", true}, // the trap
				{&fresh, "two", "two", false},
				{&fresh, "two", "two", true},
				{target, "two", "one", true}, // it does not heal either
			} {
				shown.Store(step.shown)
				x := do(t, p, step.target)
				if x.Trace.Resumed != step.resumed || seen.Load() != step.seen {
					t.Errorf("TLS %s, step %d: shown %s, the origin saw %s, resumed %v; want %s, %v",
						version, i, step.shown, seen.Load(), x.Trace.Resumed, step.seen, step.resumed)
				}
			}
			done(t, p, o)
		})
	}
}

// TestLanes changes one thing of a target at a time: each is another lane.
func TestLanes(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		l := newLab(t)
		l.server.ClientAuth = tls.NoClientCert
		o := serve(t, network, modelled, under(l.server, always))
		p := newPool(t, Config{Reuse: true})
		base := l.target(modelled, "one", wire.Profile{Version: "1.3", Group: "x25519"})
		base.Dialer.Network = network
		base.TLS.InsecureSkipVerify = true // so that the name may change
		do(t, p, base)
		for name, change := range map[string]func(*Target){
			"identity":    func(t *Target) { t.Identity = "two" },
			"server name": func(t *Target) { t.ServerName = "other.test" },
			"TLS":         func(t *Target) { t.TLS = t.TLS.Clone() },
			"source":      func(t *Target) { t.Dialer.Source = modelled.Addr().Next() },
		} {
			changed := *base
			change(&changed)
			if x := do(t, p, &changed); x.Reused {
				t.Errorf("another %s reuses a connection", name)
			}
		}
		same := *base
		if x := do(t, p, &same); !x.Reused {
			t.Error("an equal target does not reuse")
		}
		done(t, p, o)
	})
}
