package report

import (
	"strings"
	"testing"

	"github.com/originpull/originpull/results"
)

func TestClaimsArePrinted(t *testing.T) {
	r := document(t, "quickstart")
	if strings.Contains(render(t, "table", r, Options{}), "What others claim") {
		t.Error("a run without claims has a chapter on them")
	}
	const cheap, once = "a{x=1} / a{x=2} < 1.1", "handshake.rtts == 1"
	r.Claims = []results.Claim{
		{Text: "It is cheap", Source: "somebody", Expression: cheap, Experiment: "nginx", Value: 2.681, Unit: "ratio", Low: 2.4, High: 3, Verdict: results.ClaimNotSupported},
		{Text: "It takes one turn", Source: "somebody", Expression: once, Experiment: "nginx", Value: 1, Unit: "rtt", Verdict: results.ClaimSupported},
		{Text: "It is cheap", Source: "somebody", Expression: cheap, Experiment: "caddy", Verdict: results.ClaimNotResolved, Detail: "not run"},
	}
	out := render(t, "table", r, Options{Width: 120})
	for _, want := range []string{
		"4. What others claim\n", "  Claim  ", "Measured here", "“It is cheap” (somebody) Holds where a {x=1} / a {x=2} < 1.1.",
		"2.68 × [2.40 – 3.00]  not supported", "5. May these numbers",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the report lacks %q:\n%s", want, out)
		}
	}
	var rows []string
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) > 2 && (fields[0] == "–" || fields[0] == "“It") {
			rows = append(rows, fields[0]+" "+fields[1]+" … "+fields[len(fields)-2]+" "+fields[len(fields)-1])
		}
	}
	if got, want := strings.Join(rows, "; "), "“It is … < 1.1.; – nginx … not supported; – caddy … not resolved; “It takes … rtt supported"; got != want {
		t.Errorf("rows %s, want %s", got, want)
	}
}
