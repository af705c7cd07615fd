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
	"github.com/originpull/originpull/results/report"
	"github.com/originpull/originpull/sim"
)

// gate is one gate under way.
type gate struct {
	s          streams
	o          *gateOptions
	base, head *sim.Plan
	joined     *sim.Plan
	rules      []results.ScopedRule // of head: a pull request may change what it promises
	worker     []string             // of head, and of what both sides share
	baseWorker []string
	folder     string
	runs       int // kept so far
	report     results.GateReport
	watch      *watch
}

func runGate(ctx context.Context, s streams, o *gateOptions) error {
	g, err := newGate(s, o.scenarios, o)
	if err != nil {
		return err
	}
	if g.folder, err = runFolder(o.out, "gate-"+g.base.Scenario, time.Now()); err != nil {
		return usage(err)
	}
	if err := g.measure(ctx); err != nil {
		return err
	}
	return g.finish()
}

// newGate compiles both sides; nothing is started. One name is that of both.
func newGate(s streams, names []string, o *gateOptions) (*gate, error) {
	g := &gate{s: s, o: o}
	var err error
	if g.base, err = compile(names[0], slices.Concat(o.sets, o.baseSets)); err != nil {
		return nil, exitError{code: exitUsage, err: fmt.Errorf("base: %w", err)}
	}
	if g.head, err = compile(names[len(names)-1], slices.Concat(o.sets, o.headSets)); err != nil {
		return nil, exitError{code: exitUsage, err: fmt.Errorf("head: %w", err)}
	}
	if g.joined, err = sim.Versus(g.base, g.head); err != nil {
		return nil, usage(fmt.Errorf("base and head cannot be compared: %w", err))
	}
	if g.rules, err = g.head.GateRules(); err != nil {
		return nil, usage(err)
	}
	return g, nil
}

// prepare finds both programs and begins a report.
func (g *gate) prepare(ctx context.Context) error {
	var builds [2]build
	for i, name := range []string{g.o.base, g.o.head} {
		var err error
		if builds[i], err = findBuild(ctx, []string{results.GateBase, results.GateHead}[i], name, g.folder); err != nil {
			if broken := (*notBuilt)(nil); errors.As(err, &broken) {
				return failed(err)
			}
			return usage(err)
		}
	}
	g.baseWorker, g.worker = builds[0].worker, builds[1].worker
	g.report = results.GateReport{
		Schema: results.GateSchemaName, Started: time.Now().UTC().Truncate(time.Millisecond),
		Scenario: results.Scenario{Name: g.base.Scenario, Title: g.base.Title, File: g.base.File, Digest: g.base.Digest, Seed: g.base.Seed},
		Base:     g.sideWords(builds[0], 0, g.o.baseSets), Head: g.sideWords(builds[1], 1, g.o.headSets), Environment: map[string]string{},
		Judgements: []results.Judgement{}, Exact: []results.ExactJudgement{},
	}
	return nil
}

// measure runs the gate into its folder and concludes.
func (g *gate) measure(ctx context.Context) error {
	if err := g.prepare(ctx); err != nil {
		return err
	}
	started := time.Now()
	g.watch = startWatch()
	if err := g.measureAll(ctx); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted: a gate that did not come to its end says nothing")
		}
		return failed(err)
	}
	g.report.Noise = g.watch.end(g.report.Environment)
	g.report.Elapsed = time.Since(started).Seconds()
	g.report.Conclude()
	return nil
}

func (g *gate) sideWords(b build, side int, sets []string) string {
	words := b.words
	if len(g.o.scenarios) > 1 {
		words += ", scenario " + g.o.scenarios[side]
	}
	if len(sets) == 0 {
		return words + ", the scenario as it is"
	}
	return words + ", " + strings.Join(sets, ", ")
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
	if g.o.exact {
		return g.exactly(ctx)
	}
	first := true
	measure := func(trials int) ([]results.GateSample, error) {
		result, err := g.run(ctx, g.worker, g.joined.WithTrials(trials, g.o.perTrial, g.runs), g.turn(trials))
		if err != nil {
			return nil, err
		}
		g.report.Trials += trials
		g.watch.blocks(result)
		if first {
			first = false
			if err := g.compareExactly(result); err != nil {
				return nil, err
			}
			if slices.ContainsFunc(g.report.Exact, func(j results.ExactJudgement) bool { return j.Fails() }) {
				return nil, errDecided
			}
		}
		return result.GateSamples(results.RulesOf(g.rules))
	}
	judged, err := results.Gate{}.Run(measure, g.seen)
	if errors.Is(err, errDecided) {
		return nil
	}
	g.report.Judgements = append(g.report.Judgements, judged...)
	return err
}

// exactTrial is how long the blocks of the one trial take that is compared
// exactly, in seconds: a few of each arm.
const exactTrial = 0.3

// exactly compares one short trial, in which nothing is timed.
func (g *gate) exactly(ctx context.Context) error {
	result, err := g.run(ctx, g.worker, g.joined.Exactly(exactTrial), "base and head once, for what is exact")
	if err != nil {
		return err
	}
	g.report.Trials++
	return g.compareExactly(result)
}

func (g *gate) compareExactly(result *results.Result) error {
	exact, err := result.GateExact(results.SeverityOf(g.rules))
	g.report.Exact = append(g.report.Exact, exact...)
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
	judged, err := g.matrices(ctx, base, head)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(judged, func(j results.ExactJudgement) bool { return j.Fails() }) {
		again, err := g.matrices(ctx, base, head)
		if err != nil {
			return err
		}
		judged = results.Unstable(judged, again)
	}
	g.report.Exact = append(g.report.Exact, judged...)
	return nil
}

// matrices runs the attempts of both sides and compares them.
func (g *gate) matrices(ctx context.Context, base, head *sim.Plan) ([]results.ExactJudgement, error) {
	before, err := g.run(ctx, g.baseWorker, base, "bypass attempts of base")
	if err != nil {
		return nil, err
	}
	after, err := g.run(ctx, g.worker, head, "bypass attempts of head")
	if err != nil {
		return nil, err
	}
	if !before.Complete || !after.Complete {
		return nil, errors.New("the bypass attempts did not come to their end")
	}
	return results.GateAttempts(before, after), nil
}

// run measures a plan and keeps its result beneath the gate's folder.
func (g *gate) run(ctx context.Context, worker []string, plan *sim.Plan, what string) (*results.Result, error) {
	g.runs++
	folder := filepath.Join(g.folder, fmt.Sprintf("%02d", g.runs))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("making a folder of the gate: %w", err)
	}
	p := &progress{w: g.s.err, terminal: isTerminal(g.s.err)}
	_, _ = fmt.Fprintf(g.s.err, "originpull: gate: %s, about %.0f s\n", what, plan.PlannedSeconds)
	result, err := sim.Run(ctx, plan, sim.Config{Worker: worker, BaseWorker: g.baseWorker, Folder: folder, Progress: p.show})
	p.end()
	if result == nil {
		return nil, err
	}
	return result, errors.Join(err, keep(folder, result))
}

const gateFile = "gate.json"

// keep writes the gate's own document beside those of its runs.
func (g *gate) keep() error {
	return writeWhole(filepath.Join(g.folder, gateFile), func(f *os.File) error {
		return report.RenderGate(f, "json", &g.report, report.Options{})
	})
}

// finish keeps and prints the gate, and turns its verdict into an exit code.
func (g *gate) finish() error {
	keepErr := g.keep()
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
