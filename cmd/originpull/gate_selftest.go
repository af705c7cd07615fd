package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/originpull/originpull/results"
)

const (
	selftestScenario = "gate-selftest" // of the library
	plantedShare     = 0.05
	plantedSetting   = "origin.plant.cpu=0.05"
)

// selftest gates the same thing against itself, then against itself with a
// regression planted. A gate that calls the first one worse, or lets the
// second one pass, is of no use here.
func selftest(ctx context.Context, s streams, name string, o gateOptions) error {
	if o.base+o.head != "" || len(o.baseSets)+len(o.headSets) > 0 {
		return usage(errors.New("--selftest compares a scenario with itself: leave out --base, --head, --base-set and --head-set"))
	}
	same, err := newGate(s, []string{name}, &o)
	if err != nil {
		return err
	}
	if len(same.joined.Experiments) == 0 {
		return usage(fmt.Errorf("--selftest plants CPU, and %s has bypass attempts only", name))
	}
	with := o
	with.headSets = []string{plantedSetting}
	planted, err := newGate(s, []string{name}, &with)
	if err != nil {
		return err
	}
	folder, err := runFolder(o.out, "gate-selftest", time.Now())
	if err != nil {
		return usage(err)
	}
	for part, g := range map[string]*gate{"same": same, "planted": planted} {
		g.folder = filepath.Join(folder, part)
	}
	for _, g := range []*gate{same, planted} {
		if err := g.measure(ctx); err != nil {
			return err
		}
		if err := g.keep(); err != nil {
			return failed(err)
		}
	}
	return told(s.out, &same.report, &planted.report)
}

// told prints what a selftest showed and turns it into an exit code.
func told(w io.Writer, same, planted *results.GateReport) error {
	_, _ = fmt.Fprintf(w, "gate selftest  %s\n", same.Scenario.Name)
	_, _ = fmt.Fprintf(w, "  the same twice           %s after %d trials, %.0f s\n", same.Verdict, same.Trials, same.Elapsed)
	_, _ = fmt.Fprintf(w, "  %+.0f %% planted at origin  %s after %d trials, %.0f s\n", 100*plantedShare, planted.Verdict, planted.Trials, planted.Elapsed)
	for _, j := range planted.Judgements {
		if j.Rule.Metric == results.MetricHandshakeOrigin || j.Rule.Metric == results.MetricRequestOrigin {
			_, _ = fmt.Fprintf(w, "    %s  %s  %+.1f %% [%+.1f – %+.1f]  %s\n", j.Name, j.Rule.Metric,
				100*(j.Estimate.Ratio-1), 100*(j.Estimate.Low-1), 100*(j.Estimate.High-1), j.Verdict)
		}
	}
	for _, reason := range slices.Concat(same.Noise, planted.Noise) {
		_, _ = fmt.Fprintf(w, "  noise: %s\n", reason)
	}
	if err := findable(w, same); err != nil {
		return failed(err)
	}
	switch {
	case same.Verdict == results.Regression, planted.Verdict == results.GatePassed, planted.Verdict == results.Improvement:
		_, _ = fmt.Fprintln(w, "FAILED: do not gate on this machine, and please report it with the folder of this run")
		return exitError{code: exitFailed}
	case same.Verdict == results.Undecided, planted.Verdict == results.Undecided:
		_, _ = fmt.Fprintln(w, "INCONCLUSIVE: this machine is too noisy now for the default tolerances")
		return exitError{code: exitInconclusive}
	}
	_, _ = fmt.Fprintln(w, "PASS: the same is called the same, and what was planted was found")
	return nil
}

// findable prints which worsening each look finds with a chance of 95 %.
func findable(w io.Writer, same *results.GateReport) error {
	g := results.Gate{}.WithDefaults()
	_, _ = fmt.Fprintln(w, "  found with a chance of 95 %, as this machine is now, before it is repeated:")
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprint(t, "    ")
	for _, trials := range g.Looks {
		_, _ = fmt.Fprintf(t, "\t%d trials, %.0f s", trials, same.Elapsed/float64(max(1, same.Trials))*float64(trials))
	}
	_, _ = fmt.Fprintln(t)
	for _, j := range same.Judgements {
		_, _ = fmt.Fprintf(t, "    %s  %s", j.Name, j.Rule.Metric)
		for look := range g.Looks {
			_, _ = fmt.Fprintf(t, "\t%+.1f %%", 100*g.Detectable(look, j, len(same.Judgements)))
		}
		_, _ = fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("printing what can be found: %w", err)
	}
	return nil
}
