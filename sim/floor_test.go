package sim

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/scenarios"
)

// TestOperations is the floor of every row that an edge and an origin can
// make, spelled out.
func TestOperations(t *testing.T) {
	for _, c := range []struct {
		name         string
		change       func(*Arm)
		edge, origin string
	}{
		{"1.3", func(*Arm) {}, "share x25519+derive x25519+verify+verify", "share x25519+derive x25519+sign"},
		{"1.2", func(a *Arm) { a.Settings.Edge.TLS.Version = "1.2" }, "share x25519+derive x25519+verify+verify", "share x25519+derive x25519+sign"},
		{"mutual", mutual, "share x25519+derive x25519+verify+verify+sign", "share x25519+derive x25519+sign+verify+verify"},
		{
			"chain of 3", func(a *Arm) { a.Settings.Origin.Certificate.Chain = 3; mutual(a) },
			"share x25519+derive x25519+verify+verify+verify+verify+sign", "share x25519+derive x25519+sign+verify+verify+verify+verify",
		},
		{"p256", func(a *Arm) { a.Settings.Edge.TLS.Group = "p256" }, "share p256+derive p256+verify+verify", "share p256+derive p256+sign"},
		{
			"any certificate", func(a *Arm) { a.Settings.Edge.TLS.Verify = false },
			"share x25519+derive x25519+verify", "share x25519+derive x25519+sign",
		},
		{
			"retry", func(a *Arm) { a.Settings.Edge.TLS.Group, a.Settings.Edge.TLS.HelloRetry = "p256", true },
			"share p256+derive p256+share x25519+verify+verify", "share p256+derive p256+sign",
		},
		{
			"hybrid", func(a *Arm) { a.Settings.Edge.TLS.Group = "x25519mlkem768" },
			"share x25519+share mlkem768+derive x25519+decapsulate mlkem768+verify+verify", "share x25519+derive x25519+encapsulate mlkem768+sign",
		},
		{"resumed 1.3", func(a *Arm) { a.Settings.Edge.TLS.Resumption = true; mutual(a) }, "share x25519+derive x25519", "share x25519+derive x25519"},
		{"resumed 1.2", func(a *Arm) { a.Settings.Edge.TLS = scenarios.TLS{Version: "1.2", Group: "x25519", Resumption: true} }, "", ""},
		{"baseline", func(a *Arm) { a.Plaintext = true }, "", ""},
	} {
		a := Arm{Settings: scenarios.Defaults()}
		c.change(&a)
		edge, origin := operations(&a)
		if got := joined(edge); got != c.edge {
			t.Errorf("%s: edge %s, want %s", c.name, got, c.edge)
		}
		if got := joined(origin); got != c.origin {
			t.Errorf("%s: origin %s, want %s", c.name, got, c.origin)
		}
	}
}

func mutual(a *Arm) { a.Policy.Strategies = []string{origin.MTLS} }

func joined(ops []operation) string {
	var names []string
	for _, op := range ops {
		names = append(names, string(op))
	}
	return strings.Join(names, "+")
}

// Every primitive runs with every key type, and its results are right: a
// signature that does not fit is an error.
func TestMeasureFloor(t *testing.T) {
	if processCPUAvailable() != nil {
		t.Skip("no CPU clock")
	}
	a := Arm{Settings: scenarios.Defaults()}
	mutual(&a)
	for _, kind := range []pki.KeyType{pki.ECDSAP256, pki.ECDSAP384, pki.RSA2048, pki.Ed25519} {
		key, err := pki.NewKey(kind)
		if err != nil {
			t.Fatal(err)
		}
		for _, group := range []string{"x25519", "p256", "x25519mlkem768"} {
			a.Settings.Edge.TLS.Group = group
			floor, err := measureFloor(t.Context(), &a, key)
			if err != nil || floor.Edge < 10 || floor.Origin < 10 || floor.Edge > 1e6 || floor.Origin > 1e6 {
				t.Errorf("%s, %s: %+v us, %v", kind, group, floor, err)
			}
		}
		_, verify, err := signature(key)
		if err != nil {
			t.Fatal(err)
		}
		if verify([]byte("x")) == nil {
			t.Errorf("%s: anything is a signature", kind)
		}
	}
}

func TestEfficiency(t *testing.T) {
	cpu := map[string]float64{"handshake.cpu.edge": 400, "handshake.cpu.origin": 200}
	for name, c := range map[string]struct {
		floor *Floor
		want  map[string]float64
	}{
		"both":         {&Floor{Edge: 100, Origin: 120}, map[string]float64{"efficiency": 0.6, "efficiency.origin": 0.6, "efficiency.edge": 0.25}},
		"none at all":  {nil, map[string]float64{}},
		"no primitive": {&Floor{}, map[string]float64{}},
	} {
		m := maps.Clone(cpu)
		efficiency(m, c.floor)
		maps.DeleteFunc(m, func(name string, _ float64) bool { return cpu[name] != 0 })
		if !maps.Equal(m, c.want) {
			t.Errorf("%s: %v, want %v", name, m, c.want)
		}
	}
	m := map[string]float64{"handshake.cpu.edge": -1, "handshake.cpu.origin": 0}
	if efficiency(m, &Floor{Edge: 1, Origin: 1}); len(m) != 2 {
		t.Errorf("a share of nothing: %v", m)
	}
}

// What measuring primitives takes is no arm's cost: the window of the block
// before is closed first, and the next block opens another.
func TestFloorIsNotCharged(t *testing.T) {
	if processCPUAvailable() != nil {
		t.Skip("no CPU clock")
	}
	plan := compileText(t, handshakeScenario)
	x := &plan.Experiments[0]
	x.Arms = x.Arms[3:4]
	lab, err := newLab()
	if err != nil {
		t.Fatal(err)
	}
	trials := newTestRun(t, plan).trial(t.Context(), x, 1, lab, func(ctx context.Context, pairs []*pair) {
		p := pairs[0]
		p.block(ctx, Block{Seconds: 0.005})
		p.measureFloor(ctx)
		charged := p.costs[0]
		if charged.edge == 0 || charged.origin == 0 {
			t.Errorf("the block before was not charged: %+v", charged)
		}
		p.readClocks()
		if p.costs[0] != charged {
			t.Errorf("the floor was charged: %+v after %+v", p.costs[0], charged)
		}
	})
	if trials[0].err != nil || trials[0].floor == nil || trials[0].floor.Origin < 10 {
		t.Errorf("trial %+v", trials[0])
	}
}
