package sim

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/originpull/originpull/results"
)

var (
	soakRepeats  = flag.Int("bypass-repeats", 3, "how often TestBypassRepeats repeats each of its scenarios")
	soakScenario = flag.String("bypass-scenarios", "bypass-core", "the library scenarios that TestBypassRepeats repeats, with commas between them")
)

// TestBypassRepeats repeats scenarios of attempts: every row has to come out as
// predicted, and the same every time. make bypass-soak repeats more of them
// more often.
func TestBypassRepeats(t *testing.T) {
	if testing.Short() {
		t.Skip("repeats whole scenarios")
	}
	for scenario := range strings.SplitSeq(*soakScenario, ",") {
		t.Run(scenario, func(t *testing.T) {
			plan := compileLibrary(t, scenario)
			var runs [][]results.BypassRow
			for n := range *soakRepeats {
				result, err := Run(t.Context(), plan, testConfig(t))
				if err != nil {
					t.Fatalf("repetition %d: %v", n+1, err)
				}
				if len(result.Bypass) == 0 {
					t.Fatalf("repetition %d has no rows", n+1)
				}
				for i := range result.Bypass {
					if b := &result.Bypass[i]; b.Ran() && !b.OK {
						t.Errorf("repetition %d: %s: predicted %s, measured %s: %s", n+1, rowKey(b), b.Predicted, b.Measured, b.Detail)
					}
				}
				runs = append(runs, result.Bypass)
			}
			for _, flip := range flips(runs) {
				t.Error("flipped: " + flip)
			}
		})
	}
}

// flips names the rows that came out differently in later repetitions than in
// the first, or are in one of the two alone, in order of appearance.
func flips(runs [][]results.BypassRow) []string {
	var out []string
	for n := 1; n < len(runs); n++ {
		first := outcomes(runs[0])
		for i := range runs[n] {
			b := &runs[n][i]
			was, known := first[rowKey(b)]
			delete(first, rowKey(b))
			switch is := rowCame(b); {
			case !known:
				out = append(out, fmt.Sprintf("%s: in repetition %d and not in the first", rowKey(b), n+1))
			case is != was:
				out = append(out, fmt.Sprintf("%s: %s, in repetition %d %s", rowKey(b), was, n+1, is))
			}
		}
		var lost []string
		for key := range first {
			lost = append(lost, fmt.Sprintf("%s: in the first repetition and not in %d", key, n+1))
		}
		slices.Sort(lost)
		out = append(out, lost...)
	}
	return out
}

func outcomes(rows []results.BypassRow) map[string]string {
	came := map[string]string{}
	for i := range rows {
		came[rowKey(&rows[i])] = rowCame(&rows[i])
	}
	return came
}

func rowKey(b *results.BypassRow) string {
	return strings.Join([]string{b.Experiment, b.Case, b.Strategy, b.Server, b.Mistake, b.TLS, b.Protocol}, " ")
}

// rowCame is what has to be the same every time: not the reason, which may
// hold the time of day, and not the price.
func rowCame(b *results.BypassRow) string {
	return fmt.Sprintf("%s at %q with %d, ok %t", b.Measured, b.Stage, b.Status, b.OK)
}

func TestFlips(t *testing.T) {
	row := func(id, measured string, status int) results.BypassRow {
		return results.BypassRow{Case: id, Strategy: "mtls", Measured: measured, Status: status, OK: true}
	}
	steady := []results.BypassRow{row("A01", "blocked", 0), row("A02", "blocked", 403)}
	if got := flips([][]results.BypassRow{steady, steady, steady}); got != nil {
		t.Errorf("nothing flipped: %q", got)
	}
	for name, later := range map[string][]results.BypassRow{
		`A01 mtls    : blocked at "" with 0, ok true, in repetition 3 bypassed at "" with 200, ok true`: {row("A01", "bypassed", 200), steady[1]},
		`A02 mtls    : in the first repetition and not in 3`:                                            steady[:1],
		`A03 mtls    : in repetition 3 and not in the first`:                                            {steady[0], steady[1], row("A03", "blocked", 0)},
	} {
		got := flips([][]results.BypassRow{steady, steady, later})
		if len(got) != 1 || strings.TrimSpace(got[0]) != name {
			t.Errorf("%q, want %q", got, name)
		}
	}
}
