package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/results/report"
	"github.com/originpull/originpull/sim"
	"github.com/originpull/originpull/sim/consent"
)

const runHelp = `Run a scenario: a name of the library (originpull list scenarios) or a file
(./my.yaml). The report goes to standard output, progress to standard error.
The run is kept in a folder of its own: result.json, report.txt and the
origins' audit logs.

  originpull run quickstart
  originpull run ./mine.yaml --set workload.duration=20s --format json

Traffic stays on this machine, but for a bypass experiment on an external origin
(docs/external.md), which needs its owner's consent: in DNS, at a path of its
site, or here:

  originpull run ./mine.yaml --allow-target 203.0.113.7:443 --i-own-this-origin`

func init() {
	register(func(s streams) *cobra.Command {
		var sets []string
		var owner consentFlags
		cmd := &cobra.Command{
			Use: "run SCENARIO", Short: "Run a scenario and print its report", Long: runHelp,
			Args: checked(cobra.ExactArgs(1)),
			RunE: func(cmd *cobra.Command, args []string) error {
				v, err := settings(cmd)
				if err != nil {
					return err
				}
				out, err := outputOptions(v, s.out)
				if err != nil {
					return err
				}
				plan, err := compile(args[0], sets)
				if err != nil {
					return exitError{code: exitUsage, err: err}
				}
				consents, err := owner.ask(cmd.Context(), plan, consent.World(), s.err)
				if err != nil {
					return err
				}
				folder, err := runFolder(v.GetString("out"), plan.Scenario, time.Now())
				if err != nil {
					return usage(err)
				}
				return runPlan(cmd.Context(), s, plan, sim.Config{Folder: folder, Consents: consents, Intrusive: owner.intrusive}, out)
			},
		}
		cmd.Flags().StringArrayVar(&sets, "set", nil, "override a value, as path=value (repeatable)")
		owner.add(cmd)
		cmd.Flags().String("out", "", "folder to keep the run in (default: a new one in results/runs)")
		addOutputFlags(cmd)
		return cmd
	})
}

// runPlan runs, keeps and prints, in this order: what was measured is on
// disk before anything can go wrong with the terminal.
func runPlan(ctx context.Context, s streams, plan *sim.Plan, cfg sim.Config, out output) error {
	self, err := os.Executable()
	if err != nil {
		return failed(fmt.Errorf("finding this program, to start workers: %w", err))
	}
	p := &progress{w: s.err, terminal: isTerminal(s.err)}
	_, _ = fmt.Fprintf(s.err, "originpull: %s takes about %.0f s; it is kept in %s\n", plan.Scenario, plan.PlannedSeconds, cfg.Folder)
	cfg.Worker, cfg.Progress = []string{self, "worker"}, p.show
	result, runErr := sim.Run(ctx, plan, cfg)
	p.end()
	if result == nil {
		return failed(runErr)
	}
	keepErr := keep(cfg.Folder, result)
	if err := out.render(s.out, result); err != nil {
		return err
	}
	if keepErr != nil { // printed all the same: it may be all that is left
		return failed(keepErr)
	}
	return verdict(ctx, result, runErr)
}

// verdict turns a result into the exit code.
func verdict(ctx context.Context, result *results.Result, err error) error {
	if ctx.Err() != nil {
		return failed(errors.New("interrupted: what was measured before is kept"))
	}
	if err != nil {
		return failed(err)
	}
	switch result.Conclude() {
	case results.Passed:
		return nil
	case results.Unmet:
		return exitError{code: exitFailed}
	case results.Inconclusive:
		return exitError{code: exitInconclusive}
	default:
		return exitError{code: exitRunFailed}
	}
}

// Names in a run's folder.
const (
	resultFile = "result.json"
	reportFile = "report.txt"
	runsFolder = "results/runs"
)

// runFolder makes the folder of a run. An existing one must be empty: a run
// never overwrites another.
func runFolder(out, scenario string, now time.Time) (string, error) {
	if out == "" {
		out = filepath.Join(filepath.FromSlash(runsFolder), now.UTC().Format("20060102T150405.000Z")+"-"+filepath.Base(scenario))
	}
	if entries, err := os.ReadDir(out); err == nil && len(entries) > 0 {
		return "", fmt.Errorf("the folder %s is not empty: name a new one with --out", out)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", fmt.Errorf("making the folder of the run: %w", err)
	}
	return out, nil
}

// keep writes result and report, each whole or not at all.
func keep(folder string, result *results.Result) error {
	if err := results.Seal(result); err != nil {
		return fmt.Errorf("keeping the run: %w", err)
	}
	err := writeWhole(filepath.Join(folder, resultFile), func(f *os.File) error { return results.Encode(f, result) })
	if err != nil {
		return err
	}
	return writeWhole(filepath.Join(folder, reportFile), func(f *os.File) error {
		return report.Render(f, "table", result, report.Options{})
	})
}

func writeWhole(name string, write func(*os.File) error) error {
	file, err := os.CreateTemp(filepath.Dir(name), ".writing-*")
	if err != nil {
		return fmt.Errorf("keeping the run: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }()
	err = errors.Join(write(file), file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("keeping the run in %s: %w", name, err)
	}
	return nil
}
