package results

import "errors"

// MetricCapacity is the rate that a search came to; its interval reaches from
// the highest rate that was kept to the lowest that was not.
const MetricCapacity = "capacity"

func init() {
	register(Metric{Name: MetricCapacity, Unit: "/s", Kind: Time, Better: Higher, Title: "the highest arrival rate that kept the objective of workload.find"})
}

// How a search ended.
const (
	SearchFound       = "found"       // between a rate that was kept and one that was not
	SearchBelow       = "below"       // not even the lowest rate was kept
	SearchBeyond      = "beyond"      // every rate was kept: the capacity is at least the highest
	SearchHarness     = "harness"     // the generator, the edge or the machine was the limit, never the origin
	SearchInterrupted = "interrupted" // the run ended before it
)

// How a step of a search came out.
const (
	StepKept    = "kept"    // the objective was
	StepBroken  = "broken"  // it was not
	StepHarness = "harness" // the harness could not offer the rate, so that the step says nothing of the origin
)

// Search is how workload.find looked, in one trial, for the highest rate that
// keeps an objective. Rates are in requests per second.
type Search struct {
	SLO     []string     `json:"slo"`
	From    float64      `json:"from"`
	To      float64      `json:"to"`
	Within  float64      `json:"within"` // the search may end when broken is above kept by no more than this share
	Step    float64      `json:"step"`   // seconds
	Steps   []SearchStep `json:"steps"`  // in the order in which they were taken
	Outcome string       `json:"outcome"`
	Reason  string       `json:"reason"`           // the outcome as a sentence
	Kept    float64      `json:"kept,omitempty"`   // the highest rate that was; 0: none
	Broken  float64      `json:"broken,omitempty"` // the lowest rate that was not; 0: none
}

// SearchStep is one rate, measured once.
type SearchStep struct {
	Rate     float64 `json:"rate"`
	Achieved float64 `json:"achieved"`      // answers per second that were not failures
	P50      float64 `json:"p50,omitempty"` // of latency, ms; 0: nothing was answered
	P99      float64 `json:"p99,omitempty"`
	Failed   int64   `json:"failed"`           // requests; those never sent for want of room too
	Edge     float64 `json:"edge,omitempty"`   // CPU of the edge's process over the step: 1 is a whole processor; 0: not read
	Origin   float64 `json:"origin,omitempty"` // CPU of the origin's processes, likewise
	Others   float64 `json:"others,omitempty"` // CPU of everything else on the machine
	Verdict  string  `json:"verdict"`          // StepKept, StepBroken or StepHarness
	Reason   string  `json:"reason,omitempty"` // why it was not kept
}

// AtLeast reports whether the search tells a lower bound only.
func (s *Search) AtLeast() bool { return s.Outcome == SearchBeyond || s.Outcome == SearchHarness }

// errAtLeast marks a capacity of which only a lower bound is known.
var errAtLeast = errors.New("the search tells a lower bound only")

// capacity says why the arm's capacity is not an ordinary value: nothing was
// kept, or it is a lower bound.
func (a *Arm) capacity() error {
	for _, t := range a.Trials {
		switch s := t.Search; {
		case s == nil:
		case s.Outcome == SearchBelow, s.Outcome == SearchInterrupted:
			return errors.New(s.Reason)
		case s.AtLeast():
			return errAtLeast
		}
	}
	return nil
}
