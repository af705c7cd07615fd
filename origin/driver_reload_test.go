package origin

import (
	"maps"
	"strings"
	"testing"

	"github.com/originpull/originpull/pki"
)

// TestServersReload: a revocation list takes effect, a damaged bundle is refused
// and changes nothing, and a server that cannot says so.
func TestServersReload(t *testing.T) {
	everyServer(t, func(t *testing.T, d Driver) {
		l := newLab(t)
		if !d.Reloads() {
			b := l.bench(d, nil)
			if err := b.running.Reload(t.Context(), b.running.Config.Policy, l.credentials()); err == nil || !strings.Contains(err.Error(), "at the start") {
				t.Errorf("error %v", err)
			}
			return
		}
		stolen := l.client("spiffe://lab/stolen", pki.NoFlaw)
		p := mustPolicy(t, Settings{ClientRoots: "roots", Pin: PinNone, RevocationList: "revoked"}, MTLS)
		b := l.bench(d, func(s *Setup) { s.Config.Policy = p })
		if got := b.pull(pull{cert: stolen}); !got.served() {
			t.Fatalf("before the revocation: %v, status %d", got.err, got.status)
		}
		l.revoke(stolen)
		if err := b.running.Reload(t.Context(), p, l.credentials()); err != nil {
			t.Fatal(err)
		}
		b.refused(pull{version: "1.3", cert: stolen}, Freshness)
		damaged := l.credentials()
		damaged.Roots = maps.Clone(damaged.Roots)
		damaged.Roots["roots"] = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"
		p.RevocationList = ""
		if err := b.running.Reload(t.Context(), p, damaged); err == nil || !strings.Contains(err.Error(), "stays as it was") {
			t.Errorf("a damaged bundle: %v", err)
		}
		b.refused(pull{version: "1.3", cert: stolen}, Freshness)
		if got := b.pull(pull{cert: l.edge}); !got.served() {
			t.Errorf("after the damage: %v, status %d", got.err, got.status)
		}
	})
}
