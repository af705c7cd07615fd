package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
)

// TracePlan is a trace of the user's, read when the scenario was compiled: the
// file is not needed any more.
type TracePlan struct {
	Requests int     `json:"requests"`
	Seconds  float64 `json:"seconds"` // from the first to the last
	Digest   string  `json:"digest"`  // "sha256:" and the hash of the file
	Packed   []byte  `json:"packed"`  // see scenarios.Trace.Pack
}

// mostTraceBytes bounds a trace file.
const mostTraceBytes = 64 << 20

// traces reads the trace files that the experiments name, each once, into the
// plan, and holds the arms' times against them.
func (c *compiler) traces(plan *Plan) {
	for i := range plan.Experiments {
		x := &plan.Experiments[i]
		for j := range x.Arms {
			w := &x.Arms[j].Settings.Workload
			if w.Objects.Model != "trace" || !scenarios.IsTraceFile(w.Objects.Trace) {
				continue
			}
			file := w.Objects.Trace
			w.Objects.Trace = fileName(file) // no more of a path than a report may show
			path := fmt.Sprintf("experiments[%d].workload.objects.trace", i)
			trace, ok := c.trace(plan, path, file)
			if !ok || w.Arrivals.Model != "trace" {
				continue
			}
			if needed := (x.Warmup + x.Block) * speedOf(w.Arrivals); needed > trace.Seconds {
				c.problem(path, "%s lasts %.4g s, and warm-up and duration at this speed take %.4g s of it: shorten them, or lower workload.arrivals.speed", file, trace.Seconds, needed)
				return
			}
		}
	}
	if len(plan.Traces) > 0 && len(c.problems) == 0 {
		plan.Digest = digestWith(plan.Digest, plan.Traces, func(t *TracePlan) string { return t.Digest })
	}
}

// trace reads a file into the plan, unless it is there; false when it cannot.
func (c *compiler) trace(plan *Plan, path, file string) (*TracePlan, bool) {
	name := fileName(file)
	if known, have := plan.Traces[name]; have {
		return known, known != nil
	}
	if plan.Traces == nil {
		plan.Traces = map[string]*TracePlan{}
	}
	plan.Traces[name] = nil // what is wrong is told once
	at := file
	if !filepath.IsAbs(at) {
		at = filepath.Join(filepath.Dir(c.scenario.File), at)
	}
	if size, err := os.Stat(at); err == nil && size.Size() > mostTraceBytes {
		c.problem(path, "%s has %d bytes, and at most %d are read: split it", file, size.Size(), mostTraceBytes)
		return nil, false
	}
	content, err := os.ReadFile(at)
	if err != nil {
		c.problem(path, "the trace cannot be read: %v", err)
		return nil, false
	}
	trace, err := scenarios.ParseTrace(file, content)
	var problems scenarios.Problems
	if errors.As(err, &problems) {
		c.problems = append(c.problems, problems...) // at the lines of the trace
		return nil, false
	}
	packed, err := trace.Pack()
	if err != nil {
		c.problem(path, "%v", err)
		return nil, false
	}
	sum := sha256.Sum256(content)
	plan.Traces[name] = &TracePlan{
		Requests: len(trace.Times), Seconds: trace.Span().Seconds(), Digest: "sha256:" + hex.EncodeToString(sum[:]), Packed: packed,
	}
	return plan.Traces[name], true
}

// digestWith is the scenario's digest with the files in it that it names.
func digestWith[F any](digest string, files map[string]F, of func(F) string) string {
	h := sha256.New()
	_, _ = h.Write([]byte(digest)) // a hash takes everything
	for _, name := range slices.Sorted(maps.Keys(files)) {
		_, _ = h.Write([]byte("\n" + name + " " + of(files[name])))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// speedOf is how much faster than it was a trace is replayed.
func speedOf(a scenarios.Arrivals) float64 {
	if a.Speed == 0 {
		return 1
	}
	return a.Speed
}

// packedTrace is what an arm's worker gets; nil where there is none.
func (p *Plan) packedTrace(a *Arm) []byte {
	if t := p.Traces[a.Settings.Workload.Objects.Trace]; t != nil && a.Settings.Workload.Objects.Model == "trace" {
		return t.Packed
	}
	return nil
}

// replay is a trace under way. Each block goes on where the one before it
// ended: the warm-up is the beginning of the trace.
type replay struct {
	trace *scenarios.Trace
	speed float64
	at    time.Duration // of the trace, where the next block begins
	next  int           // request
	last  int           // whose turn it is
	paced bool          // by the trace's own times
}

func newReplay(packed []byte, a scenarios.Arrivals) (*replay, error) {
	trace, err := scenarios.UnpackTrace(packed)
	if err != nil {
		return nil, err
	}
	return &replay{trace: trace, speed: speedOf(a), last: -1, paced: a.Model == "trace"}, nil
}

// block is the schedule of a block of that length.
func (r *replay) block(length time.Duration) Pacer {
	from := r.at
	r.at += time.Duration(float64(length) * r.speed)
	r.next = sort.Search(len(r.trace.Times), func(i int) bool { return r.trace.Times[i] >= from })
	return &replayPacer{replay: r, from: from}
}

// object is the key of the request whose turn it is, or of the next one where
// another schedule decides when.
func (r *replay) object() uint32 {
	if !r.paced {
		r.last = (r.last + 1) % len(r.trace.Keys)
	}
	return r.trace.Keys[r.last]
}

// replayPacer yields the times of a trace from some time in it on.
type replayPacer struct {
	*replay
	from time.Duration
}

func (p *replayPacer) Next() time.Duration {
	if p.next == len(p.trace.Times) {
		return math.MaxInt64
	}
	p.last = p.next
	p.next++
	return time.Duration(float64(p.trace.Times[p.last]-p.from) / p.speed)
}

// labelArrivals says where the times of a trace's requests come from.
func (r *run) labelArrivals(a *Arm, labels map[string]string) {
	w := &a.Settings.Workload
	if w.Arrivals.Model != "trace" {
		return
	}
	t := r.plan.Traces[w.Objects.Trace]
	if t == nil {
		labels[results.LabelArrivals] = fmt.Sprintf("%s has no times of its own: a Poisson process at %s stands for them", w.Objects.Trace, w.Arrivals.Rate)
		return
	}
	labels[results.LabelArrivals] = fmt.Sprintf("at the times of %s (%d requests in %.4g s)", w.Objects.Trace, t.Requests, t.Seconds)
	if w.Arrivals.Speed != 0 && w.Arrivals.Speed != 1 {
		labels[results.LabelArrivals] += fmt.Sprintf(", %.4g times as fast", w.Arrivals.Speed)
	}
}
