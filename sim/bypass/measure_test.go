package bypass

import (
	"fmt"
	"strings"
	"testing"

	"github.com/originpull/originpull/origin"
)

func TestUnfit(t *testing.T) {
	refusedFor := func(proof string) origin.Entry { return origin.Entry{Verdict: origin.Refused, Proof: proof} }
	tests := []struct {
		name  string
		step  Step
		entry origin.Entry
		fits  bool
	}{
		{"a missing proof", Step{}, refusedFor("subject"), true},
		{"another proof", Step{}, refusedFor("chain"), false},
		{"a proof only this step lacks", Step{Lacks: origin.Authority}, refusedFor("authority"), true},
		{"no proof", Step{}, refusedFor(""), false},
		{"no proof, malformed", Step{Malformed: true}, refusedFor(""), true},
		{"another proof, malformed", Step{Malformed: true}, refusedFor("chain"), false},
		{"silence that the origin owns up to", Step{Silent: true}, origin.Entry{Verdict: origin.Refused, Stage: origin.StageTCP, Proof: "subject"}, true},
		{"silence after a word", Step{Silent: true}, origin.Entry{Verdict: origin.Refused, Stage: origin.StageHTTP, Proof: "subject"}, false},
		{"allowed", Step{}, origin.Entry{Verdict: origin.Allowed}, false},
		{"allowed, malformed", Step{Malformed: true}, origin.Entry{Verdict: origin.Allowed}, false},
		{"no entry", Step{}, origin.Entry{}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if problem := unfit(test.step, test.entry, origin.Subject|origin.Freshness); (problem == "") != test.fits {
				t.Errorf("unfit is %q", problem)
			}
		})
	}
}

func TestProtected(t *testing.T) {
	for step, want := range map[Step]bool{
		{Status: 200, Proof: "protected"}: true,
		{Status: 200, Proof: "public"}:    false,
		{Status: 200}:                     false,
		{Status: 404, Proof: "protected"}: false,
		{}:                                false,
	} {
		if step.Protected() != want {
			t.Errorf("%+v is protected: %t", step, !want)
		}
	}
}

func TestAttackersHaveAddressesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for n := range 254 {
		seen[attackerAddress(n).String()] = true
	}
	if len(seen) != 254 || seen["127.0.9.0"] || seen["127.0.9.255"] {
		t.Errorf("%d addresses", len(seen))
	}
}

// TestMaterialShowsNothing: a secret in a log is a leaked one.
func TestMaterialShowsNothing(t *testing.T) {
	secrets := []string{material.next, material.tenant, material.Origin.Secrets[currentSecret], "PRIVATE KEY", "BEGIN"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		text := fmt.Sprintf(verb, material)
		for _, secret := range secrets {
			if secret == "" || strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s shows %s", verb, text)
			}
		}
	}
}
