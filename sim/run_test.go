package sim

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/originpull/originpull/results"
)

func mustRun(t *testing.T, plan *Plan) *results.Result {
	t.Helper()
	result, err := Run(t.Context(), plan, testConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range result.Arms {
		if a.Error != "" {
			t.Fatalf("%s: %s", a.Name, a.Error)
		}
	}
	if err := results.Validate(result); err != nil {
		t.Fatal(err)
	}
	return result
}

func TestHandshakeExperiment(t *testing.T) {
	result := mustRun(t, compileText(t, handshakeScenario))
	for arm, want := range map[string][3]float64{ // turns, first byte, flights
		"h/edge.tls.version=1.2,auth=server": {2, 4, 4},
		"h/edge.tls.version=1.2,auth=mtls":   {2, 4, 4},
		"h/edge.tls.version=1.3,auth=server": {1, 3, 3},
		"h/edge.tls.version=1.3,auth=mtls":   {1, 3, 3},
	} {
		a := result.Arm(arm)
		if a == nil {
			t.Fatalf("no arm %s", arm)
		}
		for i, name := range []string{"handshake.rtts", "firstbyte.rtts", "handshake.flights"} {
			if v := a.Metrics[name]; v.Low != want[i] || v.High != want[i] || v.N == 0 {
				t.Errorf("%s: %s is %+v, want exactly %v", arm, name, v, want[i])
			}
		}
		if full := a.Metrics["handshake.full"].Value; full == 0 || full != a.Metrics["requests.count"].Value || full != a.Metrics["connect.count"].Value {
			t.Errorf("%s: %v full handshakes, %v requests, %v connections", arm, full, a.Metrics["requests.count"].Value, a.Metrics["connect.count"].Value)
		}
		if a.Labels["tls.version"] != a.Axes["edge.tls.version"] || a.Labels["group"] != "x25519" || a.Labels["cipher"] == "" {
			t.Errorf("%s negotiated %v", arm, a.Labels)
		}
	}
	if !result.Complete || !result.Validity.Reconciled || len(result.Validity.Tallies) != 6 {
		t.Errorf("complete %v, validity %+v", result.Complete, result.Validity)
	}
	if v := result.Arm("h/plain-tcp").Metrics; v["firstbyte.rtts"].Value != 2 || v["handshake.full"].Value != 0 {
		t.Errorf("the baseline measured %+v", v)
	}
	checkPairs(t, result)
	if c := result.Claims; len(c) != 1 || c[0].Value != 0.5 || c[0].Verdict != results.ClaimSupported || c[0].Source != "everybody" || c[0].Experiment != "h" {
		t.Errorf("claims %+v, want one round trip of two, supported", c)
	}
}

func checkPairs(t *testing.T, result *results.Result) {
	t.Helper()
	if processCPUAvailable() != nil {
		return
	}
	axes, doubles := 0, 0
	for _, p := range result.Pairs {
		if len(p.Estimates) != 2 {
			t.Errorf("%s ÷ %s has %d estimates, want one per trial", p.A, p.B, len(p.Estimates))
		}
		if p.Role == results.PairAA {
			doubles++
		} else {
			axes++
		}
	}
	if axes != 8 || doubles != 2 {
		t.Errorf("%d pairs on an axis and %d doubles, want 8 and 2", axes, doubles)
	}
	if aa := result.Validity.AA["h"]; len(aa) != 2 || aa["handshake.cpu.origin"].Ratio <= 0 {
		t.Errorf("the A/A spread is %+v", aa)
	}
}

func TestRequestExperiment(t *testing.T) {
	result := mustRun(t, compileText(t, `
version: 1
name: small
edge: {tls: {version: "1.3"}, pool: {maxConnections: 4}} # on a busy machine requests pile up: they wait, and do not dial
origin: {strategies: [mtls, header, allowlist], response: {cacheControl: max-age=60}}
experiments:
  - name: p
    workload: {mode: requests, arrivals: {model: constant, rate: 300/s}, objects: {model: one}, duration: 300ms, warmup: 20ms}
    compare:
      - axis: edge
        values:
          - {name: cold, set: {edge.pool.reuse: false, edge.cache.capacity: 0}}
          - {name: pool, set: {edge.pool.reuse: true, edge.cache.capacity: 0}}
          - {name: cache, set: {edge.pool.reuse: true, edge.cache.capacity: 1MiB}}
`))
	metric := func(arm, name string) float64 { return result.Arm("p/edge=" + arm).Metrics[name].Value }
	for _, arm := range []string{"cold", "pool", "cache"} {
		if n := metric(arm, "requests.count"); n != 90 {
			t.Errorf("%s: %v requests in 300 ms at 300/s, want 90", arm, n)
		}
		if metric(arm, "requests.failed") != 0 {
			t.Errorf("%s: %v requests failed", arm, metric(arm, "requests.failed"))
		}
		if result.Arm("p/edge=" + arm).Metrics["latency.p50"].N != 90 {
			t.Errorf("%s: latency has %d samples", arm, result.Arm("p/edge=" + arm).Metrics["latency.p50"].N)
		}
	}
	if metric("cold", "reuse.ratio") != 0 || metric("cold", "handshake.per1000") != 1000 {
		t.Errorf("without a pool: reuse %v, %v handshakes per 1000", metric("cold", "reuse.ratio"), metric("cold", "handshake.per1000"))
	}
	if metric("pool", "reuse.ratio") < 0.9 || metric("pool", "origin.offload") != 0 {
		t.Errorf("with a pool: reuse %v, offload %v", metric("pool", "reuse.ratio"), metric("pool", "origin.offload"))
	}
	// The one object was fetched during the warm-up and stays fresh.
	if metric("cache", "origin.requests") != 0 || metric("cache", "cache.hit.ratio") != 1 || metric("cache", "origin.offload") != 1 {
		t.Errorf("with a cache: %v origin requests", metric("cache", "origin.requests"))
	}
	if !result.Validity.Reconciled {
		t.Errorf("not reconciled: %+v", result.Validity)
	}
}

// TestOverH2 is both modes over HTTP/2: what a handshake takes is TLS's, and
// requests share a connection.
func TestOverH2(t *testing.T) {
	result := mustRun(t, compileText(t, handshakeScenario, "experiments.h.edge.protocol=h2", "experiments.h.workload.trials=1"))
	for arm, want := range map[string][2]float64{
		"h/edge.tls.version=1.2,auth=mtls": {2, 4},
		"h/edge.tls.version=1.3,auth=mtls": {1, 3},
	} {
		a := result.Arm(arm)
		for i, name := range []string{"handshake.rtts", "firstbyte.rtts"} {
			if v := a.Metrics[name]; v.Low != want[i] || v.High != want[i] || v.N == 0 {
				t.Errorf("%s: %s is %+v, want exactly %v", arm, name, v, want[i])
			}
		}
		if a.Labels["protocol"] != "h2" || a.Metrics["handshake.failed"].Value != 0 {
			t.Errorf("%s: labels %v", arm, a.Labels)
		}
	}
	if !result.Complete || !result.Validity.Reconciled {
		t.Errorf("complete %v, validity %+v", result.Complete, result.Validity)
	}
	result = mustRun(t, compileText(t, `
version: 1
name: small
edge: {tls: {version: "1.3"}, cache: {capacity: 0}}
origin: {strategies: [mtls]}
experiments:
  - name: p
    workload: {mode: requests, arrivals: {model: closed}, concurrency: 8, duration: 200ms, warmup: 20ms}
    compare: [{axis: edge.protocol, values: [h1, h2]}]
`))
	for protocol, most := range map[string]float64{"h1": 8, "h2": 1} {
		a := result.Arm("p/edge.protocol=" + protocol)
		if n := a.Metrics["requests.count"].Value; n == 0 || a.Metrics["requests.failed"].Value != 0 || a.Metrics["connect.count"].Value > most {
			t.Errorf("%s: %v requests, %v failed, %v connections", protocol, n, a.Metrics["requests.failed"].Value, a.Metrics["connect.count"].Value)
		}
	}
	if !result.Validity.Reconciled {
		t.Errorf("not reconciled: %+v", result.Validity)
	}
}

func TestEveryMutualStrategyServesItsEdge(t *testing.T) {
	for _, pin := range []string{"none", "subject", "san", "leaf"} {
		result := mustRun(t, compileText(t, handshakeScenario,
			"origin.mtls.pin="+pin, "origin.certificate.chain=2", "experiments.h.workload.trials=1"))
		if n := result.Arm("h/edge.tls.version=1.3,auth=mtls").Metrics["handshake.full"].Value; n == 0 {
			t.Errorf("pin %s: no handshake", pin)
		}
	}
}

// A worker that is killed fails its arm with the reason; the others go on.
func TestKilledWorkerFailsItsArmOnly(t *testing.T) {
	plan := compileText(t, handshakeScenario, "experiments.h.workload.trials=1")
	r := newTestRun(t, plan)
	x := &plan.Experiments[0]
	lab, err := newLab()
	if err != nil {
		t.Fatal(err)
	}
	var all []*pair
	trials := r.trial(t.Context(), x, 1, lab, func(ctx context.Context, pairs []*pair) {
		all = pairs
		for round := range 4 {
			if round == 2 {
				kill(t, pairs[1].edge)
				kill(t, pairs[2].origin.(builtinEnd).process)
			}
			for _, p := range pairs {
				p.block(ctx, Block{Seconds: 0.005})
			}
		}
	})
	for i, trial := range trials {
		killed := i == 1 || i == 2
		if (trial.err != nil) != killed {
			t.Errorf("%s: error %v", x.Arms[i].Name, trial.err)
		}
		if killed && !strings.Contains(trial.err.Error(), "signal: killed") {
			t.Errorf("%s does not say why: %v", x.Arms[i].Name, trial.err)
		}
		if !killed && len(trial.blocks) != 4 {
			t.Errorf("%s has %d blocks, want 4", x.Arms[i].Name, len(trial.blocks))
		}
	}
	for _, p := range all {
		for _, proc := range []*process{p.edge, p.origin.(builtinEnd).process} {
			select {
			case <-proc.exited:
			default:
				t.Errorf("%s is still running", proc.name)
			}
		}
	}
}

func kill(t *testing.T, p *process) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.exited
}

func newTestRun(t *testing.T, plan *Plan) *run {
	t.Helper()
	cfg := testConfig(t)
	if err := os.MkdirAll(auditFolder(cfg), 0o755); err != nil {
		t.Fatal(err)
	}
	return &run{plan: plan, cfg: cfg}
}

// An interrupted run keeps its trials and says that it is not complete.
func TestInterruptedRunKeepsWhatItHas(t *testing.T) {
	plan := compileText(t, handshakeScenario, "experiments.h.workload.trials=50", "experiments.h.workload.duration=5s")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg := testConfig(t)
	cfg.Progress = func(p Progress) {
		if p.Trial == 2 {
			cancel()
		}
	}
	result, err := Run(ctx, plan, cfg)
	if err == nil || result == nil {
		t.Fatalf("an interrupted run returned %v, %v", result, err)
	}
	if result.Complete {
		t.Error("an interrupted run calls itself complete")
	}
	arm := result.Arm("h/edge.tls.version=1.3,auth=mtls")
	if arm == nil || len(arm.Trials) == 0 || !arm.Trials[0].Complete || arm.Metrics["handshake.full"].Value == 0 {
		t.Fatalf("the first trial is lost: %+v", arm)
	}
	if err := results.Validate(result); err != nil {
		t.Error(err)
	}
	for i := range result.Arms {
		if why := result.Arms[i].Error; strings.Contains(why, "did not answer") {
			t.Errorf("%s: %s", result.Arms[i].Name, why)
		}
	}
	if result.Conclude() != results.RunFailed {
		t.Errorf("it concludes %q", result.Conclude())
	}
}

// Nothing that a run leaves behind holds a key or the secret.
func TestNoSecretIsKept(t *testing.T) {
	plan := compileText(t, "version: 1\nname: h\norigin: {strategies: [mtls, header]}\nworkload: {mode: handshakes}\n")
	r := newTestRun(t, plan)
	lab, err := newLab()
	if err != nil {
		t.Fatal(err)
	}
	x := &plan.Experiments[0]
	trials := r.trial(t.Context(), x, 1, lab, func(ctx context.Context, pairs []*pair) {
		for _, p := range pairs {
			p.block(ctx, Block{Seconds: 0.005})
		}
	})
	for _, trial := range trials {
		if trial.err != nil {
			t.Fatal(trial.err)
		}
	}
	files := 0
	err = filepath.WalkDir(r.cfg.Folder, func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		text, err := os.ReadFile(name)
		for _, secret := range []string{lab.secret, "PRIVATE KEY"} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s holds a secret", name)
			}
		}
		return err
	})
	if err != nil || files == 0 {
		t.Fatalf("looked at %d files: %v", files, err)
	}
}

func TestBypassExperiment(t *testing.T) {
	result := mustRun(t, compileText(t, `
version: 1
name: small
experiments:
  - name: b
    bypass: {cases: [A01, A13, C04, C11], strategies: [allowlist, mtls], tls: ["1.2", "1.3"]}
    expect: ["bypass.unexpected == 0"]
`))
	ran := 0
	for _, row := range result.Bypass {
		if !row.OK {
			t.Errorf("%s %s %q: predicted %s, measured %s: %s", row.Case, row.Strategy, row.Mistake, row.Predicted, row.Measured, row.Detail)
		}
		if row.Ran() {
			ran++
		}
	}
	if ran != 57 || len(result.Bypass) != 61 { // QUIC has no TLS 1.2
		t.Errorf("%d of %d rows ran, want 57 of 61", ran, len(result.Bypass))
	}
	if len(result.Expectations) != 1 || !result.Expectations[0].Pass {
		t.Errorf("expectations: %+v", result.Expectations)
	}
}

// A long block under way when the run is interrupted says so.
func TestInterruptedBlockSaysSo(t *testing.T) {
	plan := compileText(t, "version: 1\nname: r\nworkload: {arrivals: {model: constant, rate: 20/s}, duration: 1h}\n")
	r := newTestRun(t, plan)
	lab, err := newLab()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	trials := r.trial(ctx, &plan.Experiments[0], 1, lab, func(ctx context.Context, pairs []*pair) {
		time.AfterFunc(20*time.Millisecond, cancel)
		pairs[0].block(ctx, Block{Seconds: 3600})
	})
	if !errors.Is(trials[0].err, errInterrupted) {
		t.Errorf("the arm under way says %v", trials[0].err)
	}
	if trials[1].err != nil {
		t.Errorf("the arm that waited says %v", trials[1].err)
	}
}
