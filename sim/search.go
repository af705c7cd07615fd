package sim

import (
	"fmt"
	"math"
	"time"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
)

// search decides which rates to try: from the lowest doubling until one is not
// kept, then half way, as a ratio, between the highest that was kept and the
// lowest that was not. It knows neither clocks nor sockets.
//
// A rate counts as not kept when that was seen twice at it, and as too much for
// the harness when that was seen three times: one noisy window must not end a
// search.
type search struct {
	from, to, within float64
	at               float64 // the rate under way
	kept, broken     float64 // 0: none yet
	bad              map[string]int
	outcome          string // "" while it goes on
}

func newSearch(f scenarios.Find) *search {
	return &search{
		from: float64(f.From), to: float64(f.To), within: float64(f.Within),
		at: float64(f.From), bad: map[string]int{},
	}
}

// next is the rate to try; false when the search is over.
func (s *search) next() (rate float64, more bool) { return s.at, s.outcome == "" }

// judge takes in what the rate under way came to: one of the results.Step
// verdicts.
func (s *search) judge(verdict string) {
	if verdict != results.StepKept {
		need := confirmations
		if verdict == results.StepHarness {
			need = harnessConfirmations
		}
		if s.bad[verdict]++; s.bad[verdict] < need {
			return // once more
		}
	}
	s.bad = map[string]int{}
	switch verdict {
	case results.StepKept:
		s.kept = s.at
	case results.StepBroken:
		s.broken = s.at
	case results.StepHarness:
		s.outcome = results.SearchHarness
		return
	}
	s.outcome = s.end()
	s.at = s.following()
}

// How often a verdict is seen at a rate before it counts. What ends the search
// for good is seen once more than what only narrows it.
const (
	confirmations        = 2
	harnessConfirmations = 3
)

// end says how the search ended, "" when it has not.
func (s *search) end() string {
	switch {
	case s.kept == 0 && s.broken > 0:
		return results.SearchBelow
	case s.kept >= s.to:
		return results.SearchBeyond
	case s.kept > 0 && s.broken > 0 && s.broken <= s.kept*(1+s.within):
		return results.SearchFound
	}
	return ""
}

// following is the next rate.
func (s *search) following() float64 {
	if s.broken == 0 {
		return min(2*s.kept, s.to)
	}
	return math.Sqrt(s.kept * s.broken)
}

// steps is how many a search takes on a server of that capacity without noise.
func (s *search) steps(capacity float64) (n int) {
	for {
		rate, more := s.next()
		if !more {
			return n
		}
		n++
		if rate <= capacity {
			s.judge(results.StepKept)
		} else {
			s.judge(results.StepBroken)
		}
	}
}

// foreseen is how many steps a search is planned with: those to a capacity half
// way between its two ends.
func foreseen(f scenarios.Find) int {
	return newSearch(f).steps(math.Sqrt(float64(f.From) * float64(f.To)))
}

// searchSeconds is what the search of one arm is planned to take.
func searchSeconds(f scenarios.Find, warmup float64) float64 {
	return float64(foreseen(f)) * (warmup + time.Duration(f.Step).Seconds())
}

// told is the outcome as a sentence. last is why the last step was not kept.
func (s *search) told(last string) string {
	switch s.outcome {
	case results.SearchFound:
		return fmt.Sprintf("%s kept the objective, and %s did not: %s", perSecond(s.kept), perSecond(s.broken), last)
	case results.SearchBeyond:
		return fmt.Sprintf("every rate up to %s kept the objective: the capacity is at least that; raise workload.find.to", perSecond(s.to))
	case results.SearchBelow:
		return fmt.Sprintf("not even %s, the lowest rate of the search, kept the objective: %s; lower workload.find.from", perSecond(s.from), last)
	case results.SearchHarness:
		if s.kept == 0 {
			return fmt.Sprintf("the harness could not offer even %s: %s; nothing is known of the origin", perSecond(s.at), last)
		}
		return fmt.Sprintf("the harness was the limit at %s, not the origin (%s): the capacity is at least %s", perSecond(s.at), last, perSecond(s.kept))
	}
	return "the run ended before the search did"
}

// perSecond is a rate as reports show it, three digits and more.
func perSecond(rate float64) string {
	if rate < 100 {
		return fmt.Sprintf("%.3g/s", rate)
	}
	return fmt.Sprintf("%.0f/s", rate)
}
