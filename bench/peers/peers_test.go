package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/sim"
)

func TestParseStatus(t *testing.T) {
	const text = "Active connections: 3 \nserver accepts handled requests\n 12 12 345 \nReading: 0 Writing: 1 Waiting: 2 \n"
	got, err := parseStatus(text)
	if want := (counts{accepts: 12, requests: 345}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "a\nb\n", "a\nb\n1 2\n", "a\nb\n1 2 x\n"} {
		if _, err := parseStatus(bad); err == nil {
			t.Errorf("%q was understood", bad)
		}
	}
}

func TestParseResident(t *testing.T) {
	if got, err := parseResident("Name:\tx\nVmRSS:\t   1234 kB\nVmSize:\t9 kB\n"); err != nil || got != 1234<<10 {
		t.Error(got, err)
	}
	for _, bad := range []string{"", "VmRSS: many kB\n"} {
		if _, err := parseResident(bad); err == nil {
			t.Errorf("%q was understood", bad)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		all  []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{5, 1}, 3}, {[]float64{9, 1, 2}, 2}} {
		if got := median(test.all); got != test.want {
			t.Errorf("%v: %v instead of %v", test.all, got, test.want)
		}
	}
}

func TestRatiosAreWithinRounds(t *testing.T) {
	got := within(map[int]float64{0: 10, 1: 30, 2: 7}, map[int]float64{0: 5, 1: 10, 3: 7})
	if !slices.Equal(got, []float64{2, 3}) {
		t.Error(got)
	}
}

func TestVerdicts(t *testing.T) {
	g := goal{must: 0.9, aim: 1.05}
	for ratio, want := range map[float64]string{0.89: "not met", 0.9: "met", 1.05: "aim met", 0: "not run"} {
		if got := g.verdict(ratio); got != want {
			t.Errorf("%v: %s instead of %s", ratio, got, want)
		}
	}
	if got := (goal{}).verdict(0.1); got != "" {
		t.Errorf("nothing was asked and the verdict is %q", got)
	}
	for want, micros := range map[string][3]float64{"aim met": {1, 5, 20}, "met": {1, 5, 21}, "not met": {5, 50, 201}} {
		if got := paceVerdict(micros); got != want {
			t.Errorf("%v: %s instead of %s", micros, got, want)
		}
	}
}

// A missing tool is a row, not a gap.
func TestMissingToolsAreNamed(t *testing.T) {
	table := table{title: "t", unit: "requests", goals: []goal{{own, wrk, 1, 2}}}
	s := table.section(map[*contender]*measured{
		own: {rates: map[int]float64{0: 100}},
		wrk: {failure: missing{"wrk is not installed"}},
	}, 1)
	text := strings.Join(s.lines, "\n")
	for _, want := range []string{"| wrk | not run: wrk is not installed | 0 of 1 |", "| originpull ÷ wrk | not run | 1.00 | 2.00 | not run |"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestVersionIn(t *testing.T) {
	for text, want := range map[string]string{
		"wrk debian/4.1.0-3+b2 [epoll]":               "4.1.0-3+b2",
		"nginx version: nginx/1.22.1":                 "1.22.1",
		"k6 v1.8.1 (go1.26, linux/amd64)":             "1.8.1",
		"OpenSSL 3.0.19 27 Jan 2026 (Library: 3.0.1)": "3.0.19",
		"nothing": "of unknown version",
	} {
		if got := versionIn(text); got != want {
			t.Errorf("%q: %q instead of %q", text, got, want)
		}
	}
}

func TestOptions(t *testing.T) {
	o, err := parse([]string{"--only", "pace,memory", "--rounds", "3"}, &strings.Builder{})
	if err != nil || !slices.Equal(o.only, []string{"pace", "memory"}) || o.rounds != 3 || o.seconds != 2 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range [][]string{{"--only", "nothing"}, {"--rounds", "0"}, {"more"}} {
		if _, err := parse(bad, &strings.Builder{}); err == nil {
			t.Errorf("%v was accepted", bad)
		}
	}
}

// The scenarios must be ones that originpull takes, with one ordinary arm
// first: what is measured is that arm.
func TestOwnScenarios(t *testing.T) {
	for _, w := range append(slices.Clone(ports), load{tls: "1.3", mtls: true, reuse: true}) {
		document, err := scenarios.Load(scenarios.Source{File: "peers.yaml", Content: []byte(scenario(w, "x25519").text)})
		if err != nil {
			t.Fatal(err)
		}
		plan, err := sim.Compile(document)
		if err != nil {
			t.Fatal(err)
		}
		arm := plan.Experiments[0].Arms[0]
		s := arm.Settings
		if arm.Role != sim.Ordinary || arm.Policy.Uses("mtls") != w.mtls || s.Edge.Pool.Reuse != w.reuse || s.Edge.TLS.Version != w.tls ||
			s.Edge.Cache.Capacity != 0 || s.Workload.Concurrency != concurrency {
			t.Errorf("%+v became %+v", w, arm)
		}
	}
}

// A summary that lacks something must void the row.
func TestCheckSummary(t *testing.T) {
	good := func() sim.EdgeSummary {
		var e sim.EdgeSummary
		e.Total.Pool.Connects, e.Total.Pool.HandshakesFull, e.Total.Pool.Requests = 5, 5, 5
		e.Summary.Counts = map[string]int64{"requests": 5}
		e.Summary.Histograms = map[string]string{"latency": "x", "send.error": "x"}
		return e
	}
	if err := checkSummary(good(), load{}); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*sim.EdgeSummary){
		"resumed":      func(e *sim.EdgeSummary) { e.Total.Pool.HandshakesResumed = 1 },
		"not full":     func(e *sim.EdgeSummary) { e.Total.Pool.HandshakesFull = 4 },
		"reused":       func(e *sim.EdgeSummary) { e.Total.Pool.Requests = 6 },
		"no histogram": func(e *sim.EdgeSummary) { delete(e.Summary.Histograms, "latency") },
	} {
		e := good()
		spoil(&e)
		if err := checkSummary(e, load{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if isMissing(errors.New("x")) || !isMissing(missing{"x"}) {
		t.Error("missing is not told from broken")
	}
}
