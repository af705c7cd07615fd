package main

import (
	"strings"
	"testing"
	"time"

	"github.com/originpull/originpull/results"
)

// noisy is a result of the scenario noise with the given ratios, each with an
// interval of two percent either way.
func noisy(same, zero, fifteen [2]float64) *results.Result {
	within := func(ratio float64) results.Estimate {
		return results.Estimate{Ratio: ratio, Low: ratio - 0.02, High: ratio + 0.02, N: 20}
	}
	r := &results.Result{
		Complete: true, Started: time.Date(2026, 11, 22, 23, 0, 0, 0, time.UTC), Elapsed: 21.5,
		Environment: map[string]string{results.EnvCPU: "a processor", results.EnvCores: "2", results.EnvLoad: "0.21"},
		Experiments: []results.Experiment{{Name: "same", Blocks: 360, Crowded: 4}, {Name: "planted", Blocks: 200, Crowded: 1}},
		Validity:    results.Validity{Valid: true, AA: map[string]map[string]results.Estimate{"same": {}}},
	}
	for i, metric := range []string{"handshake.cpu.edge", "handshake.cpu.origin"} {
		r.Validity.AA["same"][metric] = within(same[i])
		for arm, ratio := range map[string]float64{"zero": zero[i], "fifteen": fifteen[i]} {
			e := within(ratio)
			r.Pairs = append(r.Pairs, results.Pair{
				A: "planted/plant=" + arm, B: "planted/plant=none", Metric: metric,
				Estimates: make([]float64, 14), Ratio: e.Ratio, Low: e.Low, High: e.High,
			})
		}
	}
	return r
}

func TestNoiseOf(t *testing.T) {
	for name, c := range map[string]struct {
		same, zero, fifteen [2]float64
		within, told        bool
	}{
		"quiet":                       {[2]float64{1.01, 0.99}, [2]float64{1, 1.02}, [2]float64{1.15, 1.14}, true, true},
		"just within":                 {[2]float64{1.0299, 0.9701}, [2]float64{1.0749, 1}, [2]float64{1.0751, 1.15}, true, true},
		"edge too far":                {[2]float64{1.031, 1}, [2]float64{1, 1}, [2]float64{1.15, 1.15}, false, true},
		"origin too far":              {[2]float64{1, 0.969}, [2]float64{1, 1}, [2]float64{1.15, 1.15}, false, true},
		"fifteen taken for nothing":   {[2]float64{1, 1}, [2]float64{1, 1}, [2]float64{1.15, 1.07}, true, false},
		"nothing taken for fifteen":   {[2]float64{1, 1}, [2]float64{1.08, 1}, [2]float64{1.15, 1.15}, true, false},
		"a difference is not enough":  {[2]float64{1, 1}, [2]float64{1.1, 1}, [2]float64{1.25, 1.15}, true, false},
		"a decrease is told from +15": {[2]float64{1, 1}, [2]float64{0.9, 1}, [2]float64{1.15, 1.15}, true, true},
	} {
		got, err := noiseOf(noisy(c.same, c.zero, c.fifteen))
		if err != nil || got.Within != c.within || got.ToldApart != c.told || got.Blocks != 560 || got.Crowded != 5 {
			t.Errorf("%s: %+v, %v, want within %v and told apart %v", name, got, err, c.within, c.told)
		}
	}
}

// A run that failed is no finding.
func TestNoiseOfAFailedRun(t *testing.T) {
	one := [2]float64{1, 1}
	for name, c := range map[string]struct {
		spoil func(*results.Result)
		want  string
	}{
		"arm":    {func(r *results.Result) { r.Arms = []results.Arm{{Name: "same", Error: "died"}} }, "same: died"},
		"cut":    {func(r *results.Result) { r.Complete = false }, "not valid"},
		"void":   {func(r *results.Result) { r.Validity.Valid, r.Validity.Warnings = false, []string{"lost one"} }, "lost one"},
		"no CPU": {func(r *results.Result) { r.Pairs = nil }, "no CPU was measured"},
	} {
		r := noisy(one, one, one)
		c.spoil(r)
		if _, err := noiseOf(r); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		}
	}
}

func TestNoiseIsPrinted(t *testing.T) {
	var runs []noiseRun
	for _, same := range []float64{1.01, 1.04} {
		run, err := noiseOf(noisy([2]float64{same, 0.99}, [2]float64{1.002, 0.998}, [2]float64{1.149, 1.153}))
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, run)
	}
	var out strings.Builder
	found := diagnosis{Noise: runs[:1]}
	if err := found.print(&out, "table"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"in 22 s\n", "the same cell twice, 120 pairs  1.010 × [0.990 – 1.030]  0.990 × [0.970 – 1.010]",
		"planted +15 %, 40 pairs         1.149 × [1.129 – 1.169]  1.153", "told apart                    yes                      yes",
		"In 5 of 560 blocks others had the processors", "from 3.0 % on at the edge and from 3.0 % at the origin",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
	page := noiseMarkdown("2026-11-22", runs)
	for _, want := range []string{
		"on 2026-11-22. The machine: a processor, 2 cores", "within 3 % at both ends in **1 of 2** runs", "**2 of 2** runs",
		"| 1 | 21.5 | 0.21 | 5 of 560 | 1.010 | 0.990 | yes | 1.002 | 0.998 | 1.149 | 1.153 | yes |\n",
		"| 2 | 21.5 | 0.21 | 5 of 560 | 1.040 | 0.990 | NO | 1.002 |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	out.Reset()
	if err := found.print(&out, "json"); err != nil || !strings.Contains(out.String(), `"toldApart": true`) {
		t.Errorf("JSON %v:\n%s", err, out.String())
	}
}
