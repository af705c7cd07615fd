package main

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/originpull/originpull/results"
)

// A program that answers what a gate would: red where something is planted.
const fakeProgram = `#!/bin/sh
case "$*" in
  *plant*) verdict=REGRESSION; ratio=1.05; trials=20; n=10 ;;
  *) verdict=PASS; ratio=1.001; trials=10; n=10 ;;
esac
case "$*" in
  *--instructions*) echo '{"schema": "originpull.gate/v1", "verdict": "'$verdict'", "elapsed": 6, "instructions": [{"what": "handshake", "ratio": '$ratio', "verdict": "'$verdict'"}]}' ;;
  *) echo '{"schema": "originpull.gate/v1", "verdict": "'$verdict'", "elapsed": 30, "trials": '$trials', "judgements": [{"rule": {"metric": "handshake.cpu.origin", "severity": "block"}, "verdict": "'$verdict'", "estimate": {"ratio": '$ratio', "n": '$n'}}, {"rule": {"metric": "latency.p50", "severity": "report"}, "verdict": "PASS", "estimate": {"ratio": 1, "n": '$n'}}]}' ;;
esac
[ $verdict = PASS ] || exit 3
`

func testOptions(t *testing.T, program string) options {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the fake program is a shell script")
	}
	folder := t.TempDir()
	o := options{program: filepath.Join(folder, "originpull"), log: filepath.Join(folder, "log"), out: filepath.Join(folder, "page"), tables: folder, note: "On a quiet machine"}
	if err := os.WriteFile(o.program, []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"simulation.md", "replay-quiet.csv.gz.md"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("| "+name+" |\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// Evidence is continued where it stopped, kinds in turn, and the page says how
// much of it there is.
func TestEvidenceIsContinued(t *testing.T) {
	o := testOptions(t, fakeProgram)
	o.want = map[string]int{"same": 1, "planted": 0, "instructions-same": 1, "instructions-planted": 1}
	if err := o.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.want = map[string]int{"same": 3, "planted": 2, "instructions-same": 1, "instructions-planted": 1}
	if err := o.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	outcomes, err := readOutcomes(o.log)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, x := range outcomes {
		order = append(order, x.Kind)
	}
	if want := []string{"same", "instructions-same", "instructions-planted", "planted", "same", "planted", "same"}; !slices.Equal(order, want) {
		t.Errorf("took %v, want %v", order, want)
	}
	if x := outcomes[3]; x.Looked != 15 || x.Elapsed != 30 || len(x.By) != 1 || x.Verdict != results.Regression {
		t.Errorf("a planted gate is kept as %+v", x)
	}
	page, err := os.ReadFile(o.out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"On a quiet machine.\n", "| nothing changed | 3 | 3 | 3 (100 %) | 3 | 0 | 0 | 0 | 30 (30–30) | 30 (30–30) |",
		"| 5 % of CPU planted at head's origin | 2 | 2 | 2 (100 %) | 0 | 2 | 0 | 0 | 15 (15–15) | 30 (30–30) |",
		"| simulation.md |", "| replay-quiet.csv.gz.md |", "handshake +5.00 % REGRESSION", "handshake.cpu.origin +0.1 % PASS |",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

// A gate that breaks is a line as well, and is not right.
func TestEvidenceKeepsFailures(t *testing.T) {
	o := testOptions(t, "#!/bin/sh\necho no room >&2\nexit 1\n")
	o.want = map[string]int{"same": 1}
	if err := o.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(o.out)
	if err != nil || !strings.Contains(string(page), "| nothing changed | 1 | 1 | 0 (0 %) | 0 | 0 | 0 | 1 | – | – |") || !strings.Contains(string(page), "no room") {
		t.Errorf("%v: %s", err, page)
	}
	if err := os.WriteFile(o.log, []byte("{\"kind\": \"same\"}\n{\"kind"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := o.run(t.Context()); err == nil || !strings.Contains(err.Error(), "log:2: ") {
		t.Errorf("a line that is cut off: %v", err)
	}
}
