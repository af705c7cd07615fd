package sim

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
)

// tracedScenario writes a trace and a scenario that replays it.
func tracedScenario(t *testing.T, trace, workload string) scenarios.Source {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "mine.csv"), []byte(trace), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "version: 1\nname: traced\norigin: {certificate: {key: ed25519}}\nedge: {cache: {capacity: 1MiB}}\nworkload: " + workload + "\n"
	return scenarios.Source{File: filepath.Join(folder, "traced.yaml"), Content: []byte(text)}
}

func compileSource(source scenarios.Source) (*Plan, error) {
	s, err := scenarios.Load(source)
	if err != nil {
		return nil, err
	}
	return Compile(s)
}

// The times of a trace are those of its requests, the speed's share of them,
// and a block begins where the one before it ended.
func TestReplayKeepsTheTimesOfTheTrace(t *testing.T) {
	trace, err := scenarios.ParseTrace("t", []byte("0 a\n1 b\n1 c\n1.9 a\n2 d\n4 b\n6 e\n"))
	if err != nil {
		t.Fatal(err)
	}
	packed, err := trace.Pack()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		speed  float64
		blocks []time.Duration
		want   []string // offset:key
	}{
		{1, []time.Duration{2 * time.Second, 10 * time.Second}, []string{"0s:0", "1s:1", "1s:2", "1.9s:0", "|", "0s:3", "2s:1", "4s:4", "|"}},
		{10, []time.Duration{200 * time.Millisecond, time.Second}, []string{"0s:0", "100ms:1", "100ms:2", "190ms:0", "|", "0s:3", "200ms:1", "400ms:4", "|"}},
		{0.5, []time.Duration{2 * time.Second, time.Second, time.Second}, []string{"0s:0", "|", "0s:1", "0s:2", "|", "800ms:0", "|"}},
	} {
		r, err := newReplay(packed, scenarios.Arrivals{Model: "trace", Speed: c.speed})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, length := range c.blocks {
			pacer := r.block(length)
			for at := pacer.Next(); at < length; at = pacer.Next() {
				got = append(got, fmt.Sprintf("%v:%d", at, r.object()))
			}
			got = append(got, "|")
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("speed %v: %v, want %v", c.speed, got, c.want)
		}
	}
}

// With a real edge: exactly the requests that the trace has in the measured
// part of it, for as many objects.
func TestReplayOnRealWorkers(t *testing.T) {
	var trace strings.Builder
	trace.WriteString("time,key\n")
	for i := range 200 { // a hundred a second; a new object every tenth request
		fmt.Fprintf(&trace, "%.3f,/page/%d\n", 1700000000+float64(i)/100, i/10)
	}
	plan, err := compileSource(tracedScenario(t, trace.String(),
		"{arrivals: {model: trace, speed: 4}, objects: {model: trace, trace: ./mine.csv}, warmup: 100ms, duration: 250ms, controls: false}"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(plan) // the plan is what a remote worker would get
	if err != nil {
		t.Fatal(err)
	}
	var received Plan
	if err := json.Unmarshal(text, &received); err != nil {
		t.Fatal(err)
	}
	result := mustRun(t, &received)
	arm := result.Arms[0]
	m := arm.Metrics
	cached := math.Round(100*m["cache.hit.ratio"].Value) + m["cache.collapsed"].Value // a late generator sends two at once
	if m["requests.count"].Value != 100 || m["origin.requests"].Value != 10 || cached != 90 {
		t.Errorf("%v requests, %v of them to the origin, %v from the cache", m["requests.count"].Value, m["origin.requests"].Value, cached)
	}
	if want := "at the times of mine.csv (200 requests in 1.99 s), 4 times as fast"; arm.Labels[results.LabelArrivals] != want {
		t.Errorf("arrivals are labelled %q, want %q", arm.Labels[results.LabelArrivals], want)
	}
}

func TestTraceFilesAreChecked(t *testing.T) {
	const good = "0 a\n1 b\n2 a\n"
	const replayed = "{arrivals: {model: trace}, objects: {model: trace, trace: ./mine.csv}, warmup: 100ms, duration: 1s}"
	for _, c := range []struct{ trace, workload, want string }{
		{good, replayed, ""},
		{"0 a\nx b\n1\n", replayed, "./mine.csv:2: trace: \"x\" is not a time; write seconds (12.345) or RFC 3339 (2026-01-02T15:04:05.678Z)\n./mine.csv:3: trace:"},
		{good, strings.Replace(replayed, "mine", "yours", 1), "workload.objects.trace: the trace cannot be read"},
		{good, strings.Replace(replayed, "1s", "3s", 1), "./mine.csv lasts 2 s, and warm-up and duration at this speed take 3.1 s of it"},
		{good, strings.Replace(replayed, "model: trace}", "model: trace, speed: 2}", 1), "take 2.2 s of it"},
		{good, "{arrivals: {model: constant, rate: 9/s}, objects: {model: trace, trace: ./mine.csv}, duration: 1h}", ""},
	} {
		source := tracedScenario(t, c.trace, c.workload)
		_, err := compileSource(source)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q, %s: %v, want %q", c.trace, c.workload, err, c.want)
		}
	}
	one, err := compileSource(tracedScenario(t, good, replayed))
	if err != nil {
		t.Fatal(err)
	}
	two, err := compileSource(tracedScenario(t, good+"3 b\n", replayed))
	if err != nil || one.Digest == two.Digest {
		t.Errorf("another trace, the same digest %s, %v", one.Digest, err)
	}
}

// What an embedded trace lacks is drawn, and said.
func TestEmbeddedTracesComeByPoisson(t *testing.T) {
	plan := compileText(t, "version: 1\nname: t\nworkload: {arrivals: {model: trace, rate: 200/s}, objects: {model: trace, trace: web07}, controls: false}\n")
	arm := &plan.Experiments[0].Arms[0]
	pacer, err := NewPacer(arm.Settings.Workload.Arrivals, 3)
	if err != nil {
		t.Fatal(err)
	}
	poisson, err := NewPacer(scenarios.Arrivals{Model: "poisson", Rate: 200}, 3)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if got, want := pacer.Next(), poisson.Next(); got != want {
			t.Fatalf("due at %v, want %v", got, want)
		}
	}
	labels := map[string]string{}
	(&run{plan: plan}).labelArrivals(arm, labels)
	if want := "web07 has no times of its own: a Poisson process at 200/s stands for them"; labels[results.LabelArrivals] != want {
		t.Errorf("labelled %q", labels[results.LabelArrivals])
	}
}
