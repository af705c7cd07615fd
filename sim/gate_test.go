package sim

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/originpull/originpull/results"
)

func TestVersus(t *testing.T) {
	base := compileText(t, handshakeScenario)
	head := compileText(t, handshakeScenario, "edge.tls.group=p256")
	joined, err := Versus(base, head)
	if err != nil {
		t.Fatal(err)
	}
	x := joined.Experiments[0]
	if len(x.Arms) != 9 || x.Expect != nil || x.Claims != nil || joined.Experiments[0].Arms[8].Role != Baseline {
		t.Fatalf("%d arms, %v", len(x.Arms), x.Arms[len(x.Arms)-1].Role)
	}
	for i := 0; i < 8; i += 2 {
		b, h := &x.Arms[i], &x.Arms[i+1]
		if b.differsOnlyIn(h) != results.GateAxis || b.Settings.Edge.TLS.Group != "x25519" || h.Settings.Edge.TLS.Group != "p256" {
			t.Errorf("%s against %s", b.Name, h.Name)
		}
		if strings.Replace(b.Name, "gate=base", "gate=head", 1) != h.Name || !strings.HasPrefix(h.Name, "h/gate=head,edge.tls.version=") {
			t.Errorf("names %s and %s", b.Name, h.Name)
		}
	}
	if slices.ContainsFunc(base.Experiments[0].Arms, func(a Arm) bool { _, has := a.Axes[results.GateAxis]; return has }) {
		t.Error("the plan of base was changed")
	}
	more := joined.WithTrials(7, 0.25, 3)
	if y := more.Experiments[0]; y.Trials != 7 || y.Seconds != 0.25 || more.Seed == joined.Seed || x.Trials == 7 {
		t.Errorf("%d trials of %v s, seed %d", y.Trials, y.Seconds, more.Seed)
	}
	for arms, want := range map[int]float64{3: gateTrial, 9: 9 * gateArmTrial} {
		joined.Experiments[0].Arms = slices.Repeat(x.Arms, 2)[:arms]
		if y := joined.WithTrials(7, 0, 3).Experiments[0]; y.Seconds != want {
			t.Errorf("%d arms have %v s", arms, y.Seconds)
		}
	}
}

func TestVersusRefuses(t *testing.T) {
	base := compileText(t, handshakeScenario)
	for want, head := range map[string]*Plan{
		`experiment "h": its workload differs`:       compileText(t, handshakeScenario, "workload.block=9ms"),
		`experiment "h" is in base alone`:            compileText(t, strings.ReplaceAll(handshakeScenario, "name: h\n", "name: other\n")),
		`experiment "h": arm h/edge.tls.version=1.2`: compileText(t, strings.ReplaceAll(strings.Split(handshakeScenario, "    claims:")[0], `["1.2", "1.3"]`, `["1.3"]`)),
	} {
		if _, err := Versus(base, head); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// The whole way: two sides that are the same, measured in turn, give samples
// of which every trial yields one estimate, and nothing exact changes.
func TestVersusRuns(t *testing.T) {
	text := strings.Split(handshakeScenario, "    compare:")[0]
	base, head := compileText(t, text), compileText(t, text)
	joined, err := Versus(base, head)
	if err != nil {
		t.Fatal(err)
	}
	result, err := Run(t.Context(), joined.WithTrials(3, 0.2, 0), testConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	exact, err := result.GateExact(nil)
	if err != nil || len(exact) == 0 {
		t.Fatalf("%v, %d exact comparisons", err, len(exact))
	}
	for _, j := range exact {
		if j.Verdict != results.GatePassed || j.Name != "h" {
			t.Errorf("%+v", j)
		}
	}
	samples, err := result.GateSamples(results.DefaultRules)
	if err != nil {
		t.Fatal(err)
	}
	measured := map[string]int{}
	for _, s := range samples {
		measured[s.Rule.Metric] = len(s.Estimates)
	}
	want := []string{"latency.p50", "latency.p90", "latency.p99"}
	if runtime.GOOS == "linux" {
		want = append(want, "handshake.cpu.edge", "handshake.cpu.origin")
	}
	for _, metric := range want {
		if measured[metric] != 3 {
			t.Errorf("%s: %d estimates of 3 trials", metric, measured[metric])
		}
	}
	if len(measured) != len(want) {
		t.Errorf("samples of %v, want %v", measured, want)
	}
}

// Two arms on either side have a ratio of their own on each, and a gate
// compares those too.
func TestVersusRunsRatios(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("CPU of processes is read on Linux alone")
	}
	plan := compileText(t, strings.Split(handshakeScenario, "    compare:")[0]+"    compare: [{axis: edge.tls.version, values: [\"1.2\", \"1.3\"]}]\n")
	joined, err := Versus(plan, plan)
	if err != nil {
		t.Fatal(err)
	}
	result, err := Run(t.Context(), joined.WithTrials(2, 0.2, 0), testConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	samples, err := result.GateSamples(results.DefaultRules)
	if err != nil {
		t.Fatal(err)
	}
	ratios := 0
	for _, s := range samples {
		if s.Name == "h/edge.tls.version=1.3 ÷ h/edge.tls.version=1.2" {
			ratios++
			if len(s.Estimates) != 2 {
				t.Errorf("%s: %d estimates of 2 trials", s.Rule.Metric, len(s.Estimates))
			}
		}
	}
	if ratios != 2 {
		t.Errorf("%d in-run ratios, want those of edge and origin", ratios)
	}
}

// What one viewer asks in a closed loop is counted, not timed; what the clock
// has a hand in stays as it is.
func TestExactly(t *testing.T) {
	text := `version: 1
name: e
edge: {cache: {capacity: 1MiB}}
experiments:
  - {name: one, workload: {mode: requests, concurrency: 1}}
  - {name: two, workload: {mode: requests, concurrency: 2}}
  - {name: open, workload: {mode: requests, arrivals: {model: poisson, rate: 50/s}}}
  - {name: h, workload: {mode: handshakes}}
`
	plan := compileText(t, text)
	exact := plan.Exactly(0.2)
	for i, want := range []int64{exactCount, 0, 0, 0} {
		if x := exact.Experiments[i]; x.Count != want || x.Trials != 1 || plan.Experiments[i].Count != 0 {
			t.Errorf("%s: %d counted in %d trials, want %d in one", x.Name, x.Count, x.Trials, want)
		}
	}
	if !(exact.PlannedSeconds < plan.PlannedSeconds) {
		t.Errorf("%v s are planned, %v before", exact.PlannedSeconds, plan.PlannedSeconds)
	}
	one := strings.Split(text, "  - {name: two")[0]
	base, head := compileText(t, one), compileText(t, one, "edge.cache.capacity=4KiB")
	for _, side := range []*Plan{base, head} {
		joined, err := Versus(base, side)
		if err != nil {
			t.Fatal(err)
		}
		result, err := Run(t.Context(), joined.Exactly(0.2), testConfig(t))
		if err != nil {
			t.Fatal(err)
		}
		judged, err := result.GateExact(nil)
		if err != nil {
			t.Fatal(err)
		}
		failed := map[string]bool{}
		for _, j := range judged {
			failed[j.What] = j.Fails()
		}
		for what, moved := range map[string]bool{"requests.count": false, "connect.count": false, "cache.hit.ratio": true, "origin.requests": true} {
			if fails, compared := failed[what]; !compared || fails != (moved && side == head) {
				t.Errorf("%s: compared %v, fails %v; head is another: %v", what, compared, fails, side == head)
			}
		}
	}
}
