package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/originpull/originpull/results"
)

// TestSeenIsShort has a look of many estimates: what blocks and is open comes
// first, the worst of it at the top, and not everything is printed.
func TestSeenIsShort(t *testing.T) {
	judgement := func(name string, ratio float64, verdict results.Verdict, severity results.Severity) results.Judgement {
		j := results.Judgement{Name: name, Verdict: verdict, Rule: results.GateRule{Metric: results.MetricHandshakeOrigin, Better: results.Lower, Severity: severity}}
		j.Estimate.Ratio, j.Estimate.N = ratio, 2
		return j
	}
	judgements := []results.Judgement{judgement("settled", 1.2, results.GatePassed, results.Blocks), judgement("reported", 2, "", results.Reports)}
	for i := range shownOfLook {
		judgements = append(judgements, judgement(fmt.Sprintf("open %d", i), 1+float64(i)/100, "", results.Blocks))
	}
	var out strings.Builder
	g := &gate{s: streams{err: &out}}
	g.report.Trials = 10
	g.seen(judgements)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != shownOfLook+2 || !strings.Contains(lines[0], "8 of 9 estimates that can block are open; 1 more are only reported") ||
		!strings.HasPrefix(lines[1], "  open 7 ") || !strings.HasPrefix(lines[shownOfLook], "  open 0 ") || lines[shownOfLook+1] != "  and 1 more" {
		t.Errorf("a look printed\n%s", out.String())
	}
}
