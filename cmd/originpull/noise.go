package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/sim"
)

const (
	noiseScenario = "noise" // of the library
	noiseWithin   = 0.03    // how far from 1 the same cell twice may be
	// toldAt is where a planted +15 % and a planted 0 % are told apart: half way.
	// Either estimate may be off by as much before it is taken for the other.
	toldAt = 1.075
)

// noiseRun is what one run of the scenario noise showed.
type noiseRun struct {
	Started     time.Time         `json:"started"`
	Elapsed     float64           `json:"elapsed"` // seconds
	Environment map[string]string `json:"environment"`
	Ends        []noiseEnd        `json:"ends"`
	Within      bool              `json:"within"`    // the same cell twice was within 3 % at both ends
	ToldApart   bool              `json:"toldApart"` // +15 % and 0 %, at both ends
	Blocks      int               `json:"blocks"`
	Crowded     int               `json:"crowded"` // of them, those in which others had the processors
}

// noiseEnd is what it showed of one end's CPU, all of it handshake CPU net of
// plain TCP.
type noiseEnd struct {
	End       string           `json:"end"`
	Same      results.Estimate `json:"same"`      // the same cell twice, 120 pairs
	Within    bool             `json:"within"`    // it is within 3 % of 1
	Zero      results.Estimate `json:"zero"`      // nothing planted, 40 pairs
	Fifteen   results.Estimate `json:"fifteen"`   // +15 % planted, 40 pairs
	ToldApart bool             `json:"toldApart"` // the one is below +7.5 %, the other above
	Resolves  float64          `json:"resolves"`  // the least change that 120 pairs tell from noise now, as a share
}

// measureNoise does the index-th run (from 1), which is also its seed.
func measureNoise(ctx context.Context, s streams, index int) (noiseRun, error) {
	plan, err := compile(noiseScenario, []string{fmt.Sprintf("seed=%d", index)})
	if err != nil {
		return noiseRun{}, err
	}
	folder, err := os.MkdirTemp("", "originpull-doctor-*")
	if err != nil {
		return noiseRun{}, fmt.Errorf("making a folder for the run: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	self, err := os.Executable()
	if err != nil {
		return noiseRun{}, fmt.Errorf("finding this program, to start workers: %w", err)
	}
	p := &progress{w: s.err, terminal: isTerminal(s.err)}
	result, err := sim.Run(ctx, plan, sim.Config{Worker: []string{self, "worker"}, Folder: folder, Progress: p.show})
	p.end()
	if err != nil {
		return noiseRun{}, err
	}
	return noiseOf(result)
}

// noiseOf reads the finding from a result. It fails when the run did.
func noiseOf(r *results.Result) (noiseRun, error) {
	run := noiseRun{Started: r.Started, Elapsed: r.Elapsed, Environment: r.Environment, Within: true, ToldApart: true}
	for i := range r.Arms {
		if a := &r.Arms[i]; a.Error != "" {
			return run, fmt.Errorf("%s: %s", a.Name, a.Error)
		}
	}
	if !r.Complete || !r.Validity.Valid {
		return run, fmt.Errorf("the run is not valid: %s", strings.Join(r.Validity.Warnings, "; "))
	}
	for _, x := range r.Experiments {
		run.Blocks += x.Blocks
		run.Crowded += x.Crowded
	}
	for _, end := range []string{"edge", "origin"} {
		e, err := noiseAt(r, end)
		if err != nil {
			return run, err
		}
		run.Ends = append(run.Ends, e)
		run.Within = run.Within && e.Within
		run.ToldApart = run.ToldApart && e.ToldApart
	}
	return run, nil
}

func noiseAt(r *results.Result, end string) (noiseEnd, error) {
	metric := "handshake.cpu." + end
	e := noiseEnd{End: end, Same: r.Validity.AA["same"][metric]}
	for i := range r.Pairs {
		p := &r.Pairs[i]
		if p.Metric != metric || p.B != "planted/plant=none" {
			continue
		}
		switch p.A {
		case "planted/plant=zero":
			e.Zero = p.Estimate()
		case "planted/plant=fifteen":
			e.Fifteen = p.Estimate()
		}
	}
	if !e.Same.HasInterval() || !e.Zero.HasInterval() || !e.Fifteen.HasInterval() {
		return e, errors.New("no CPU was measured: the CPU clocks of other processes are read on Linux only")
	}
	e.Within = math.Abs(e.Same.Ratio-1) <= noiseWithin
	e.ToldApart = e.Zero.Ratio < toldAt && e.Fifteen.Ratio > toldAt
	e.Resolves = max(1-e.Same.Low, e.Same.High-1)
	return e, nil
}

// print writes the finding for a terminal.
func (n *noiseRun) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "\nnoise: full TLS 1.3 handshakes with mTLS, CPU net of plain TCP, in %.0f s\n", n.Elapsed)
	row := func(name string, cell func(e *noiseEnd) string) {
		_, _ = fmt.Fprintf(w, "  %s\t%s\t%s\n", name, cell(&n.Ends[0]), cell(&n.Ends[1]))
	}
	row("", func(e *noiseEnd) string { return "CPU of " + e.End })
	row("the same cell twice, 120 pairs", func(e *noiseEnd) string { return estimateWords(e.Same) })
	row("  within 3 %", func(e *noiseEnd) string { return yesNo(e.Within) })
	row("planted 0 %, 40 pairs", func(e *noiseEnd) string { return estimateWords(e.Zero) })
	row("planted +15 %, 40 pairs", func(e *noiseEnd) string { return estimateWords(e.Fifteen) })
	row("  told apart", func(e *noiseEnd) string { return yesNo(e.ToldApart) })
	_, _ = fmt.Fprintf(w, "In brackets the 95 %% interval over trials with fresh processes. Told apart: +15 %% comes out\n"+
		"above +7.5 %%, 0 %% below. In %d of %d blocks others had the processors.\n%s\n", n.Crowded, n.Blocks, n.sentence())
	return w.Flush()
}

// sentence says what follows from the finding.
func (n *noiseRun) sentence() string {
	return fmt.Sprintf("This machine, as it is now, tells changes of CPU from %.1f %% on at the edge and from %.1f %% at the origin.",
		100*n.Ends[0].Resolves, 100*n.Ends[1].Resolves)
}

// summary is one line.
func (n *noiseRun) summary() string {
	return fmt.Sprintf("the same cell twice %.3f and %.3f (within 3 %%: %s), +15 %% came out as %.3f and %.3f, 0 %% as %.3f and %.3f (told apart: %s)",
		n.Ends[0].Same.Ratio, n.Ends[1].Same.Ratio, yesNo(n.Within), n.Ends[0].Fifteen.Ratio, n.Ends[1].Fifteen.Ratio,
		n.Ends[0].Zero.Ratio, n.Ends[1].Zero.Ratio, yesNo(n.ToldApart))
}

func estimateWords(e results.Estimate) string {
	return fmt.Sprintf("%.3f × [%.3f – %.3f]", e.Ratio, e.Low, e.High)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "NO"
}

// noiseMarkdown is the page that keeps the evidence of several runs.
func noiseMarkdown(date string, runs []noiseRun) string {
	var b strings.Builder
	within, told := 0, 0
	for i := range runs {
		if runs[i].Within {
			within++
		}
		if runs[i].ToldApart {
			told++
		}
	}
	e := runs[0].Environment
	fmt.Fprintf(&b, noiseIntroduction, date, e[results.EnvCPU], e[results.EnvCores], e[results.EnvOS], e[results.EnvArch], e[results.EnvKernel], e[results.EnvGo],
		within, len(runs), told, len(runs))
	b.WriteString("\n| run | seconds | load before | crowded blocks | same twice: edge | origin | within 3 % | planted 0 %: edge | origin | planted +15 %: edge | origin | told apart |\n" +
		"|--:|--:|--:|--:|--:|--:|:-:|--:|--:|--:|--:|:-:|\n")
	for i := range runs {
		n := &runs[i]
		edge, origin := &n.Ends[0], &n.Ends[1]
		fmt.Fprintf(&b, "| %d | %.1f | %s | %d of %d | %.3f | %.3f | %s | %.3f | %.3f | %.3f | %.3f | %s |\n",
			i+1, n.Elapsed, n.Environment[results.EnvLoad], n.Crowded, n.Blocks, edge.Same.Ratio, origin.Same.Ratio, yesNo(n.Within),
			edge.Zero.Ratio, origin.Zero.Ratio, edge.Fifteen.Ratio, origin.Fifteen.Ratio, yesNo(n.ToldApart))
	}
	b.WriteString(noiseMeaning)
	return b.String()
}

const noiseIntroduction = `# Noise: how small a difference of CPU can be told

Written by ` + "`make noise-evidence`" + ` on %s. The machine: %s, %s cores, %s/%s,
kernel %s, %s; edge and origin with GOMAXPROCS=1, over loopback.

- The same cell twice, 120 pairs: within 3 %% at both ends in **%d of %d** runs.
- A planted +15 %% and a planted 0 %%, 40 pairs each: told apart at both ends in
  **%d of %d** runs.
`

const noiseMeaning = `
## What was done

Every row is one ` + "`originpull doctor --noise`" + `, which runs the library's scenario
` + "`noise`" + `: full TLS 1.3 handshakes with mTLS (ECDSA P-256, X25519). Every figure is
a ratio of two cells' CPU per handshake, net of the same exchange over plain
TCP, which is measured in the same trial. The seed of a run is its number.

- A **pair** is one block of 25 ms of each of two cells in the same round; the
  cells take turns, in an order drawn anew each round. The pairs are spread over
  20 and 14 trials, each with fresh processes for every cell: two processes of one
  program differ by luck, and only other processes show by how much.
- **Planted** CPU is burnt on purpose by edge and origin after each block, on
  their own CPU clocks: a share of what that block cost them, net of plain TCP
  (` + "`edge.plant.cpu`, `origin.plant.cpu`" + `). It changes nothing but CPU. The cell
  with 0 % is a third one of the same configuration.
- **Within 3 %** is said of the estimate, not of its interval.
- **Told apart**: the estimate of the planted +15 % is above +7.5 %, that of the
  planted 0 % below. Half way, either may be off by as much.
- A trial's value is the 20 % trimmed mean of its pairs' log-ratios; the
  estimate is the 20 % trimmed mean of the trials' values. A neighbour's burst
  spoils blocks or whole trials, and those are what is left out.
- **Crowded** blocks are those in which edge and origin together had a processor
  for less than four fifths of the time: others had it. They count what the
  machine was like; they are not left out.

## What it means

In a run like these a difference of 15 % is found, and one of 3 % may be noise.
Every report carries the same cell twice, with its interval, and calls a
difference resolved only when it is beyond that. More pairs tell smaller
differences: four times as many, half the size.
`
