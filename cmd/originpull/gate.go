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

	"github.com/spf13/cobra"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/results/report"
	"github.com/originpull/originpull/sim"
)

const gateHelp = `Compare two sides of a scenario and say whether head got slower or leakier than
base. Both take turns within every trial, block by block; the trial is the unit
of the test, ten of them a look, three looks at most, and what looks worse is
repeated on fresh trials before it is called worse.

  originpull gate handshake-cost --head-set edge.tls.group=p256
  originpull gate ./mine.yaml --base-set origin.strategies= --head-set origin.strategies=mtls

Each metric is PASS, REGRESSION, IMPROVEMENT or INCONCLUSIVE. CPU and ratios
block at 5 %; p50 is judged at 10 %, p90 at 25 %, p99 at 50 %, and only reported.
Exact things (round trips, bytes, bypass verdicts) are compared exactly: any
change is a REGRESSION.

Exit codes: 0 PASS or IMPROVEMENT, 3 REGRESSION, 4 INCONCLUSIVE (0 with
--on-inconclusive=warn), 1 the measurement failed, 2 usage.`

// gateOptions is what a gate was asked for.
type gateOptions struct {
	sets, baseSets, headSets []string
	out                      string
	format                   string
	warn                     bool    // an inconclusive gate exits 0
	perTrial                 float64 // seconds of blocks
	render                   report.Options
}

func init() {
	register(func(s streams) *cobra.Command {
		var o gateOptions
		cmd := &cobra.Command{
			Use: "gate SCENARIO", Short: "Say whether one side of a scenario got slower or leakier than the other", Long: gateHelp,
			Args: checked(cobra.ExactArgs(1)),
			RunE: func(cmd *cobra.Command, args []string) error {
				v, err := settings(cmd)
				if err != nil {
					return err
				}
				if o.render, err = colorOption(v.GetString("color"), s.out); err != nil {
					return err
				}
				o.out, o.format = v.GetString("out"), v.GetString("format")
				if !slices.Contains(report.GateFormats(), o.format) {
					return usage(fmt.Errorf("unknown format %q: it is %s", o.format, strings.Join(report.GateFormats(), ", ")))
				}
				perTrial := v.GetDuration("per-trial")
				if perTrial < 100*time.Millisecond || perTrial > time.Minute {
					return usage(fmt.Errorf("--per-trial is %s: it is from 100ms to 1m", perTrial))
				}
				o.perTrial = perTrial.Seconds()
				switch on := v.GetString("on-inconclusive"); on {
				case "fail", "warn":
					o.warn = on == "warn"
				default:
					return usage(fmt.Errorf("unknown --on-inconclusive %q: it is fail or warn", on))
				}
				return runGate(cmd.Context(), s, args[0], &o)
			},
		}
		cmd.Flags().StringArrayVar(&o.sets, "set", nil, "override a value on both sides, as path=value (repeatable)")
		cmd.Flags().StringArrayVar(&o.baseSets, "base-set", nil, "override a value of base (repeatable)")
		cmd.Flags().StringArrayVar(&o.headSets, "head-set", nil, "override a value of head (repeatable)")
		cmd.Flags().Duration("per-trial", 1500*time.Millisecond, "how long the blocks of one trial take, all arms together")
		cmd.Flags().String("on-inconclusive", "fail", "fail (exit 4) or warn (exit 0)")
		cmd.Flags().String("out", "", "folder to keep the gate in (default: a new one in results/runs)")
		cmd.Flags().String("format", "table", "how to print the gate: "+strings.Join(report.GateFormats(), ", "))
		cmd.Flags().String("color", "auto", "auto, always or never")
		return cmd
	})
}

// gate is one gate under way.
type gate struct {
	s          streams
	o          *gateOptions
	base, head *sim.Plan
	joined     *sim.Plan
	worker     []string
	folder     string
	runs       int // kept so far
	report     results.GateReport
	watch      *watch
}

func runGate(ctx context.Context, s streams, name string, o *gateOptions) error {
	g := &gate{s: s, o: o}
	var err error
	if g.base, err = compile(name, slices.Concat(o.sets, o.baseSets)); err != nil {
		return exitError{code: exitUsage, err: fmt.Errorf("base: %w", err)}
	}
	if g.head, err = compile(name, slices.Concat(o.sets, o.headSets)); err != nil {
		return exitError{code: exitUsage, err: fmt.Errorf("head: %w", err)}
	}
	if g.joined, err = sim.Versus(g.base, g.head); err != nil {
		return usage(fmt.Errorf("base and head cannot be compared: %w", err))
	}
	self, err := os.Executable()
	if err != nil {
		return failed(fmt.Errorf("finding this program, to start workers: %w", err))
	}
	g.worker = []string{self, "worker"}
	now := time.Now()
	if g.folder, err = runFolder(o.out, "gate-"+g.base.Scenario, now); err != nil {
		return usage(err)
	}
	g.report = results.GateReport{
		Schema: results.GateSchemaName, Started: now.UTC().Truncate(time.Millisecond),
		Scenario: results.Scenario{Name: g.base.Scenario, Title: g.base.Title, File: g.base.File, Digest: g.base.Digest, Seed: g.base.Seed},
		Base:     sideWords(o.baseSets), Head: sideWords(o.headSets), Environment: map[string]string{},
		Judgements: []results.Judgement{}, Exact: []results.ExactJudgement{},
	}
	g.watch = startWatch()
	if err := g.measureAll(ctx); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted: a gate that did not come to its end says nothing")
		}
		return failed(err)
	}
	g.report.Noise = g.watch.end(g.report.Environment)
	g.report.Elapsed = time.Since(now).Seconds()
	g.report.Conclude()
	return g.finish()
}

func sideWords(sets []string) string {
	if len(sets) == 0 {
		return "the scenario as it is"
	}
	return strings.Join(sets, ", ")
}

// measureAll compares exact things first: they are quick, and nothing timed
// makes up for a bypass.
func (g *gate) measureAll(ctx context.Context) error {
	if err := g.attempts(ctx); err != nil {
		return err
	}
	if len(g.joined.Experiments) == 0 {
		return nil
	}
	first := true
	measure := func(trials int) ([]results.GateSample, error) {
		result, err := g.run(ctx, g.joined.WithTrials(trials, g.o.perTrial, g.runs), "base and head in turn")
		if err != nil {
			return nil, err
		}
		g.report.Trials += trials
		g.watch.blocks(result)
		if first {
			first = false
			exact, err := result.GateExact()
			if err != nil {
				return nil, err
			}
			g.report.Exact = append(g.report.Exact, exact...)
			if slices.ContainsFunc(exact, func(j results.ExactJudgement) bool { return j.Verdict == results.Regression }) {
				return nil, errDecided
			}
		}
		return result.GateSamples(results.DefaultRules)
	}
	judged, err := results.Gate{}.Run(measure, g.seen)
	if errors.Is(err, errDecided) {
		return nil
	}
	g.report.Judgements = append(g.report.Judgements, judged...)
	return err
}

// errDecided ends a gate whose exact comparisons have failed it: no more
// trials would change that.
var errDecided = errors.New("the gate is decided")

// attempts compares the bypass matrices of both sides.
func (g *gate) attempts(ctx context.Context) error {
	base, has := g.base.OnlyBypass()
	head, also := g.head.OnlyBypass()
	if !has && !also {
		return nil
	}
	before, err := g.run(ctx, base, "bypass attempts of base")
	if err != nil {
		return err
	}
	after, err := g.run(ctx, head, "bypass attempts of head")
	if err != nil {
		return err
	}
	if !before.Complete || !after.Complete {
		return errors.New("the bypass attempts did not come to their end")
	}
	g.report.Exact = append(g.report.Exact, results.GateAttempts(before, after)...)
	return nil
}

// run measures a plan and keeps its result beneath the gate's folder.
func (g *gate) run(ctx context.Context, plan *sim.Plan, what string) (*results.Result, error) {
	g.runs++
	folder := filepath.Join(g.folder, fmt.Sprintf("%02d", g.runs))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("making a folder of the gate: %w", err)
	}
	p := &progress{w: g.s.err, terminal: isTerminal(g.s.err)}
	_, _ = fmt.Fprintf(g.s.err, "originpull: gate: %s, about %.0f s\n", what, plan.PlannedSeconds)
	result, err := sim.Run(ctx, plan, sim.Config{Worker: g.worker, Folder: folder, Progress: p.show})
	p.end()
	if result == nil {
		return nil, err
	}
	return result, errors.Join(err, keep(folder, result))
}

// seen tells what a look found.
func (g *gate) seen(judgements []results.Judgement) {
	_, _ = fmt.Fprintf(g.s.err, "originpull: gate: after %d trials:\n", g.report.Trials)
	for _, j := range judgements {
		verdict := string(j.Verdict)
		if j.Open() {
			verdict = "open"
		}
		_, _ = fmt.Fprintf(g.s.err, "  %s  %s  head is %.3f × base [%.3f – %.3f]  %s\n", j.Name, j.Rule.Metric, j.Estimate.Ratio, j.Estimate.Low, j.Estimate.High, verdict)
	}
}

const gateFile = "gate.json"

// finish keeps and prints the gate, and turns its verdict into an exit code.
func (g *gate) finish() error {
	keepErr := writeWhole(filepath.Join(g.folder, gateFile), func(f *os.File) error {
		return report.RenderGate(f, "json", &g.report, report.Options{})
	})
	g.o.render.Width = terminalWidth(g.s.out)
	if err := report.RenderGate(g.s.out, g.o.format, &g.report, g.o.render); err != nil {
		return failed(err)
	}
	if keepErr != nil {
		return failed(keepErr)
	}
	switch g.report.Verdict {
	case results.GatePassed, results.Improvement:
		return nil
	case results.Regression:
		return exitError{code: exitFailed}
	case results.Undecided:
	}
	if g.o.warn {
		return nil
	}
	return exitError{code: exitInconclusive}
}
