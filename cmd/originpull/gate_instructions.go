package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/sim"
)

const (
	instructionScenario = "gate-instructions" // of the library
	// What a selftest plants: one in a hundred more.
	plantedInstructions     = 0.01
	plantedInstructionsText = "edge.plant.cpu=0.01"
)

// gateInstructions counts the instructions of both sides; with --selftest those
// of one side twice, then with some planted.
func gateInstructions(ctx context.Context, s streams, o *gateOptions) error {
	if o.selftest && (o.base+o.head != "" || len(o.baseSets)+len(o.headSets) > 0) {
		return usage(errors.New("--selftest compares a scenario with itself: leave out --base, --head, --base-set and --head-set"))
	}
	if err := sim.CanCountInstructions(); err != nil {
		return usage(fmt.Errorf("--instructions: %w", err))
	}
	g, err := newGate(s, o.scenarios, o)
	if err != nil {
		return err
	}
	if g.folder, err = runFolder(o.out, "gate-"+g.base.Scenario, time.Now()); err != nil {
		return usage(err)
	}
	if err := g.countInstructions(ctx); err != nil {
		return err
	}
	if !o.selftest {
		return g.finish()
	}
	with := *o
	with.headSets = []string{plantedInstructionsText}
	planted, err := newGate(s, o.scenarios, &with)
	if err != nil {
		return err
	}
	planted.folder, planted.runs = g.folder, g.runs
	if err := planted.countInstructions(ctx); err != nil {
		return err
	}
	return toldInstructions(s, &g.report, &planted.report)
}

// countInstructions counts all arms that both sides have.
func (g *gate) countInstructions(ctx context.Context) error {
	started := time.Now()
	if err := g.prepare(ctx); err != nil {
		return err
	}
	var refused []error
	for i := range g.base.Experiments {
		x := &g.base.Experiments[i]
		for k := range x.Arms {
			a := &x.Arms[k]
			if a.Role != sim.Ordinary {
				continue
			}
			if err := sim.Countable(x, a); err != nil {
				refused = append(refused, fmt.Errorf("%s: %w", a.Name, err))
				continue
			}
			if err := g.countArm(ctx, x, a); err != nil {
				return failed(err)
			}
		}
	}
	if len(g.report.Instructions) == 0 {
		return usage(errors.Join(append([]error{errors.New("--instructions: there is no arm whose instructions can be counted")}, refused...)...))
	}
	for _, err := range refused {
		_, _ = fmt.Fprintf(g.s.err, "originpull: gate: not counted: %v\n", err)
	}
	g.report.Elapsed = time.Since(started).Seconds()
	g.report.Conclude()
	return nil
}

// countArm counts one arm on both sides, and again where head has more.
func (g *gate) countArm(ctx context.Context, x *sim.Experiment, a *sim.Arm) error {
	head, other := g.headArm(a.Name)
	if head == nil {
		return fmt.Errorf("%s is in base alone", a.Name)
	}
	what := strings.TrimSuffix(string(x.Kind), "s")
	_, _ = fmt.Fprintf(g.s.err, "originpull: gate: instructions of a %s, %s\n", what, a.Name)
	count := func() (results.InstructionJudgement, error) {
		g.runs++
		folder := filepath.Join(g.folder, fmt.Sprintf("%02d", g.runs))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return results.InstructionJudgement{}, fmt.Errorf("making a folder of the gate: %w", err)
		}
		sides := []sim.Counted{
			{Worker: g.baseWorker, Plan: g.base, Experiment: x, Arm: a},
			{Worker: g.worker, Plan: g.head, Experiment: other, Arm: head},
		}
		counts, err := sim.CountInstructions(ctx, folder, sides)
		if err != nil {
			return results.InstructionJudgement{}, err
		}
		return results.JudgeInstructions(a.Name, what, counts[0], counts[1]), nil
	}
	started := time.Now()
	judged, err := count()
	if err != nil {
		return err
	}
	judged.Seconds = time.Since(started).Seconds()
	if judged.Verdict == results.Regression {
		again, err := count()
		if err != nil {
			return err
		}
		judged = judged.Repeated(again)
	}
	g.report.Instructions = append(g.report.Instructions, judged)
	return nil
}

func (g *gate) headArm(name string) (*sim.Arm, *sim.Experiment) {
	for i := range g.head.Experiments {
		x := &g.head.Experiments[i]
		if k := slices.IndexFunc(x.Arms, func(a sim.Arm) bool { return a.Name == name }); k >= 0 {
			return &x.Arms[k], x
		}
	}
	return nil, nil
}

// toldInstructions prints what a selftest of counts showed.
func toldInstructions(s streams, same, planted *results.GateReport) error {
	_, _ = fmt.Fprintf(s.out, "gate selftest of instructions  %s\n", same.Scenario.Name)
	for i, j := range same.Instructions {
		p := planted.Instructions[i]
		_, _ = fmt.Fprintf(s.out, "  %s  one %s is %.0f instructions\n    the same twice  %+.2f %%  %s\n    %+.0f %% planted    %+.2f %%  %s\n",
			j.Name, j.What, j.Base, 100*(j.Ratio-1), j.Verdict, 100*plantedInstructions, 100*(p.Ratio-1), p.Verdict)
	}
	_, _ = fmt.Fprintf(s.out, "  the same took %.1f s, the planted %.1f s\n", same.Elapsed, planted.Elapsed)
	found := !slices.ContainsFunc(planted.Instructions, func(j results.InstructionJudgement) bool { return j.Verdict != results.Regression })
	quiet := !slices.ContainsFunc(same.Instructions, func(j results.InstructionJudgement) bool { return j.Verdict != results.GatePassed })
	if !found || !quiet {
		_, _ = fmt.Fprintln(s.out, "FAILED: do not gate on instructions here")
		return exitError{code: exitFailed}
	}
	_, _ = fmt.Fprintln(s.out, "PASS: the same is called the same, and what was planted was found")
	return nil
}
