package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"

	"github.com/originpull/originpull/results/report"
)

const gateHelp = `Compare two sides of a scenario and say whether head got slower or leakier than
base. Both take turns within every trial, block by block; the trial is the unit
of the test, ten of them a look, three looks at most, and what looks worse is
repeated on fresh trials before it is called worse.

  originpull gate handshake-cost --head-set edge.tls.group=p256
  originpull gate --selftest                     can this machine be trusted, and with what
  originpull gate ./mine.yaml --base main --head HEAD
  originpull gate ./mine.yaml --base ./originpull-1.0 --per-trial 2s
  originpull gate ./as-it-was.yaml ./as-it-is.yaml   two scenarios, the first is base
  originpull gate bypass-core --base main --exact    seconds: nothing is timed

A git ref is built with go build in a worktree of its own. This build drives
both; one that speaks another worker protocol is named.

--instructions counts, under Valgrind, what one handshake and one pooled request
execute at both ends: 1 % more is found in seconds on any machine, however
noisy. It is blind to the kernel, locks, waiting, caches, branches and the
collector, and does not replace the gate in time. With --selftest it counts the
same twice, then with one in a hundred more.

Two scenarios must have the same experiments and arms, by name; the seed and the
length of the run are base's. Two origins are other settings of one server
(--head-set origin.tickets=false), or directives of your own in what is written
for nginx, Apache httpd or HAProxy:

  originpull gate ./mine.yaml --base-set origin.include=old.conf --head-set origin.include=new.conf

A whole configuration file cannot stand in for the one that is written: what
became of every connection is read from the logs that it asks for.

A stored baseline (--save-baseline FILE, --baseline FILE) has exact things and
the ratios that a run measures in itself; absolute times are never compared with
it, and one of another scenario, CPU model or Go version is refused.

Each metric is PASS, REGRESSION, IMPROVEMENT or INCONCLUSIVE. CPU and the ratios
of two arms of one side (mTLS ÷ server-auth, TLS 1.3 ÷ 1.2) block at 5 %; p50 is
judged at 10 %, p90 at 25 %, p99 at 50 %, and only reported.
Exact things (round trips, bytes, bypass verdicts) are compared exactly: any
change is a REGRESSION. With --exact, arms whose one viewer asks in a closed loop
have 300 requests each, and connections, handshakes, hits and what reaches the
origin are compared exactly too. The scenario's gate list sets other margins, or
explains a change with severity: report.

Exit codes: 0 PASS or IMPROVEMENT, 3 REGRESSION, 4 INCONCLUSIVE (0 with
--on-inconclusive=warn), 1 the measurement failed, 2 usage.`

// gateOptions is what a gate was asked for.
type gateOptions struct {
	scenarios                []string // of base and head; one is of both
	selftest, exact          bool
	instructions             bool
	sets, baseSets, headSets []string
	base, head               string // a program or a git ref each; "" is this build
	out                      string
	saveBaseline, baseline   string // files
	anyBaseline              bool   // also one of another scenario, CPU or Go
	format                   string
	warn                     bool    // an inconclusive gate exits 0
	perTrial                 float64 // seconds of blocks; 0 = as many as the arms need
	render                   report.Options
}

func init() {
	register(func(s streams) *cobra.Command {
		var o gateOptions
		cmd := &cobra.Command{
			Use: "gate SCENARIO [HEAD-SCENARIO] | gate --selftest [SCENARIO]", Short: "Say whether one side of a scenario got slower or leakier than the other", Long: gateHelp,
			Args: checked(cobra.MaximumNArgs(2)),
			RunE: func(cmd *cobra.Command, args []string) error {
				v, err := settings(cmd)
				if err != nil {
					return err
				}
				if err := o.read(v, s.out, args); err != nil {
					return err
				}
				return o.run(cmd.Context(), s)
			},
		}
		cmd.Flags().Bool("selftest", false, "gate the same against itself, then against itself with 5 % of CPU planted")
		cmd.Flags().Bool("exact", false, "compare round trips, bytes, facts and bypass verdicts alone: seconds, and no noise")
		cmd.Flags().Bool("instructions", false, "count the instructions of a handshake and of a pooled request instead (needs valgrind)")
		cmd.Flags().String("base", "", "program or git ref whose workers are base (default: this build)")
		cmd.Flags().String("head", "", "program or git ref whose workers are head (default: this build)")
		cmd.Flags().String("save-baseline", "", "run the scenario and keep its exact values and in-run ratios in this file")
		cmd.Flags().String("baseline", "", "compare with what --save-baseline kept")
		cmd.Flags().Bool("any-baseline", false, "take a baseline of another scenario, CPU model or Go version")
		cmd.Flags().StringArrayVar(&o.sets, "set", nil, "override a value on both sides, as path=value (repeatable)")
		cmd.Flags().StringArrayVar(&o.baseSets, "base-set", nil, "override a value of base (repeatable)")
		cmd.Flags().StringArrayVar(&o.headSets, "head-set", nil, "override a value of head (repeatable)")
		cmd.Flags().Duration("per-trial", 0, "how long the blocks of one trial take, all arms together (default: 1.5s, or 250ms for each arm where that is more)")
		cmd.Flags().String("on-inconclusive", "fail", "fail (exit 4) or warn (exit 0)")
		cmd.Flags().String("out", "", "folder to keep the gate in (default: a new one in results/runs)")
		cmd.Flags().String("format", "table", "how to print the gate: "+strings.Join(report.GateFormats(), ", "))
		cmd.Flags().String("color", "auto", "auto, always or never")
		return cmd
	})
}

// read takes the options from flags and settings; it refuses what makes no
// sense together.
func (o *gateOptions) read(v *viper.Viper, out io.Writer, args []string) error {
	var err error
	if o.render, err = colorOption(v.GetString("color"), out); err != nil {
		return err
	}
	o.scenarios, o.selftest, o.exact, o.instructions = args, v.GetBool("selftest"), v.GetBool("exact"), v.GetBool("instructions")
	o.out, o.format = v.GetString("out"), v.GetString("format")
	o.saveBaseline, o.baseline, o.anyBaseline = v.GetString("save-baseline"), v.GetString("baseline"), v.GetBool("any-baseline")
	o.base, o.head = v.GetString("base"), v.GetString("head")
	if !slices.Contains(report.GateFormats(), o.format) {
		return usage(fmt.Errorf("unknown format %q: it is %s", o.format, strings.Join(report.GateFormats(), ", ")))
	}
	perTrial := v.GetDuration("per-trial")
	if perTrial != 0 && (perTrial < 100*time.Millisecond || perTrial > time.Minute) {
		return usage(fmt.Errorf("--per-trial is %s: it is from 100ms to 1m", perTrial))
	}
	o.perTrial = perTrial.Seconds()
	switch on := v.GetString("on-inconclusive"); on {
	case "fail", "warn":
		o.warn = on == "warn"
	default:
		return usage(fmt.Errorf("unknown --on-inconclusive %q: it is fail or warn", on))
	}
	return o.check()
}

// check refuses options that contradict each other.
func (o *gateOptions) check() error {
	stored := o.saveBaseline+o.baseline != ""
	switch {
	case o.instructions && (stored || o.exact):
		return usage(errors.New("--instructions counts instructions and nothing else: leave out --exact and stored baselines"))
	case o.instructions && len(o.scenarios) == 0:
		o.scenarios = []string{instructionScenario}
		return nil
	case o.selftest && len(o.scenarios) < 2 && !stored && !o.exact:
		return nil
	case o.selftest:
		return usage(errors.New("--selftest compares a scenario with itself in time: leave out --exact, stored baselines and a second scenario"))
	case len(o.scenarios) == 0:
		return usage(errors.New("gate: name a scenario, or --selftest"))
	case o.saveBaseline != "" && o.baseline != "":
		return usage(errors.New("--save-baseline and --baseline: a run is either the baseline or held against it"))
	case stored && (len(o.scenarios) > 1 || o.exact):
		return usage(errors.New("a stored baseline is one side already, and what is compared with it is settled: name one scenario, without --exact"))
	}
	return nil
}

func (o *gateOptions) run(ctx context.Context, s streams) error {
	switch {
	case o.instructions:
		return gateInstructions(ctx, s, o)
	case o.selftest && len(o.scenarios) == 0:
		return selftest(ctx, s, selftestScenario, *o)
	case o.selftest:
		return selftest(ctx, s, o.scenarios[0], *o)
	case o.saveBaseline != "":
		return saveBaseline(ctx, s, o.scenarios[0], o)
	case o.baseline != "":
		return againstBaseline(ctx, s, o.scenarios[0], o)
	}
	return runGate(ctx, s, o)
}
