package bypass

import (
	"fmt"
	"strings"
	"testing"

	"github.com/originpull/originpull/origin"
)

// TestAttempts is the conformance test of the registry.
func TestAttempts(t *testing.T) {
	families := map[Family]bool{Reachability: true, SharedSecret: true, Certificate: true, Session: true, RogueOrigin: true, Exhaustion: true, Randomised: true}
	classes := map[Class]bool{Safe: true, Intrusive: true, Disruptive: true}
	for _, a := range Attempts() {
		if len(a.ID) != 3 || !families[a.Family] || !strings.HasPrefix(a.ID, string(a.Family)) {
			t.Errorf("%s is not an ID of family %q", a.ID, a.Family)
		}
		if found, ok := AttemptNamed(a.ID); !ok || found.ID != a.ID {
			t.Errorf("%s is not found by its name", a.ID)
		}
		if a.Title == "" || a.Reference == "" || a.Capability == "" || !classes[a.Class] {
			t.Errorf("%s is incomplete: %+v", a.ID, a)
		}
		if (a.Unbuilt == "") != (len(a.Steps) > 0) {
			t.Errorf("%s is neither built nor listed with a reason: %+v", a.ID, a)
		}
		for _, strategies := range []map[string]string{a.Mistakes, a.Also} {
			for strategy, name := range strategies {
				if mistake, ok := origin.MistakeNamed(name); !ok || mistake.Strategy != strategy {
					t.Errorf("%s: control %q is no mistake of %s", a.ID, name, strategy)
				}
			}
		}
	}
	if _, ok := AttemptNamed("Z99"); ok {
		t.Error("an attempt is found that does not exist")
	}
}

// catalogue is every case, by family; a case that is lost shows here.
var catalogue = map[string]int{"A": 17, "B": 16, "C": 24, "D": 17, "E": 10, "F": 11, "R": 1}

func TestCatalogueIsComplete(t *testing.T) {
	total := 0
	for family, n := range catalogue {
		for i := range n {
			id := fmt.Sprintf("%s%02d", family, i+1)
			if _, ok := AttemptNamed(id); !ok {
				t.Errorf("%s is neither built nor listed", id)
			}
			total++
		}
	}
	if got := len(Attempts()); got != total {
		t.Errorf("%d cases, want %d", got, total)
	}
}

// TestSingleMistakesOpenSingleStrategies: only a combination may be without a
// control, and there only when no mistake alone opens it.
func TestSingleMistakesOpenSingleStrategies(t *testing.T) {
	for _, a := range Attempts() {
		if a.Unbuilt != "" || a.Legitimate || a.Rogue != nil {
			continue
		}
		for _, strategy := range Strategies() {
			v, err := variantNamed(strategy)
			if err != nil {
				t.Fatal(err)
			}
			controls, err := v.controls(a)
			if err != nil {
				t.Fatal(err)
			}
			if pinnedAway := a.SecondLeaf && v.pin == origin.PinLeaf; a.concerns(v) && !pinnedAway && len(controls) == 0 && len(v.strategies) == 1 {
				t.Errorf("%s: no control against %s", a.ID, strategy)
			}
		}
	}
}

// TestEveryMistakeIsAControl: one that no attempt needs proves nothing.
func TestEveryMistakeIsAControl(t *testing.T) {
	used := map[string]bool{}
	for _, a := range Attempts() {
		for _, s := range origin.Strategies() {
			for _, name := range a.Controls(s.Name) {
				used[name] = true
			}
		}
	}
	for _, m := range origin.Mistakes() {
		if !used[m.Name] {
			t.Errorf("mistake %s is no attempt's control", m.Name)
		}
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
		attempt                 Attempt
		protocol, version, want string
	}{
		{Attempt{}, "h1", "1.2", ""},
		{Attempt{}, "h2", "1.3", ""},
		{Attempt{}, "h3", "1.2", "QUIC has no TLS 1.2"},
		{Attempt{Path: udp}, "h3", "1.2", "QUIC has no TLS 1.2"},
		{Attempt{Path: udp}, "h3", "1.3", ""},
		{Attempt{Unbuilt: "no moon"}, "h1", "1.3", "no moon"},
		{Attempt{NoTLS12: "no updates"}, "h1", "1.2", "no updates"},
		{Attempt{NoTLS12: "no updates"}, "h1", "1.3", ""},
	} {
		if got := test.attempt.unmet(test.protocol, test.version); got != test.want {
			t.Errorf("%+v over %s with %s: %q, want %q", test.attempt, test.protocol, test.version, got, test.want)
		}
	}
}
