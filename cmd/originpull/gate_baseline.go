package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/sim"
)

// saveBaseline runs the scenario as it is and keeps the result, sealed.
func saveBaseline(ctx context.Context, s streams, name string, o *gateOptions) error {
	g, err := oneSided(s, name, o)
	if err != nil {
		return err
	}
	result, err := g.whole(ctx)
	if err != nil {
		return failed(err)
	}
	if err := results.Seal(result); err != nil {
		return failed(err)
	}
	err = writeWhole(o.saveBaseline, func(f *os.File) error { return results.Encode(f, result) })
	if err != nil {
		return failed(err)
	}
	_, err = fmt.Fprintf(s.out, "the baseline is in %s: %d arms, %d ratios, %d bypass rows\n", o.saveBaseline, len(result.Arms), len(result.Pairs), len(result.Bypass))
	return err
}

// againstBaseline runs the scenario and compares what survives the time in
// between: exact things and in-run ratios.
func againstBaseline(ctx context.Context, s streams, name string, o *gateOptions) error {
	baseline, err := readResult(o.baseline)
	if err == nil {
		err = baseline.CheckUsable()
	}
	if err != nil {
		return usage(fmt.Errorf("--baseline %s: %w", o.baseline, err))
	}
	g, err := oneSided(s, name, o)
	if err != nil {
		return err
	}
	if err := results.CheckBaseline(baseline, g.head.Digest, sim.Environment()); err != nil && !o.anyBaseline {
		return usage(fmt.Errorf("--baseline %s: %w; or take it all the same with --any-baseline", o.baseline, err))
	}
	started := time.Now()
	g.report = results.GateReport{
		Schema: results.GateSchemaName, Started: started.UTC().Truncate(time.Millisecond),
		Scenario: baseline.Scenario, Base: "the baseline of " + baseline.Started.Format(time.DateTime) + " UTC", Head: "this build, the scenario as it is",
		Environment: map[string]string{},
	}
	g.watch = startWatch()
	head, err := g.whole(ctx)
	if err != nil {
		return failed(err)
	}
	judged, exact := results.Gate{}.AgainstBaseline(baseline, head)
	if slices.ContainsFunc(judged, func(j results.Judgement) bool { return j.Candidate() }) {
		again, err := g.whole(ctx)
		if err != nil {
			return failed(err)
		}
		repeated, _ := results.Gate{}.AgainstBaseline(baseline, again)
		judged = results.Gate{}.Confirmed(judged, repeated)
	}
	g.report.Judgements, g.report.Exact = slices.Concat([]results.Judgement{}, judged), slices.Concat([]results.ExactJudgement{}, exact)
	g.report.Noise = g.watch.end(g.report.Environment)
	g.report.Elapsed = time.Since(started).Seconds()
	g.report.Conclude()
	return g.finish()
}

// oneSided prepares a run of the scenario as it is.
func oneSided(s streams, name string, o *gateOptions) (*gate, error) {
	if o.base+o.head != "" || len(o.baseSets)+len(o.headSets) > 0 {
		return nil, usage(errors.New("a stored baseline is one side already: leave out --base, --head, --base-set and --head-set"))
	}
	g := &gate{s: s, o: o}
	var err error
	if g.head, err = compile(name, o.sets); err != nil {
		return nil, exitError{code: exitUsage, err: err}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, failed(fmt.Errorf("finding this program, to start workers: %w", err))
	}
	g.worker = []string{self, "worker"}
	if g.folder, err = runFolder(o.out, "gate-"+filepath.Base(g.head.Scenario), time.Now()); err != nil {
		return nil, usage(err)
	}
	return g, nil
}

// whole runs the whole plan once; what did not come to its end is an error.
func (g *gate) whole(ctx context.Context) (*results.Result, error) {
	result, err := g.run(ctx, g.worker, g.head, "the scenario as it is")
	if err != nil {
		return nil, err
	}
	g.watchBlocks(result)
	for _, x := range g.head.Experiments {
		g.report.Trials += x.Trials
	}
	return result, result.CheckUsable()
}

func (g *gate) watchBlocks(r *results.Result) {
	if g.watch != nil {
		g.watch.blocks(r)
	}
}
