package results

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/perf/benchmath"
)

// A recording is what every block cost of two sides that were the same build,
// in turn, on a real machine (make gate-record). Designs of a gate are tried on
// it: nothing had changed, so whatever they flag is a false alarm, and what is
// multiplied onto head afterwards is what they should find.

// recordedTrial has the nanoseconds of a handshake in each round, by end.
type recordedTrial struct{ base, head, plain [2][]float64 }

func readRecording(t *testing.T, name string) []recordedTrial {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(unzipped).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var trials []recordedTrial
	for i, line := range lines[1:] {
		values := make([]float64, len(line))
		for k, text := range line {
			if values[k], err = strconv.ParseFloat(text, 64); err != nil {
				t.Fatalf("%s:%d: %v", name, i+2, err)
			}
		}
		if int(values[0]) > len(trials) {
			trials = append(trials, recordedTrial{})
		}
		last := &trials[len(trials)-1]
		for end := range 2 {
			last.base[end] = append(last.base[end], values[1+end])
			last.head[end] = append(last.head[end], values[3+end])
			last.plain[end] = append(last.plain[end], values[5+end])
		}
	}
	return trials
}

// replayed is one design, tried at one size of change: how many gates there
// were, in how many either end was called worse, and in how many the change
// went through as if it were none.
type replayed struct{ gates, flagged, green int }

func (r replayed) found() float64  { return 100 * float64(r.flagged) / float64(max(1, r.gates)) }
func (r replayed) passed() float64 { return 100 * float64(r.green) / float64(max(1, r.gates)) }

// add counts a gate that knows red and green only.
func (r *replayed) add(red bool) {
	r.gates++
	if red {
		r.flagged++
	} else {
		r.green++
	}
}

// design tries a gate on a recording in which head's origin is slower by a share.
type design struct {
	name string
	try  func(trials []recordedTrial, slower float64) replayed
}

// designs are ours and those that others use, each with as much of the
// recording as it can take.
var designs = []design{
	{"originpull gate: fresh pairs of processes, blocks in turn, at most 30 trials, repeated", replayGate},
	{"ten runs of base, then ten of head, as benchstat compares them (α = 0.05)", sequential(func(base, head []float64) bool {
		thresholds := benchmath.DefaultThresholds
		a, b := benchmath.NewSample(base, &thresholds), benchmath.NewSample(head, &thresholds)
		c := benchmath.AssumeNothing.Compare(a, b)
		return c.P < c.Alpha && median(head) > median(base)
	})},
	{"ten runs of base, then ten of head, flagged where the mean is 10 % worse", sequential(func(base, head []float64) bool {
		return mean(head) > 1.1*mean(base)
	})},
	{"one run of base, then one of head, flagged where it is 10 % worse", sequentialOf(1, func(base, head []float64) bool {
		return head[0] > 1.1*base[0]
	})},
	{"one pair of processes, blocks in turn, blocks taken for the unit (α = 0.01)", replaySinglePair},
}

// replayGates is how many gates are drawn from a recording, at each size: more
// where a table is to be kept of it.
func replayGates() int {
	if os.Getenv("GATE_TABLES") == "" {
		return 300
	}
	return 2000
}

// replayRounds are those of one trial of a gate, out of the longer ones recorded.
const replayRounds = 33

// replayGate draws trials of the recording, and which side of each is base.
func replayGate(trials []recordedTrial, slower float64) replayed {
	r := rand.New(rand.NewPCG(3, math.Float64bits(slower)))
	var out replayed
	estimates := allEstimates(trials)
	for range replayGates() {
		judged, err := Gate{}.Run(func(more int) ([]GateSample, error) {
			var samples [2]GateSample
			for end, metric := range []string{MetricHandshakeEdge, MetricHandshakeOrigin} {
				rule, _ := DefaultRule(metric)
				samples[end] = GateSample{Name: "arm", Rule: rule}
			}
			for range more {
				drawn := estimates[r.IntN(len(estimates))]
				part, swapped := drawn[r.IntN(len(drawn))], r.IntN(2) == 0
				for end, v := range part {
					if swapped {
						v = -v
					}
					if end == 1 {
						v += math.Log1p(slower)
					}
					samples[end].Estimates = append(samples[end].Estimates, v)
				}
			}
			return samples[:], nil
		}, nil)
		out.gates++
		switch v := GateVerdict(judged); {
		case err != nil || v == Undecided:
		case v == Regression:
			out.flagged++
		default:
			out.green++
		}
	}
	return out
}

// allEstimates are those of every part of every trial that is as long as a
// gate's, by end.
func allEstimates(trials []recordedTrial) [][][2]float64 {
	out := make([][][2]float64, len(trials))
	for i := range trials {
		t := &trials[i]
		for from := 0; from == 0 || from+replayRounds <= len(t.base[0]); from += 5 {
			out[i] = append(out[i], [2]float64{t.estimate(0, from), t.estimate(1, from)})
		}
	}
	return out
}

// estimate is a trial's, as the harness makes it: blocks of the same round, net
// of plain TCP.
func (t *recordedTrial) estimate(end, from int) float64 {
	to := min(from+replayRounds, len(t.base[end]))
	plain := median(t.plain[end][from:to])
	net := func(costs []float64) []float64 {
		out := make([]float64, to-from)
		for i := range out {
			out[i] = costs[from+i] - plain
		}
		return out
	}
	v, _ := TrimmedLogRatio(net(t.head[end]), net(t.base[end]))
	return v
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func sequential(worse func(base, head []float64) bool) func([]recordedTrial, float64) replayed {
	return sequentialOf(10, worse)
}

// sequentialOf compares so many trials of one side with as many after them, of
// the same side: what a job does that runs base first and then head. Every
// place in the recording is tried, with either side, forwards and backwards.
func sequentialOf(runs int, worse func(base, head []float64) bool) func([]recordedTrial, float64) replayed {
	return func(trials []recordedTrial, slower float64) replayed {
		var out replayed
		for _, backwards := range []bool{false, true} {
			for side := range 2 {
				for from := 0; from+2*runs <= len(trials); from++ {
					out.add(flaggedAt(trials[from:from+2*runs], sequentialOptions{side, backwards, slower}, worse))
				}
			}
		}
		return out
	}
}

type sequentialOptions struct {
	side      int
	backwards bool
	slower    float64
}

func flaggedAt(trials []recordedTrial, o sequentialOptions, worse func(base, head []float64) bool) bool {
	for end := range 2 {
		costs := make([]float64, len(trials))
		for i := range trials {
			t := &trials[i]
			costs[i] = mean([2][]float64{t.base[end], t.head[end]}[o.side])
		}
		if o.backwards {
			slices.Reverse(costs)
		}
		base, head := costs[:len(costs)/2], costs[len(costs)/2:]
		if end == 1 {
			for i := range head {
				head[i] *= 1 + o.slower
			}
		}
		if worse(base, head) {
			return true
		}
	}
	return false
}

// replaySinglePair tests the pairs of blocks of one trial as if each were an
// experiment of its own, at a level that holds for both ends.
func replaySinglePair(trials []recordedTrial, slower float64) replayed {
	var out replayed
	for i := range trials {
		for _, swapped := range []bool{false, true} {
			flagged := false
			for end := range 2 {
				pairs := make([]float64, len(trials[i].base[end]))
				for k := range pairs {
					pairs[k] = math.Log(trials[i].head[end][k] / trials[i].base[end][k])
					if swapped {
						pairs[k] = -pairs[k]
					}
					if end == 1 {
						pairs[k] += math.Log1p(slower)
					}
				}
				flagged = flagged || above(pairs, 0) < 0.01/2
			}
			out.add(flagged)
		}
	}
	return out
}

// replaySizes are the changes that are put on head's origin.
var replaySizes = []float64{0, 0.03, 0.05, 0.1}

// TestGateReplay tries all designs on what was recorded: on a machine left
// alone, and on one where others compiled and tested. On that one the gate need
// not find everything, but it may neither cry wolf nor let through. Draws and recordings
// are fixed: it is no chance of failing, it is what the designs do to them.
func TestGateReplay(t *testing.T) {
	names, err := filepath.Glob(filepath.Join("testdata", "gate-noise-*.csv.gz"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no recording: %v", err)
	}
	for _, name := range names {
		trials := readRecording(t, name)
		if len(trials) < 20 {
			t.Fatalf("%s has %d trials", name, len(trials))
		}
		rows := []string{"| design | gates | false alarms | +3 % found | +5 % found | +10 % found | +10 % let through |", "|---|--:|--:|--:|--:|--:|--:|"}
		var ours []replayed
		for i, d := range designs {
			row := "| " + d.name + " | "
			for k, size := range replaySizes {
				r := d.try(trials, size)
				if k == 0 {
					row += fmt.Sprintf("%d | %.1f %% (%d)", r.gates, r.found(), r.flagged)
				} else {
					row += fmt.Sprintf(" | %.0f %%", r.found())
				}
				if k == len(replaySizes)-1 {
					row += fmt.Sprintf(" | %.0f %%", r.passed())
				}
				if i == 0 {
					ours = append(ours, r)
				}
			}
			rows = append(rows, row+" |")
		}
		for _, row := range rows {
			t.Log(row)
		}
		if ours[0].found() > 1 || ours[3].passed() > 1 {
			t.Errorf("%s: the gate raises %.2f %% false alarms and lets %.1f %% of +10 %% through, want at most 1 of each", name, ours[0].found(), ours[3].passed())
		}
		if !strings.Contains(name, "busy") && ours[2].found() < 95 {
			t.Errorf("%s: the gate finds %.1f %% of +5 %%, want at least 95", name, ours[2].found())
		}
		writeTable(t, "replay-"+filepath.Base(name), rows)
	}
}

// writeTable keeps the rows of a table in the folder that GATE_TABLES names,
// for docs/gate.md; without it, nothing.
func writeTable(t *testing.T, name string, rows []string) {
	t.Helper()
	folder := os.Getenv("GATE_TABLES")
	if folder == "" {
		return
	}
	var text string
	for _, row := range rows {
		text += row + "\n"
	}
	if err := os.WriteFile(filepath.Join(folder, name+".md"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
