package sim

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
)

const findScenario = `
version: 1
name: find
origin: {certificate: {key: ed25519}, response: {delay: 10ms}}
experiments:
  - name: pool
    edge: {pool: {maxConnections: 4}}
    workload:
      mode: requests
      arrivals: {model: constant}
      objects: {model: one}
      warmup: 100ms
      find: {slo: ["p99 < 200ms", "failed == 0"], from: 50/s, to: 1600/s, within: 50%, step: 500ms}
    expect: ["capacity < 100000/s"]
  - name: hopeless
    workload: {mode: handshakes, arrivals: {model: poisson}, find: {slo: ["latency.p50 < 1ns"], from: 100/s, to: 200/s, step: 200ms}}
    compare: [{axis: edge.tls.resumption, values: [false, true]}]
    expect: ["capacity > 1/s"]
`

// Four connections that are busy for 10 ms with every request carry 400 a
// second and no more, whatever the machine.
func TestFindOnRealWorkers(t *testing.T) {
	plan := compileText(t, findScenario)
	if x := plan.Experiments[0]; len(x.Arms) != 1 || x.Interleaved || x.Block != 0.5 || math.Abs(x.Seconds-3.6) > 1e-9 {
		t.Errorf("planned %+v", x)
	}
	var steps []string
	cfg := testConfig(t)
	cfg.Progress = func(p Progress) {
		if p.Step != "" && !strings.HasSuffix(p.Step, "…") {
			steps = append(steps, p.Step)
		}
	}
	result, err := Run(t.Context(), plan, cfg)
	if err != nil || !result.Complete || !result.Validity.Reconciled {
		t.Fatalf("%v, %+v", err, result.Validity)
	}
	arm := result.Arm("pool")
	s := arm.Trials[0].Search
	if s.Kept >= 500 || s.Steps[0].Rate != 50 || s.Reason == "" {
		t.Errorf("search %+v", s)
	}
	if v := arm.Metrics[results.MetricCapacity]; v.Value != s.Kept || s.Outcome == results.SearchFound && (v.Low != s.Kept || v.High != s.Broken) {
		t.Errorf("capacity %+v of %+v", v, s)
	}
	if n := arm.Metrics["rate.offered"].Value; s.Kept > 0 && math.Abs(n-s.Kept) > 2 {
		t.Errorf("the arm shows a step at %v/s, kept was %v/s", n, s.Kept)
	}
	for _, a := range result.Arms[1:] {
		if s := a.Trials[0].Search; s.Kept != 0 || len(s.Steps) < 2 || s.Outcome != results.SearchBelow && s.Outcome != results.SearchHarness {
			t.Errorf("%s: %+v", a.Name, s)
		}
		if _, has := a.Metrics[results.MetricCapacity]; has || a.Metrics["requests.count"].Value == 0 {
			t.Errorf("%s: %+v", a.Name, a.Metrics)
		}
		s := a.Trials[0].Search
		if len(steps) < len(s.Steps) {
			t.Errorf("progress showed %d steps of %d", len(steps), len(s.Steps))
		}
	}
	if e := result.Expectations[1]; e.Pass {
		t.Errorf("%+v", e)
	}
}

func TestVerdictOfAStep(t *testing.T) {
	rule := func(text string) []*results.Expression {
		e, err := results.ParseObjective(text)
		if err != nil {
			t.Fatal(err)
		}
		return []*results.Expression{e}
	}
	for _, c := range []struct {
		name          string
		scheduled     int64
		sent, dropped int64
		answered      int64 // of the second half, too: half of them
		p99, late     float64
		edge          float64
		others, idle  float64
		first         string
		want, reason  string
	}{
		{"good", 1000, 1000, 0, 1000, 9, 1, 0.99, 0, 1, "", results.StepKept, ""},
		{"slow", 1000, 1000, 0, 1000, 60, 1, 0.5, 0, 1, "", results.StepBroken, "latency.p99 < 50ms: 60 ms"},
		{"slow, and the edge is full", 1000, 1000, 0, 1000, 60, 1, 0.95, 0, 1, "", results.StepHarness, "latency.p99 < 50ms: 60 ms, while the edge used 95 % of its processor"},
		{"late", 1000, 1000, 0, 1000, 9, 6, 0.1, 0, 1, "", results.StepHarness, "the generator was late by 6 ms at p99"},
		{"late, but within a fifth", 1000, 1000, 0, 1000, 40, 6, 0.1, 0, 1, "", results.StepKept, ""},
		{"not sent", 1000, 990, 0, 990, 9, 1, 0.1, 0, 1, "", results.StepHarness, "10 of 1000 requests were not sent in their time"},
		{"no room", 1000, 990, 10, 990, 9, 1, 0.1, 0, 1, "", results.StepBroken, "10 requests came when 10000 were waiting already"},
		{"queueing", 1000, 1000, 0, 800, 9, 1, 0.1, 0, 1, "", results.StepBroken, "answers fell behind: 800/s of 1000/s"},
		{"nobody answered", 1000, 1000, 0, 0, 0, 1, 0.1, 0, 1, "connection refused", results.StepBroken, "no request was answered; the first failure: connection refused"},
		{"slow, and others had the machine", 1000, 1000, 0, 1000, 60, 1, 0.3, 1.25, 0.05, "", results.StepHarness, "latency.p99 < 50ms: 60 ms, while other programs had 1.2 processors and none was idle"},
		{"slow beside others, with room for all", 1000, 1000, 0, 1000, 60, 1, 0.3, 1.25, 0.5, "", results.StepBroken, "latency.p99 < 50ms: 60 ms"},
		{"good, though others had the machine", 1000, 1000, 0, 1000, 9, 1, 0.3, 1.25, 0, "", results.StepKept, ""},
	} {
		arm := &results.Arm{Name: "a/b=c", Role: results.RoleArm, Metrics: map[string]results.Value{
			"send.error.p99": results.NewValue("send.error.p99", c.late, 1000),
			"rate.achieved":  results.NewValue("rate.achieved", float64(c.answered), 1), "rate.offered": results.NewValue("rate.offered", float64(c.scheduled), 1),
		}}
		if c.p99 > 0 {
			arm.Metrics["latency.p99"] = results.NewValue("latency.p99", c.p99, 1000)
			arm.Metrics["latency.p50"] = results.NewValue("latency.p50", c.p99, 1000)
		}
		m := &stepMeasured{edge: c.edge, others: c.others, idle: c.idle, first: c.first, summary: results.Summary{Counts: map[string]int64{
			countScheduled: c.scheduled, countSentInTime: c.sent, countDropped: c.dropped, countAnswered: c.answered,
			countLateDue: c.scheduled / 2, countLateAnswered: c.answered / 2, countFailed: c.sent - c.answered,
		}}}
		if got, reason := verdictOf(m, arm, rule("p99 < 50ms")); got != c.want || reason != c.reason {
			t.Errorf("%s: %s, %q, want %s, %q", c.name, got, reason, c.want, c.reason)
		}
	}
}

func TestFindIsCompiled(t *testing.T) {
	for _, c := range []struct{ set, want string }{
		{`slo: ["p99 < 50ms", "fialed == 0"]`, `test.yaml:6: experiments[0].workload.find.slo[1]: unknown metric "fialed"`},
		{`slo: ["latency.p99{arm=x} < 50ms"]`, "an objective is of every arm; remove the selectors"},
		{`slo: ["p99 < 50"]`, ""},
		{`slo: ["p99 < 50/s"]`, `unit "/s" does not fit`},
		{`slo: ["handshake.cpu.origin < 50us"]`, "no rate of a search measures handshake.cpu.origin"},
		{`slo: ["p99 / p50 < 3"]`, "an objective is one metric, an operator and a number"},
		{`slo: ["p99 <"]`, "column 6"},
	} {
		text := "version: 1\nname: f\nworkload:\n  arrivals: {model: poisson}\n  find:\n    {" + c.set + "}\n"
		s, err := scenarios.Load(scenarios.Source{File: "test.yaml", Content: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = Compile(s)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.set, err, c.want)
		}
	}
	s, err := scenarios.Load(scenarios.Source{File: "test.yaml", Content: []byte("version: 1\nlink: {rtt: 10ms}\nworkload: {arrivals: {model: poisson}, find: {slo: [\"failed == 0\"]}}\n")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Compile(s); err == nil || !strings.Contains(err.Error(), "the two ends of a distance share a process here") {
		t.Error(err)
	}
}

// A gate measures both sides at the same rate.
func TestFindIsNoGate(t *testing.T) {
	plan := compileText(t, findScenario)
	if _, err := Versus(plan, plan); err == nil || !strings.Contains(err.Error(), "it searches for a rate") {
		t.Error(err)
	}
}

// A rate that is tried again meets other arrivals, and a summary is of its
// block alone.
func TestBlocksAtARateOfTheirOwn(t *testing.T) {
	plan := compileText(t, "version: 1\nname: b\nworkload: {arrivals: {model: constant, rate: 7/s}, controls: false}\n")
	arm := plan.Experiments[0].Arms[0]
	lab, err := newLab()
	if err != nil {
		t.Fatal(err)
	}
	credentials, err := lab.credentials(&arm)
	if err != nil {
		t.Fatal(err)
	}
	server := startOrigin(t, &arm, credentials)
	start := Start{Protocol: ProtocolVersion, Arm: arm, Credentials: credentials.edge, Source: edgeAddress(), Origin: server}
	block := func(rate float64) Command {
		return Command{Type: msgBlock, Block: &Block{Seconds: 0.1, Rate: rate, Report: true}}
	}
	answers, err := converse(t, RoleEdge, Command{Type: msgStart, Start: &start}, block(100), block(200), Command{Type: msgDrain})
	if err != nil || len(answers) != 4 {
		t.Fatalf("%+v, %v", answers, err)
	}
	for i, want := range []int64{10, 20} {
		done := answers[i+1].Done
		if done == nil || done.Summary == nil || done.Summary.Counts[countRequests] != want || done.Summary.Counts[countSpan] != int64(100*time.Millisecond) {
			t.Errorf("block %d: %+v", i, done)
		}
	}
}

// Whatever a search came to, its arm can be written down.
func TestCapacityOfEveryOutcome(t *testing.T) {
	trial := func(outcome string, kept, broken float64) results.Trial {
		return results.Trial{Index: 1, Complete: true, Search: &results.Search{Outcome: outcome, Reason: "why", Kept: kept, Broken: broken}}
	}
	for _, c := range []struct {
		trials           []results.Trial
		value, low, high float64
	}{
		{[]results.Trial{trial(results.SearchFound, 100, 110)}, 100, 100, 110},
		{[]results.Trial{trial(results.SearchFound, 100, 110), trial(results.SearchFound, 80, 85), trial(results.SearchFound, 120, 130)}, 100, 80, 130},
		{[]results.Trial{trial(results.SearchBeyond, 100, 0)}, 100, 0, 0},
		{[]results.Trial{trial(results.SearchHarness, 100, 200)}, 100, 0, 0},
		{[]results.Trial{trial(results.SearchInterrupted, 100, 0)}, 100, 0, 0},
		{[]results.Trial{trial(results.SearchFound, 100, 110), trial(results.SearchBelow, 0, 10)}, 100, 0, 0},
		{[]results.Trial{trial(results.SearchBelow, 0, 10)}, 0, 0, 0},
	} {
		arm := results.Arm{Name: "a", Role: results.RoleArm, Metrics: map[string]results.Value{}, Trials: c.trials}
		capacityMetric(&arm)
		v, has := arm.Metrics[results.MetricCapacity]
		if has != (c.value > 0) || v.Value != c.value || v.Low != c.low || v.High != c.high {
			t.Errorf("%+v: %+v", c, v)
		}
		result := &results.Result{Schema: results.SchemaName, Arms: []results.Arm{arm}}
		if err := results.Validate(result); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
