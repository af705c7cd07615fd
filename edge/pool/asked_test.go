package pool

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"github.com/originpull/originpull/wire"
)

// TestMustBeAsked has an origin that asks and one that does not, over TCP and
// over QUIC. Where it must be asked, a client sends no request to the latter.
func TestMustBeAsked(t *testing.T) {
	for auth, l := range newLab(t).h3Identities() {
		for _, must := range []bool{false, true} {
			t.Run(map[bool]string{false: "may be", true: "must be"}[must]+" asked, by "+auth+", h3", func(t *testing.T) {
				origin, at := localH3(t, l, false)
				defer origin.stop(t)
				target := l.h3Target(at, "one", false, false)
				target.MustBeAsked = must
				checkAsked(t, target, must && auth == "server")
				if sent := origin.requests.Load(); (sent == 0) != (must && auth == "server") {
					t.Errorf("%d requests reached the origin", sent)
				}
			})
			for _, version := range wire.Versions() {
				t.Run(map[bool]string{false: "may be", true: "must be"}[must]+" asked, by "+auth+", TLS "+version, func(t *testing.T) {
					bubble(t, func(t *testing.T, network *wire.Model) {
						l := newLab(t).h3Identities()[auth] // of the bubble's time
						o := serve(t, network, modelled, under(l.server, always))
						p := newPool(t, Config{Reuse: true})
						target := l.target(modelled, "one", wire.Profile{Version: version, Group: "x25519"})
						target.Dialer.Network, target.MustBeAsked = network, must
						var resp Response
						x, err := p.Do(t.Context(), target, get, &resp)
						refused := must && auth == "server"
						if errors.Is(err, ErrNotAsked) != refused || (x.Failed == StageTLS) != refused || x.Trace == nil {
							t.Errorf("exchange %+v: %v", x, err)
						}
						s := done(t, p, o)
						if s.HandshakesFailed+s.HandshakesFull != 1 || (s.HandshakesFailed == 1) != refused || (s.Requests == 0) != refused {
							t.Errorf("stats %+v", s)
						}
					})
				})
			}
		}
	}
}

func checkAsked(t *testing.T, target *Target, refused bool) {
	t.Helper()
	p := newPool(t, Config{})
	var resp Response
	x, err := p.Do(t.Context(), target, get, &resp)
	if errors.Is(err, ErrNotAsked) != refused || (err != nil) != refused || (x.Failed == StageTLS) != refused {
		t.Errorf("exchange %+v: %v", x, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if s := p.Stats(); s.Connects != 1 || s.HandshakesFailed+s.HandshakesFull != 1 || s.Open != 0 {
		t.Errorf("stats %+v", s)
	}
}

// TestAskedLanes: who must be asked shares no connection with who need not.
func TestAskedLanes(t *testing.T) {
	bubble(t, func(t *testing.T, network *wire.Model) {
		l := newLab(t)
		l.server.ClientAuth = tls.NoClientCert
		o := serve(t, network, modelled, under(l.server, always))
		p := newPool(t, Config{Reuse: true})
		target := l.target(modelled, "one", wire.Profile{Version: "1.3", Group: "x25519"})
		target.Dialer.Network = network
		do(t, p, target)
		strict := *target
		strict.MustBeAsked = true
		var resp Response
		if x, err := p.Do(t.Context(), &strict, get, &resp); !errors.Is(err, ErrNotAsked) || x.Reused {
			t.Errorf("exchange %+v: %v", x, err)
		}
		done(t, p, o)
	})
}

func TestEarlyCannotBeAsked(t *testing.T) {
	l := newLab(t)
	target := l.h3Target(modelled, "one", true, true)
	target.MustBeAsked = true
	p := newPool(t, Config{})
	var resp Response
	x, err := p.Do(t.Context(), target, get, &resp)
	if err == nil || x.Failed != StageWait || !strings.Contains(err.Error(), "0-RTT") {
		t.Errorf("exchange %+v: %v", x, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
