package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/sim"
)

const doctorHelp = `Say what this machine can measure: processors, CPU clocks, loopback addresses,
how late the timer is, what links to a distant origin there are, and which
servers can be origins here.

With --noise, one arm is measured against itself for about 15 seconds: the
ratio shows which differences of CPU this machine can tell at all.`

func init() {
	register(func(s streams) *cobra.Command {
		var noise bool
		cmd := &cobra.Command{
			Use: "doctor", Short: "Say what this machine can measure, and how well", Long: doctorHelp,
			Args: checked(cobra.NoArgs),
			RunE: func(cmd *cobra.Command, _ []string) error {
				w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
				for _, c := range sim.Examine(cmd.Context()) {
					state := "ok"
					if !c.OK {
						state = "lacking"
					}
					_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", state, c.Name, c.Detail)
				}
				_, _ = fmt.Fprintf(w, "\nservers\n")
				listServers(w, false)
				if err := w.Flush(); err != nil || !noise {
					return err
				}
				return doctorNoise(cmd.Context(), s)
			},
		}
		cmd.Flags().BoolVar(&noise, "noise", false, "measure one arm against itself")
		return cmd
	})
}

// noiseScenario is one arm, which the run doubles.
const noiseScenario = `
version: 1
name: noise
origin: {audit: refused}
workload: {mode: handshakes, trials: 8, duration: 12s}
`

func doctorNoise(ctx context.Context, s streams) error {
	scenario, err := scenarios.Load(scenarios.Source{File: "noise", Content: []byte(noiseScenario)})
	if err != nil {
		return failed(err)
	}
	plan, err := sim.Compile(scenario)
	if err != nil {
		return failed(err)
	}
	folder, err := os.MkdirTemp("", "originpull-doctor-*")
	if err != nil {
		return failed(fmt.Errorf("making a folder for the run: %w", err))
	}
	defer func() { _ = os.RemoveAll(folder) }()
	self, err := os.Executable()
	if err != nil {
		return failed(fmt.Errorf("finding this program, to start workers: %w", err))
	}
	p := &progress{w: s.err, terminal: isTerminal(s.err)}
	result, err := sim.Run(ctx, plan, sim.Config{Worker: []string{self, "worker"}, Folder: folder, Progress: p.show})
	p.end()
	if err != nil {
		return failed(err)
	}
	_, err = fmt.Fprint(s.out, noiseReport(result))
	return err
}

// noiseReport says what the double showed.
func noiseReport(result *results.Result) string {
	text := "\nnoise: the same arm twice, TLS 1.3 with mTLS, interleaved in 8 trials\n"
	aa := result.Validity.AA["noise"]
	for _, end := range []string{"edge", "origin"} {
		e, measured := aa["handshake.cpu."+end]
		if !measured {
			text += fmt.Sprintf("  CPU of %s: not measured\n", end)
			continue
		}
		far := max(1-e.Low, e.High-1)
		text += fmt.Sprintf("  CPU of %s: %.3f × [%.3f – %.3f]: differences below %.0f %% are not resolved here\n", end, e.Ratio, e.Low, e.High, 100*far)
	}
	return text
}
