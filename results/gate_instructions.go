package results

import (
	"fmt"
	"math"
)

// InstructionTolerance is by which share counted instructions may differ:
// signatures do, and the state of the heap, and the same build counted twice came
// within 0.3 %.
const InstructionTolerance = 0.005

// InstructionJudgement is what a gate says about counted instructions.
type InstructionJudgement struct {
	Name    string  `json:"name"`  // of the arm
	What    string  `json:"what"`  // of which one is counted: handshake or request
	Base    float64 `json:"base"`  // instructions of one, both ends together
	Head    float64 `json:"head"`  // likewise
	Ratio   float64 `json:"ratio"` // head ÷ base; 0 where nothing was counted
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason"`
	Seconds float64 `json:"seconds,omitempty"` // that the first count took, of both sides
}

// JudgeInstructions compares two counts. A regression waits for Repeated.
func JudgeInstructions(name, what string, base, head float64) InstructionJudgement {
	j := InstructionJudgement{Name: name, What: what, Base: base, Head: head, Verdict: Undecided, Reason: "nothing was counted"}
	if !(base > 0) || !(head > 0) || math.IsInf(base, 0) || math.IsInf(head, 0) {
		return j
	}
	j.Ratio = head / base
	switch {
	case j.Ratio > 1+InstructionTolerance:
		j.Verdict, j.Reason = Regression, fmt.Sprintf("more by over %s", share(InstructionTolerance))
	case j.Ratio < 1-InstructionTolerance:
		j.Verdict, j.Reason = Improvement, fmt.Sprintf("fewer by over %s", share(InstructionTolerance))
	default:
		j.Verdict, j.Reason = GatePassed, fmt.Sprintf("the same within %s", share(InstructionTolerance))
	}
	return j
}

// Repeated settles a regression with a second count of both sides: only what
// is more there too is one.
func (j InstructionJudgement) Repeated(again InstructionJudgement) InstructionJudgement {
	if j.Verdict != Regression {
		return j
	}
	if again.Verdict == Regression {
		j.Reason += fmt.Sprintf(", and again in a second count (%+.2f %%)", 100*(again.Ratio-1))
		return j
	}
	j.Verdict, j.Reason = Undecided, j.Reason+fmt.Sprintf(", but a second count does not show it (%+.2f %%)", 100*(again.Ratio-1))
	return j
}

// instructionVerdict is what several come to, the gravest of them.
func instructionVerdict(judged []InstructionJudgement) Verdict {
	worst := GatePassed
	for _, j := range judged {
		switch {
		case j.Verdict == Regression, j.Verdict == Undecided && worst != Regression, j.Verdict == Improvement && worst == GatePassed:
			worst = j.Verdict
		}
	}
	return worst
}
