package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/originpull/originpull/sim"
)

const doctorHelp = `Say what this machine can measure: processors, CPU clocks, loopback addresses,
how late the timer is, what links to a distant origin there are, and which
servers can be origins here.

With --noise it also says how small a difference of CPU can be told here now:
one cell twice in 120 pairs of blocks, then 15 % of CPU planted on top of it and
nothing planted, in 40 pairs each. That takes under half a minute. The answer
is a finding and no error: the exit code is 0 unless the run itself failed.

  originpull doctor --noise
  originpull doctor --noise --runs 20 --format markdown`

// doctorFormats are the ways to print a diagnosis.
var doctorFormats = []string{"table", "json", "markdown"}

func init() {
	register(func(s streams) *cobra.Command {
		var ask doctorRequest
		cmd := &cobra.Command{
			Use: "doctor", Short: "Say what this machine can measure, and how well", Long: doctorHelp,
			Args: checked(cobra.NoArgs),
			RunE: func(cmd *cobra.Command, _ []string) error {
				if err := ask.check(); err != nil {
					return usage(err)
				}
				return ask.run(cmd.Context(), s)
			},
		}
		cmd.Flags().BoolVar(&ask.noise, "noise", false, "measure how small a difference of CPU can be told")
		cmd.Flags().IntVar(&ask.runs, "runs", 1, "with --noise, how often, one after another")
		cmd.Flags().StringVar(&ask.date, "date", "", "with --format markdown, the date to write (default: today, UTC)")
		cmd.Flags().StringVar(&ask.format, "format", doctorFormats[0], "how to print it: "+strings.Join(doctorFormats, ", ")+" (of --noise)")
		return cmd
	})
}

// doctorRequest is what doctor was asked.
type doctorRequest struct {
	noise        bool
	runs         int
	date, format string
}

func (d *doctorRequest) check() error {
	switch {
	case !slices.Contains(doctorFormats, d.format):
		return fmt.Errorf("unknown format %q: it is %s", d.format, strings.Join(doctorFormats, ", "))
	case d.runs < 1:
		return fmt.Errorf("--runs is %d: ask for one at least", d.runs)
	case d.date != "" && !isDate(d.date):
		return fmt.Errorf("--date is %q: write it as 2006-01-02", d.date)
	case !d.noise && (d.runs > 1 || d.format == "markdown"):
		return errors.New("--runs and --format markdown are about noise: add --noise")
	}
	return nil
}

func isDate(text string) bool {
	_, err := time.Parse(time.DateOnly, text)
	return err == nil
}

func (d *doctorRequest) run(ctx context.Context, s streams) error {
	if d.format == "table" {
		if err := printChecks(s.out, sim.Examine(ctx)); err != nil || !d.noise {
			return err
		}
	}
	found := diagnosis{Date: d.date}
	if found.Date == "" {
		found.Date = time.Now().UTC().Format(time.DateOnly)
	}
	if d.format == "json" {
		found.Checks = sim.Examine(ctx)
	}
	for i := range d.runs {
		if !d.noise {
			break
		}
		run, err := measureNoise(ctx, s, i+1)
		if err != nil {
			return failed(fmt.Errorf("noise, run %d of %d: %w", i+1, d.runs, err))
		}
		if d.runs > 1 {
			_, _ = fmt.Fprintf(s.err, "run %d of %d: %s\n", i+1, d.runs, run.summary())
		}
		found.Noise = append(found.Noise, run)
	}
	return found.print(s.out, d.format)
}

// diagnosis is what doctor found, as it is written in JSON.
type diagnosis struct {
	Date   string      `json:"date"`
	Checks []sim.Check `json:"checks,omitempty"`
	Noise  []noiseRun  `json:"noise,omitempty"`
}

func (d *diagnosis) print(w io.Writer, format string) error {
	switch format {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(d)
	case "markdown":
		_, err := io.WriteString(w, noiseMarkdown(d.Date, d.Noise))
		return err
	}
	for i := range d.Noise {
		if err := d.Noise[i].print(w); err != nil {
			return err
		}
	}
	return nil
}

func printChecks(out io.Writer, checks []sim.Check) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, c := range checks {
		state := "ok"
		if !c.OK {
			state = "lacking"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", state, c.Name, c.Detail)
	}
	_, _ = fmt.Fprintf(w, "\nservers\n")
	listServers(w, false)
	return w.Flush()
}
