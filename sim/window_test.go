package sim

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
)

// arrive plays an open loop of one second: an arrival every 10 ms, sent and
// answered when the two functions say.
func arrive(r *results.Recorder, sent, answered func(due time.Duration) time.Duration) {
	w := window{started: time.Now(), length: time.Second}
	for due := time.Duration(0); due < w.length; due += 10 * time.Millisecond {
		at := func(d time.Duration) time.Time { return w.started.Add(d) }
		b := r.Begin()
		b.Add(countRequests, 1)
		w.pulled(b, pulled{due: at(due), sent: at(sent(due)), end: at(answered(due))}, true)
		b.End()
	}
	r.Add(countSpan, int64(w.length))
}

func plus(d time.Duration) func(time.Duration) time.Duration {
	return func(due time.Duration) time.Duration { return due + d }
}

// A rate is what was answered in the block, and met when the generator kept to
// its schedule, however slow the answers were.
func TestRates(t *testing.T) {
	slower := func(due time.Duration) time.Duration { return 2 * due }
	for _, c := range []struct {
		name            string
		sent, answered  func(time.Duration) time.Duration
		achieved        float64
		sentInTime      int64
		met, overloaded bool
	}{
		{"prompt", plus(0), plus(time.Millisecond), 100, 100, true, false},
		{"a slow origin is not saturated", plus(0), plus(205 * time.Millisecond), 80, 100, true, false},
		{"an origin of half the rate is", plus(0), slower, 51, 100, true, true},
		{"a hiccup at the end", plus(15 * time.Millisecond), plus(15 * time.Millisecond), 99, 100, true, false},
		{"a generator of half the rate", slower, slower, 51, 52, false, true},
	} {
		r := results.NewRecorder()
		arrive(r, c.sent, c.answered)
		counts := r.Summary().Counts
		offered, achieved, ok := rates(counts)
		if !ok || offered != 100 || achieved != c.achieved {
			t.Errorf("%s: offered %v, achieved %v, want 100 and %v", c.name, offered, achieved, c.achieved)
		}
		if n := counts[countSentInTime]; n != c.sentInTime || rateMet(counts[countScheduled], n) != c.met || saturated(counts) != c.overloaded {
			t.Errorf("%s: %d sent, met %v, saturated %v", c.name, n, rateMet(counts[countScheduled], n), saturated(counts))
		}
	}
	if _, _, ok := rates(map[string]int64{}); ok || rateMet(0, 0) {
		t.Error("nothing is a rate")
	}
	if !rateMet(1000, 999) || rateMet(1000, 998) {
		t.Error("a rate is met within 0.1 %")
	}
}

func TestGeneratorSpeaksOfWhatItMissed(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(map[string]int64)
		late   float64
		valid  bool
		want   string
	}{
		{"on time", func(map[string]int64) {}, 1, true, ""},
		{"late", func(map[string]int64) {}, 6, true, "the generator was late"},
		{"rate", func(n map[string]int64) { n[countSentInTime] = 900 }, 1, false, "100 of 1000 scheduled requests were not sent in their block: the rate was not met"},
		{"saturated", func(n map[string]int64) { n[countLateAnswered] = 300 }, 1, true, "saturated: 80.0 answers per second to 100.0 requests"},
	} {
		result, err := newResult(&Plan{}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		arm := Arm{Name: "x", Settings: scenarios.Defaults()}
		arm.Settings.Workload.Arrivals = scenarios.Arrivals{Model: "constant", Rate: 100}
		counts := map[string]int64{countScheduled: 1000, countSentInTime: 1000, countLateDue: 500, countLateAnswered: 500, countAnswered: 1000}
		c.change(counts)
		out := results.Arm{Name: "x", Metrics: map[string]results.Value{
			"send.error.p99": results.NewValue("send.error.p99", c.late, 9),
			"rate.achieved":  results.NewValue("rate.achieved", 80, 1), "rate.offered": results.NewValue("rate.offered", 100, 1),
		}}
		(&run{result: result}).generator(&collected{arm: &arm, merged: results.Summary{Counts: counts}}, &out)
		v := result.Validity
		said := strings.Join(v.Warnings, "\n")
		if v.Valid != c.valid || (said == "") != (c.want == "") || !strings.Contains(said, c.want) {
			t.Errorf("%s: %+v", c.name, v)
		}
	}
}

// What an origin accepted must have ended there too.
func TestAcceptedIsReconciledWithEnded(t *testing.T) {
	for accepted, want := range map[int64]bool{3: true, 4: false} {
		result, err := newResult(&Plan{}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		trial := armTrial{index: 1, edge: &EdgeSummary{}, origin: &origin.Counts{Accepted: accepted, Full: 3}}
		trial.edge.Total.Pool.Connects = 3
		r := &run{plan: &Plan{}, result: result}
		r.reconcile(&Arm{Name: "x"}, &trial)
		result.Arms = []results.Arm{{Name: "x"}}
		r.finish(context.Background(), nil)
		if v := result.Validity; v.Reconciled != want || v.Valid != want {
			t.Errorf("accepted %d, ended 3: %+v", accepted, v)
		}
	}
}

// What was not compared is not reconciled.
func TestNothingTalliedIsNotReconciled(t *testing.T) {
	for arms, valid := range map[int]bool{0: true, 1: false} {
		result, err := newResult(&Plan{}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		result.Arms = make([]results.Arm, arms)
		(&run{plan: &Plan{}, result: result}).finish(context.Background(), nil)
		if v := result.Validity; v.Reconciled || v.Valid != valid {
			t.Errorf("%d arms: %+v", arms, v)
		}
	}
}

// The settings of the shell do not reach the workers, and the result says which
// they have.
func TestWorkersHaveSettingsOfTheirOwn(t *testing.T) {
	for name := range workerSettings {
		t.Setenv(name, "7")
	}
	got := environment()
	for _, pair := range workerEnv() {
		name, value, _ := strings.Cut(pair, "=")
		if recorded, have := got[strings.ToLower(name)]; !have || recorded != value || value == "7" {
			t.Errorf("%s: the workers have %q, the result says %q", name, value, recorded)
		}
	}
}

// Stages send what they say, and the result says what paced them.
func TestStagesAreSent(t *testing.T) {
	result := mustRun(t, compileText(t, "version: 1\nname: p\nworkload: {realtime: true, arrivals: {model: stages, stages: [{to: 200/s, for: 200ms}, {rate: 300/s, for: 100ms}]}, warmup: 20ms, duration: 300ms}\n"))
	a := result.Arm("p")
	if n := a.Metrics["requests.count"].Value; n != 50 || a.Metrics["send.error.p99"].N != 50 {
		t.Errorf("20 and 30 arrivals are %v requests, %d send errors", n, a.Metrics["send.error.p99"].N)
	}
	if offered := a.Metrics["rate.offered"].Value; math.Abs(offered-50/0.3) > 1e-6 {
		t.Errorf("offered %v", offered)
	}
	if result.Environment[results.EnvGenerator] == "" || result.Environment[results.EnvRealtime] == "" {
		t.Errorf("environment %v", result.Environment)
	}
	if processCPUAvailable() == nil && a.Metrics["request.cpu.edge"].Value <= 0 {
		t.Errorf("CPU of the edge: %+v", a.Metrics["request.cpu.edge"])
	}
}

// A generator that is behind by more than its grace after the block sends
// nothing any more, and what was due counts as not sent.
func TestAGeneratorThatIsTooLateGivesUp(t *testing.T) {
	objects, err := newObjects(scenarios.Objects{Model: "one"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		behind time.Duration
		sent   int64
	}{{0, 5}, {tooLate, 0}} {
		w := &edgeWorker{objects: newAsker(objects, nil, 1), recorder: newPullRecorder(Arm{})}
		block := window{time.Now().Add(-time.Second - c.behind), time.Second}
		if c.behind == 0 {
			block.started = time.Now().Add(-500 * time.Millisecond) // all is due, nothing is too late
		}
		w.recorder.begin(Block{}, block)
		sent := int64(0)
		err := w.generate(t.Context(), &constantPacer{interval: float64(50 * time.Millisecond), n: 0}, window{block.started, 250 * time.Millisecond},
			func(_ wanted, _, _ time.Time, left func()) { sent++; left() })
		counts := w.recorder.results.Summary().Counts
		if err != nil || sent != c.sent || counts[countUnsent] != 5-c.sent || counts[countScheduled] != 5-c.sent {
			t.Errorf("%s behind: %d sent, counts %v, %v", c.behind, sent, counts, err)
		}
		if m := countMetrics(&Experiment{}, counts, false); m["requests.dropped"] != float64(5-c.sent) {
			t.Errorf("%s behind: %v dropped", c.behind, m["requests.dropped"])
		}
	}
}
