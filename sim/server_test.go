package sim

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
)

const serverScenario = `
version: 1
name: server
experiments:
  - name: s
    origin: {server: SERVER, mtls: {pin: none, revocation: false}}
    workload: {mode: handshakes, trials: 1, duration: 400ms, block: 5ms}
    compare:
      - {axis: edge.tls.version, values: ["1.2", "1.3"]}
    expect: ["handshake.failed == 0"]
`

// Every server that is here is measured like the built-in one: exact round
// trips, a baseline of its own, connections that reconcile.
func TestRealServers(t *testing.T) {
	for _, d := range origin.Drivers() {
		t.Run(d.Name, func(t *testing.T) {
			found, err := d.Find(t.Context())
			if err != nil {
				if os.Getenv("CI") == "true" {
					t.Fatalf("CI needs every server: %v", err)
				}
				t.Skipf("not run: %v", err)
			}
			result := mustRun(t, compileText(t, strings.ReplaceAll(serverScenario, "SERVER", d.Name)))
			for version, turns := range map[string]float64{"1.2": 2, "1.3": 1} {
				a := result.Arm("s/edge.tls.version=" + version)
				if v := a.Metrics["handshake.rtts"]; v.Low != turns || v.High != turns || v.N == 0 {
					t.Errorf("TLS %s: handshake.rtts is %+v, want exactly %v", version, v, turns)
				}
				if a.Labels[results.LabelServer] != d.Name || a.Labels[results.LabelServerVersion] != found.Version || a.Labels[results.LabelTLSLibrary] != found.TLS {
					t.Errorf("labels %v, want those of %+v", a.Labels, found)
				}
				if processCPUAvailable() == nil && a.Metrics["handshake.cpu.origin"].Value <= 0 {
					t.Errorf("TLS %s: no CPU of the origin: %+v", version, a.Metrics["handshake.cpu.origin"])
				}
			}
			if plain := result.Arm("s/plain-tcp"); plain.Metrics["firstbyte.rtts"].Value != 2 || plain.Metrics["handshake.full"].Value != 0 {
				t.Errorf("the baseline measured %+v", plain.Metrics)
			}
			if !result.Validity.Reconciled || len(result.Validity.Tallies) != 4 {
				t.Errorf("validity %+v", result.Validity)
			}
		})
	}
}

// An experiment whose server is missing is not run, and its rules are neither
// met nor failed.
func TestMissingServerIsNotRun(t *testing.T) {
	plan := compileText(t, strings.ReplaceAll(serverScenario, "SERVER", "builtin"))
	for i := range plan.Experiments[0].Arms {
		plan.Experiments[0].Arms[i].Settings.Origin.Server = "caddy"
	}
	r := newTestRun(t, plan)
	result, err := newResult(plan, r.started)
	if err != nil {
		t.Fatal(err)
	}
	r.result, r.servers = result, found{"caddy": {err: origin.ErrNotInstalled}}
	if err := r.experiment(t.Context(), &plan.Experiments[0]); err != nil {
		t.Fatal(err)
	}
	r.finish(context.Background(), nil)
	e, _ := result.Experiment("s")
	if e.Skipped == "" || len(result.Arms) != 0 {
		t.Errorf("experiment %+v with %d arms", e, len(result.Arms))
	}
	if len(result.Expectations) != 1 || result.Expectations[0].Pass || !result.Expectations[0].Inconclusive {
		t.Errorf("expectations %+v", result.Expectations)
	}
	if result.Conclude() != results.Inconclusive {
		t.Errorf("it concludes %q", result.Conclude())
	}
	if !slices.ContainsFunc(result.Validity.Warnings, func(w string) bool { return strings.Contains(w, "was not run") }) {
		t.Errorf("warnings %v", result.Validity.Warnings)
	}
}

// What a server cannot enforce is refused by name before anything starts, and
// so are two servers that would share a baseline.
func TestServersAreRefusedByName(t *testing.T) {
	nginx, _ := origin.DriverNamed("nginx")
	if _, err := nginx.Find(t.Context()); err != nil {
		t.Skipf("not run: %v", err)
	}
	for _, c := range []struct{ scenario, want string }{
		{"origin: {server: nginx}\nworkload: {mode: handshakes}\n", "cannot pin san"},
		{"origin: {server: nginx, mtls: {pin: none}}\nedge: {protocol: h3}\nworkload: {mode: handshakes}\n", "HTTP/3 is not written for it"},
		{"workload: {mode: handshakes}\norigin: {mtls: {pin: none}}\ncompare: [{axis: origin.server, values: [builtin, nginx]}]\n", "an experiment for each server"},
	} {
		s, err := scenarios.Load(scenarios.Source{File: "x.yaml", Content: []byte("version: 1\n" + c.scenario)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Compile(s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("compiled %q with %v, want %q", c.scenario, err, c.want)
		}
	}
}
