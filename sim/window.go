package sim

import (
	"fmt"
	"math"
	"time"

	"github.com/originpull/originpull/results"
)

// window is the span of a block, over which rates are taken: what comes after
// it was not achieved in it. The zero window, of a closed loop, has no end.
type window struct {
	started time.Time
	length  time.Duration
}

// sendGrace is how long after its block a request may be sent and still count
// as sent: a hiccup of the machine at the very end is no missed rate, a
// generator that falls behind its schedule is.
func (w window) sendGrace() time.Duration { return max(20*time.Millisecond, w.length/100) }

// due counts an arrival.
func (w window) due(r results.Batch, at time.Time) {
	if w.length == 0 {
		return
	}
	r.Add(countScheduled, 1)
	if at.Sub(w.started) >= w.length/2 {
		r.Add(countLateDue, 1)
	}
}

// pulled counts an arrival that was sent, and its answer.
func (w window) pulled(r results.Batch, p pulled, good bool) {
	w.due(r, p.due)
	if w.length > 0 && p.sent.Sub(w.started) <= w.length+w.sendGrace() {
		r.Add(countSentInTime, 1)
	}
	after := p.end.Sub(w.started)
	if good && (w.length == 0 || after <= w.length) {
		r.Add(countAnswered, 1)
	}
	if w.length > 0 && after > w.length/2 && after <= w.length {
		r.Add(countLateAnswered, 1)
	}
}

// rates are the arrivals and answers per second of an arm; false when its
// blocks had no length.
func rates(counts map[string]int64) (offered, achieved float64, ok bool) {
	span := time.Duration(counts[countSpan]).Seconds()
	if span <= 0 {
		return 0, 0, false
	}
	scheduled := counts[countScheduled]
	if scheduled == 0 { // a closed loop offers what it sends
		scheduled = counts[countRequests]
	}
	return float64(scheduled) / span, float64(counts[countAnswered]) / span, true
}

// rateMet reports whether what was sent in time is within 0.1 % of what was
// scheduled.
func rateMet(scheduled, sent int64) bool {
	return scheduled > 0 && float64(scheduled-sent) <= 0.001*float64(scheduled)
}

// saturated reports whether answers fell behind arrivals. Only second halves of
// blocks are looked at: in the first, the requests that are always under way
// gather. What is under way also varies by itself, by the root of its mean.
func saturated(counts map[string]int64) bool {
	due, answered := counts[countLateDue], counts[countLateAnswered]
	missing := float64(due - answered)
	if missing <= 0.01*float64(due) {
		return false
	}
	underWay := max(0, counts[countScheduled]-due-counts[countAnswered]-counts[countFailed]+answered)
	return missing > 4*math.Sqrt(float64(underWay+1))
}

// generatorOf judges a generator (rule 4: late when send.error.p99 exceeds the
// larger of 5 ms and 20 % of latency.p99; met when sent ÷ scheduled is within
// 0.1 %).
func generatorOf(counts map[string]int64, metrics map[string]results.Value) results.Generator {
	late := metrics["send.error.p99"].Value
	return results.Generator{
		SendErrorP99: late, Scheduled: counts[countScheduled], Sent: counts[countSentInTime], Answered: counts[countAnswered],
		RateMet:   rateMet(counts[countScheduled], counts[countSentInTime]),
		Saturated: saturated(counts),
		Late:      late > max(5, 0.2*metrics["latency.p99"].Value),
	}
}

// generator says whether the load came when it was due.
func (r *run) generator(c *collected, arm *results.Arm) {
	counts := c.merged.Counts
	if !c.arm.Settings.Workload.Arrivals.Open() || counts[countScheduled] == 0 {
		return
	}
	g := generatorOf(counts, arm.Metrics)
	v := &r.result.Validity
	v.Generator[arm.Name] = g
	warn := func(format string, args ...any) {
		v.Warnings = append(v.Warnings, arm.Name+": "+fmt.Sprintf(format, args...))
	}
	if g.Late { // not invalid as a whole: only a rule on its latency is inconclusive
		warn("the generator was late (99 %% of requests sent within %.1f ms of their time): its latency is not valid, counts and CPU are", g.SendErrorP99)
	}
	if !g.RateMet {
		v.Valid = false
		warn("%d of %d scheduled requests were not sent in their block: the rate was not met", g.Scheduled-g.Sent, g.Scheduled)
	}
	if g.Saturated {
		warn("saturated: %.1f answers per second to %.1f requests, and the rest queued: its latency grows with the length of the block",
			arm.Metrics["rate.achieved"].Value, arm.Metrics["rate.offered"].Value)
	}
}
