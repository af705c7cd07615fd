package bypass

import (
	"slices"
	"testing"

	"github.com/originpull/originpull/origin"
)

// TestProfiles holds what a front door stops and what it lets through by
// design: it knows an authority, and nobody's name.
func TestProfiles(t *testing.T) {
	needsLoopbackNet(t)
	want := map[string][2]Verdict{ // alb-verify, nlb-verify
		"A01": {Blocked, Blocked},
		"A05": {Bypassed, Bypassed}, // another customer of the same authority
		"C01": {Blocked, Blocked},
		"C03": {Blocked, Blocked},
		"C05": {Blocked, Blocked},
		"C09": {Bypassed, Bypassed},
		"C11": {Blocked, Blocked},
		"D16": {Blocked, Blocked},
		"D17": {Blocked, Bypassed}, // overwritten, and passed on as it came
	}
	var cases []string
	for id := range want {
		cases = append(cases, id)
	}
	slices.Sort(cases)
	rows := measured(t, Plan{Cases: cases, Strategies: []string{"alb-verify", "nlb-verify"}}, newStarter(t, nil))
	seen, controls := 0, 0
	for _, r := range rows {
		if !r.OK || r.Skipped != "" {
			t.Errorf("not ok: %+v", r)
		}
		verdict := want[r.Case][0]
		if r.Strategy == "nlb-verify" {
			verdict = want[r.Case][1]
		}
		if r.Mistake != "" {
			controls++
			verdict = Bypassed
		} else {
			seen++
		}
		if r.Measured != verdict || r.Predicted != verdict {
			t.Errorf("%s %s %q TLS %s: predicted %s, measured %s, want %s", r.Case, r.Strategy, r.Mistake, r.TLS, r.Predicted, r.Measured, verdict)
		}
	}
	if seen != 2*2*len(want) || controls < seen {
		t.Errorf("%d rows and %d controls", seen, controls)
	}
}

// TestAFrontDoorsHole: an application that believes the caller turns the row
// of the forged identity red, and no other.
func TestAFrontDoorsHole(t *testing.T) {
	needsLoopbackNet(t)
	hole := newStarter(t, func(p *origin.Policy) {
		if p.Mistake == "" {
			p.Mistake = "trust-identity-header"
		}
	})
	for _, r := range measured(t, Plan{Cases: []string{"A01", "C01", "C09", "D16", "D17"}, Strategies: []string{"alb-verify"}}, hole) {
		if red := r.Case == "D17" && r.Mistake == ""; r.OK == red {
			t.Errorf("red should be %t: %+v", red, r)
		}
	}
}
