package wire

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestCalibrateModelExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := openPath(t, Link{Kind: "model", RTT: rtt})
		c, err := p.Calibrate(t.Context())
		if err != nil || c.Nominal != rtt || c.Realised != rtt || c.Probes != calibrationProbes || c.Stats.Packets != 0 {
			t.Errorf("%+v, %v", c, err)
		}
		if trust := p.Judge(c, p.TakeStats()); !trust.Valid || trust.CPU || len(trust.Warnings) != 0 {
			t.Errorf("%+v", trust)
		}
	})
}

func TestCalibrateEveryKind(t *testing.T) {
	for _, l := range []Link{{Kind: "direct"}, {Kind: "model", RTT: 5 * ms}, {Kind: "netstack", RTT: 5 * ms}, {Kind: "tun", RTT: 5 * ms}} {
		t.Run(l.Kind, func(t *testing.T) {
			available(t, l.Kind)
			p := openPath(t, l)
			c, err := p.Calibrate(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.Nominal != l.RTT || c.Realised < l.RTT || c.Probes != calibrationProbes {
				t.Errorf("%+v", c)
			}
			if k := p.Kind(); k.Packets != (c.Stats.Packets >= 3*calibrationProbes) || k.Packets != (c.Stats.RoundTrip > 0) || c.Stats.RoundTrip > 0 && c.Stats.RoundTrip < l.RTT {
				t.Errorf("%+v", c.Stats)
			}
			if s := p.TakeStats(); s.Packets > 2*calibrationProbes {
				t.Errorf("the probes count towards the run: %+v", s)
			}
		})
	}
}

// available skips where this machine lacks the kind.
func available(t testing.TB, name string) {
	t.Helper()
	kind, _ := KindOf(name)
	if err := kind.Available(); err != nil {
		t.Skipf("no %s link here: %v", name, err)
	}
}

func TestJudge(t *testing.T) {
	for _, r := range []struct {
		name         string
		link         Link
		idle, run    LinkStats
		reasons      []string
		warnings     int
		cpu, invalid bool
	}{
		{name: "good", link: Link{RTT: 50 * ms}, run: LinkStats{LatenessP99: 2500 * time.Microsecond, Busy: 0.9}},
		{name: "late", link: Link{RTT: 50 * ms}, run: LinkStats{LatenessP99: 2501 * time.Microsecond}, reasons: []string{"2.501ms late during the run"}, invalid: true},
		{name: "late at first", link: Link{RTT: 50 * ms}, idle: LinkStats{LatenessP99: 3 * ms}, reasons: []string{"3ms late while the link was calibrated"}, invalid: true},
		{name: "saturated", link: Link{RTT: 50 * ms}, run: LinkStats{Busy: 0.97}, reasons: []string{"used 97 % of its CPUs"}, invalid: true},
		{name: "fine", link: Link{RTT: 4 * ms}, warnings: 1},
		{name: "both", link: Link{RTT: 50 * ms}, run: LinkStats{Busy: 0.97, LatenessP99: 3 * ms}, reasons: []string{"late", "used"}, invalid: true},
		{name: "direct", link: Link{Kind: "direct"}, run: LinkStats{Busy: 1}, cpu: true},
	} {
		p := openPath(t, r.link)
		got := p.Judge(Calibration{Stats: r.idle}, r.run)
		if got.Valid == r.invalid || got.CPU != r.cpu || len(got.Warnings) != r.warnings || len(got.Reasons) != len(r.reasons) {
			t.Errorf("%s: %+v", r.name, got)
			continue
		}
		for i, part := range r.reasons {
			if !strings.Contains(got.Reasons[i], part) {
				t.Errorf("%s: %q", r.name, got.Reasons[i])
			}
		}
	}
}

func TestModelPathHasNoDatagrams(t *testing.T) {
	p := openPath(t, Link{Kind: "model", RTT: ms})
	for _, err := range []error{
		second2(p.OpenPackets(netip.Addr{}, target)), second2(p.ListenPackets(target)),
		second2(Dialer{Network: p}.OpenPackets(t.Context(), target)),
	} {
		if err == nil || !strings.Contains(err.Error(), "QUIC needs direct, netstack or tun") {
			t.Errorf("%v", err)
		}
	}
}

func second2[T any](_ T, err error) error { return err }
