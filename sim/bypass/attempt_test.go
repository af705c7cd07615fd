package bypass

import (
	"strings"
	"testing"

	"github.com/originpull/originpull/origin"
)

// TestAttempts is the conformance test of the registry.
func TestAttempts(t *testing.T) {
	families := map[Family]bool{Reachability: true, SharedSecret: true, Certificate: true, Session: true}
	classes := map[Class]bool{Safe: true, Intrusive: true, Disruptive: true}
	for _, a := range Attempts() {
		if len(a.ID) != 3 || !families[a.Family] || !strings.HasPrefix(a.ID, string(a.Family)) {
			t.Errorf("%s is not an ID of family %q", a.ID, a.Family)
		}
		if found, ok := AttemptNamed(a.ID); !ok || found.ID != a.ID {
			t.Errorf("%s is not found by its name", a.ID)
		}
		if a.Title == "" || a.Reference == "" || a.Capability == "" || !classes[a.Class] || len(a.Steps) == 0 || a.Run == nil {
			t.Errorf("%s is incomplete: %+v", a.ID, a)
		}
		for strategy := range a.Mistakes {
			if _, ok := origin.StrategyNamed(strategy); !ok {
				t.Errorf("%s names a mistake of strategy %q, which does not exist", a.ID, strategy)
			}
		}
		for _, strategy := range origin.Strategies() {
			checkControl(t, a, strategy.Name)
		}
	}
	if _, ok := AttemptNamed("Z99"); ok {
		t.Error("an attempt is found that does not exist")
	}
}

// checkControl: the control must exist, belong to the strategy and be
// predicted to let the attempt through.
func checkControl(t *testing.T, a Attempt, strategy string) {
	t.Helper()
	name := a.Control(strategy)
	mistake, ok := origin.MistakeNamed(name)
	if !ok || mistake.Strategy != strategy {
		t.Errorf("%s: control %q of %s is no mistake of that strategy", a.ID, name, strategy)
		return
	}
	p, err := policy(strategy, name)
	if err != nil {
		t.Fatal(err)
	}
	if missing := p.Requires(a.Path).Without(a.Holds); missing != 0 {
		t.Errorf("%s: control %s is not predicted to let it through: %s is missing", a.ID, name, missing)
	}
}

func TestRegisterTwicePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a second A01 was registered")
		}
	}()
	register(Attempt{ID: "A01"})
}

func TestUnmet(t *testing.T) {
	udp := origin.Path{Port: origin.UDP}
	for _, test := range []struct {
		attempt       Attempt
		version, want string
	}{
		{Attempt{}, "1.2", ""},
		{Attempt{}, "1.3", ""},
		{Attempt{Path: udp}, "1.2", "QUIC has no TLS 1.2"},
		{Attempt{Path: udp}, "1.3", ""},
		{Attempt{Needs: "a moon"}, "1.3", "needs a moon, which the built-in origin does not offer"},
	} {
		if got := test.attempt.unmet(test.version); got != test.want {
			t.Errorf("%+v with %s: %q, want %q", test.attempt, test.version, got, test.want)
		}
	}
}
