package report

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

	"github.com/originpull/originpull/results"
)

// readBenchmarks reads with the library that benchstat is made of, and fails
// on whatever it does not understand.
func readBenchmarks(t *testing.T, text string) (lines []*benchfmt.Result, units map[benchfmt.UnitMetadataKey]*benchfmt.UnitMetadata) {
	t.Helper()
	reader := benchfmt.NewReader(strings.NewReader(text), "ours")
	for reader.Scan() {
		switch record := reader.Result().(type) {
		case *benchfmt.Result:
			lines = append(lines, record.Clone())
		case *benchfmt.SyntaxError:
			t.Errorf("line %d: %s", record.Line, record.Msg)
		}
	}
	if err := reader.Err(); err != nil {
		t.Fatal(err)
	}
	return lines, reader.Units()
}

func TestBenchmarksAreReadByGo(t *testing.T) {
	r := document(t, "quickstart")
	lines, units := readBenchmarks(t, render(t, "benchfmt", r, Options{}))
	if got := lines[0].GetConfig("scenario"); got != "quickstart" {
		t.Errorf("scenario %q", got)
	}
	arm := r.Arm("handshake/edge.tls.version=1.2,auth=mtls")
	const name = "Handshake/edge.tls.version=1.2/auth=mtls-1"
	var cpu []float64
	for _, line := range lines {
		if string(line.Name) != name {
			continue
		}
		if v, has := line.Value("handshake.cpu.origin-sec"); has {
			cpu = append(cpu, v*1e6)
		}
		if v, has := line.Value("handshake.rtts"); has && v != arm.Metrics["handshake.rtts"].Value {
			t.Errorf("round trips %v", v)
		}
	}
	if len(cpu) != len(arm.Trials) {
		t.Fatalf("%d lines with CPU for %d trials", len(cpu), len(arm.Trials))
	}
	for i, trial := range arm.Trials {
		if diff := cpu[i] - trial.Metrics["handshake.cpu.origin"]; diff > 1e-6 || diff < -1e-6 {
			t.Errorf("trial %d: %v us, want %v", i+1, cpu[i], trial.Metrics["handshake.cpu.origin"])
		}
	}
	want := map[string]string{"handshake.rtts better": "lower", "handshake.rtts assume": "exact", "reuse.ratio better": "higher"}
	for key, unit := range units {
		delete(want, key.Unit+" "+key.Key+map[bool]string{false: "!"}[want[key.Unit+" "+key.Key] == unit.Value])
	}
	if len(want) > 0 {
		t.Errorf("not told: %v", maps.Clone(want))
	}
}

// Whatever stands in names, a reader sees one line of one name for it.
func TestBenchmarkNames(t *testing.T) {
	for want, arm := range map[string]results.Arm{
		"Run-1":                                 {Role: results.RoleArm},
		"A_b/key=rsa-2048-1":                    {Experiment: "a b", Role: results.RoleArm, Axes: map[string]string{"key": "rsa-2048"}},
		"Xépreuve/role=aa/path=_x_y-1":          {Experiment: "épreuve", Role: results.RoleAA, Axes: map[string]string{"path": "/x\ny"}},
		"Handshake/role=baseline-1":             {Experiment: "handshake", Role: results.RoleBaseline},
		"9/origin.certificate.key=ecdsa-p256-1": {Experiment: "9", Role: results.RoleArm, Axes: map[string]string{"origin.certificate.key": "ecdsa-p256"}},
	} {
		arm.Name = "n"
		arm.Trials = []results.Trial{{Index: 1, Metrics: map[string]float64{"handshake.cpu.edge": 2}}}
		lines, _ := readBenchmarks(t, render(t, "benchfmt", &results.Result{Arms: []results.Arm{arm}}, Options{}))
		if len(lines) != 1 || string(lines[0].Name) != want {
			t.Errorf("%d lines, first %q, want %q", len(lines), lines[0].Name, want)
		}
	}
}

// benchstat itself, unmodified, must name both files' medians.
func TestBenchstatReadsTwoFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("builds benchstat")
	}
	folder := t.TempDir()
	slower := document(t, "quickstart")
	for i := range slower.Arms {
		for _, trial := range slower.Arms[i].Trials {
			for name := range trial.Metrics {
				trial.Metrics[name] *= 1.5
			}
		}
	}
	base, head := filepath.Join(folder, "base"), filepath.Join(folder, "head")
	for file, r := range map[string]*results.Result{base: document(t, "quickstart"), head: slower} {
		if err := os.WriteFile(file, []byte(render(t, "benchfmt", r, Options{})), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "tool", "benchstat", base, head).CombinedOutput()
	if missing := (*exec.Error)(nil); errors.As(err, &missing) {
		t.Skip("there is no go command here")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"handshake.cpu.origin-sec", "+50.00%", "Handshake/edge.tls.version=1.2/auth=mtls"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("benchstat does not say %q:\n%s", want, out)
		}
	}
}
