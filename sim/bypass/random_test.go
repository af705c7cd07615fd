package bypass

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/originpull/originpull/origin"
)

// randomPlan is R01 under every strategy by itself.
var randomPlan = Plan{Cases: []string{"R01"}}

// TestRandomisedAttempts makes at least 2,000 against correct policies, with
// the numbers that the library's scenario has.
func TestRandomisedAttempts(t *testing.T) {
	needsLoopbackNet(t)
	if testing.Short() {
		t.Skip("makes 2,100 attempts")
	}
	rows, err := Runner{Start: newStarter(t, nil).start, Material: material, Seed: 1}.Run(t.Context(), randomPlan)
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	for _, r := range rows {
		if !r.OK {
			t.Errorf("not ok: %+v", r)
		}
		if r.Mistake == "" {
			made += r.Attempts
		}
		if r.Mistake == "" && !strings.Contains(r.Detail, "0 bypassed in 350 randomised attempts of seed 1") {
			t.Errorf("detail is %q", r.Detail)
		}
	}
	if made < 2000 {
		t.Errorf("%d attempts, want 2,000", made)
	}
}

// TestRandomisedAttemptsFindAHole plants holes that no attempt without
// mutations gets through, and asks for the smallest one that does.
func TestRandomisedAttemptsFindAHole(t *testing.T) {
	needsLoopbackNet(t)
	for _, test := range []struct {
		strategy, mistake, smallest string
	}{
		{origin.MTLS, "no-pin", "shrunk to [certificate for "},
		{origin.MTLS, "any-purpose", "shrunk to [certificate for usage "},
		{origin.Header, "case-insensitive-secret", "shrunk to [right secret, then a wrong one]"},
		{origin.Header, "first-value", "shrunk to [secret in a list]"},
		{origin.Header, "alias-header", "shrunk to [secret under an alias]"},
		{origin.Allowlist, "trust-proxy-header", "shrunk to [PROXY line of the edge]"},
	} {
		t.Run(test.mistake, func(t *testing.T) {
			hole := newStarter(t, func(p *origin.Policy) {
				if p.Mistake == "" {
					p.Mistake = test.mistake
				}
			})
			rows, err := Runner{Start: hole.start, Material: material, Seed: 1, Attempts: 400}.Run(t.Context(),
				Plan{Cases: []string{"R01"}, Strategies: []string{test.strategy}, TLS: []string{"1.3"}})
			if err != nil {
				t.Fatal(err)
			}
			r := rows[0]
			if r.OK || r.Measured != Bypassed || !strings.Contains(r.Detail, test.smallest) || strings.Contains(r.Detail[strings.Index(r.Detail, "shrunk to"):], "\", ") {
				t.Errorf("row %+v", r)
			}
			for _, secret := range material.Origin.Secrets {
				if strings.Contains(r.Detail, secret) || strings.Contains(r.Detail, strings.ToLower(secret)) {
					t.Error("the detail holds a secret")
				}
			}
		})
	}
}

// TestRandomisedAttemptsRepeat: one seed draws the same mutations again, and
// another one others.
func TestRandomisedAttemptsRepeat(t *testing.T) {
	drawn := func(seed uint64) string {
		l := &Lab{Material: material, secret: currentSecret}
		draw := newDraw(seed, "mtls1.3")
		var all strings.Builder
		for range 50 {
			fmt.Fprintln(&all, describeMutations(l.drawMutations(draw)))
		}
		return all.String()
	}
	if first, again := drawn(1), drawn(1); first != again {
		t.Error("one seed draws two sequences")
	}
	if drawn(1) == drawn(2) {
		t.Error("two seeds draw one sequence")
	}
}

func TestShrink(t *testing.T) {
	all := []mutation{{name: "a"}, {name: "b"}, {name: "c"}, {name: "d"}}
	has := func(m []mutation, name string) bool {
		return slices.ContainsFunc(m, func(m mutation) bool { return m.name == name })
	}
	smallest, err := shrink(all, func(m []mutation) (bool, error) { return has(m, "b") && has(m, "d"), nil })
	if err != nil || describeMutations(smallest) != "[b, d]" {
		t.Errorf("%s, %v", describeMutations(smallest), err)
	}
	if describeMutations(all) != "[a, b, c, d]" {
		t.Errorf("shrinking has changed what was drawn: %s", describeMutations(all))
	}
	smallest, err = shrink(all, func([]mutation) (bool, error) { return true, nil })
	if err != nil || describeMutations(smallest) != "no mutation" {
		t.Errorf("%s, %v", describeMutations(smallest), err)
	}
	gone := errors.New("the origin is gone")
	if _, err := shrink(all, func([]mutation) (bool, error) { return false, gone }); !errors.Is(err, gone) {
		t.Errorf("error is %v", err)
	}
}
