package sim

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Counted is one side whose instructions are counted. What its arm has planted is
// done as so many handshakes or requests more, which nobody counts: 1 % is one in
// a hundred.
type Counted struct {
	Worker     []string // as in Config
	Plan       *Plan
	Experiment *Experiment
	Arm        *Arm
}

// How many are done by the two processes: handshakes, and requests on a kept
// connection, which cost an eightieth.
var instructionRuns = map[Kind][2]int64{Handshakes: {4, 104}, Requests: {100, 1600}}

// errUncounted is what becomes of a block of a number where the worker goes by
// time alone.
var errUncounted = errors.New("this build is too old to be asked for a number")

// cachegrindFile is where it writes; a process id follows.
const cachegrindFile = "cachegrind."

// instructionTimeout is how long all of it may take under Valgrind: seconds, and
// minutes where twenty others want the processors.
const instructionTimeout = 10 * time.Minute

// CanCountInstructions says why instructions cannot be counted here.
func CanCountInstructions() error {
	if _, err := exec.LookPath("valgrind"); err != nil {
		return errors.New("valgrind is not installed (on Debian, apt-get install valgrind)")
	}
	return nil
}

// Countable says why the instructions of an arm cannot be counted.
func Countable(x *Experiment, a *Arm) error {
	switch {
	case x.Kind == Bypass:
		return errors.New("bypass attempts have no cost")
	case len(a.Settings.Origins) > 0:
		return errors.New("it has several origins, and one process is both ends of one hop")
	case a.distant():
		return errors.New("its two ends and their distance are one process")
	case a.Settings.Workload.Arrivals.Open():
		return errors.New("its viewers come by the clock, and Valgrind takes fifty times as long: use a closed loop")
	case a.Settings.Origin.Server != builtin:
		return fmt.Errorf("its origin is %s, not the built-in one", a.Settings.Origin.Server)
	}
	return nil
}

// CountInstructions counts what one handshake or request of an arm executes,
// both ends together, for each side. It takes seconds, and keeps cachegrind's
// files in folder for cg_annotate and cg_diff.
//
//  1. Both ends run in one process, with memory between them, under Valgrind's
//     cachegrind without its model of a cache: counts, and nothing modelled.
//  2. One process does few, another many. What one takes is their difference
//     over how many more: start and end drop out.
//  3. The collector is off, because when it runs is an accident, and what the
//     runtime draws lots for is left out.
//
// It cannot see the kernel, locks, waiting, caches, branches, what collecting
// garbage takes, nor how long an instruction does.
func CountInstructions(ctx context.Context, folder string, sides []Counted) ([]float64, error) {
	if err := CanCountInstructions(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(auditFolder(Config{Folder: folder}), 0o755); err != nil {
		return nil, fmt.Errorf("preparing to count instructions: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, instructionTimeout)
	defer cancel()
	totals, problems := make([][2]float64, len(sides)), make([][2]error, len(sides))
	var wg sync.WaitGroup
	for i := range sides {
		for k := range totals[i] {
			wg.Go(func() { totals[i][k], problems[i][k] = sides[i].process(ctx, folder, k) })
		}
	}
	wg.Wait()
	out := make([]float64, len(sides))
	for i, side := range sides {
		if err := errors.Join(problems[i][:]...); err != nil {
			return nil, fmt.Errorf("instructions of %s: %w", side.Arm.Name, err)
		}
		runs := instructionRuns[side.Experiment.Kind]
		out[i] = (totals[i][1] - totals[i][0]) / float64(runs[1]-runs[0])
	}
	return out, nil
}

// process runs both ends of the arm in one process, few (0) or many (1), and
// reads what it executed.
func (c *Counted) process(ctx context.Context, folder string, which int) (float64, error) {
	if err := Countable(c.Experiment, c.Arm); err != nil {
		return 0, err
	}
	count := instructionRuns[c.Experiment.Kind][which]
	more := max(c.Arm.Settings.Edge.Plant.CPU, c.Arm.Settings.Origin.Plant.CPU)
	count += int64(math.Round(float64(count) * more))
	near, err := bothEnds(c.Plan, c.Arm, Config{Folder: folder})
	if err != nil {
		return 0, err
	}
	valgrind := []string{
		"env", "GOGC=off", "GODEBUG=asyncpreemptoff=1", "valgrind", "--tool=cachegrind", "--cache-sim=no",
		"--cachegrind-out-file=" + filepath.Join(folder, cachegrindFile+"%p"),
	}
	cfg := Config{Worker: slices.Concat(valgrind, c.Worker)}
	p, err := cfg.startProcess(RoleBoth, "the worker of "+c.Arm.Name, workerEnv())
	if err != nil {
		return 0, err
	}
	defer func() { _ = p.stop() }()
	var done Answer
	for _, command := range []Command{{Type: msgStart, Start: &near}, {Type: msgBlock, Block: &Block{Count: count}}} {
		answer, err := p.ask(ctx, command)
		if err != nil {
			return 0, err
		}
		if command.Type == msgBlock {
			done = answer
		}
	}
	if done.Done == nil || done.Done.Count != count {
		return 0, errUncounted
	}
	if done.Done.Failed > 0 {
		return 0, fmt.Errorf("%d of %d failed; the first: %s", done.Done.Failed, count, done.Done.Error)
	}
	// Without a drain: to encode what was recorded takes what the times happen to be.
	if err := p.leave(ctx); err != nil {
		return 0, err
	}
	return counted(folder, p)
}

// bothEnds is what a worker that is both ends is started with.
func bothEnds(plan *Plan, a *Arm, cfg Config) (Start, error) {
	lab, err := newLab()
	if err != nil {
		return Start{}, err
	}
	credentials, err := lab.credentials(a)
	if err != nil {
		return Start{}, err
	}
	far := Start{
		Protocol: ProtocolVersion, Arm: *a, Seed: trialSeed(plan.Seed, 1), Certificate: credOrigin,
		Credentials: credentials.origin, Audit: auditFile(cfg, a),
	}
	if far.Arm.Policy, err = pinned(a.Policy, credentials); err != nil {
		return Start{}, err
	}
	near := far
	near.Credentials, near.Certificate, near.Audit, near.Source, near.Far = credentials.edge, "", "", edgeAddress(), &far
	return near, nil
}

// drawn are the functions in which the runtime fills its caches of what it knows
// of interfaces. When it fills one is drawn by lot, once in a thousand misses, so
// that the same program executes 1 % more or less of them from run to run: they
// are not counted. They were nearly all that two counts of one build differed in.
var drawn = map[string]bool{
	"runtime.typeAssert": true, "runtime.interfaceSwitch": true, "runtime.getitab": true, "runtime.(*itabTableType).find": true,
}

// counted sums what cachegrind's file has of all functions but those. The file
// is complete when its last line is the summary of it.
func counted(folder string, p *process) (float64, error) {
	file, err := os.Open(filepath.Join(folder, cachegrindFile+strconv.Itoa(p.cmd.Process.Pid)))
	if err != nil {
		return 0, fmt.Errorf("reading what valgrind counted: %w; it said: %s", err, p.output.last())
	}
	defer func() { _ = file.Close() }()
	total, err := sumCounts(file)
	if err != nil {
		return 0, fmt.Errorf("reading what valgrind counted: %w; it said: %s", err, p.output.last())
	}
	return total, nil
}

func sumCounts(r io.Reader) (float64, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	var all, kept int64
	skip := false
	for lines.Scan() {
		line := lines.Text()
		if name, is := strings.CutPrefix(line, "fn="); is {
			skip = drawn[name]
			continue
		}
		if text, is := strings.CutPrefix(line, "summary:"); is {
			if sum, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err != nil || sum != all {
				return 0, fmt.Errorf("its lines come to %d, its summary to %s", all, text)
			}
			return float64(kept), nil
		}
		_, text, two := strings.Cut(line, " ")
		if !two || line[0] < '0' || line[0] > '9' {
			continue // a header, or the name of a file
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("the line %q is no count", line)
		}
		if all += n; !skip {
			kept += n
		}
	}
	return 0, errors.Join(errors.New("it has no summary"), lines.Err())
}
