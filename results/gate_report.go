package results

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
)

// GateSchemaName is what the field "schema" of a gate's document says.
const GateSchemaName = "originpull.gate/v1"

// GateReport is one gate: what was compared, how, and what came of it.
type GateReport struct {
	Schema     string           `json:"schema"` // GateSchemaName
	Scenario   Scenario         `json:"scenario"`
	Base       string           `json:"base"` // in words
	Head       string           `json:"head"`
	Started    time.Time        `json:"started"`
	Elapsed    float64          `json:"elapsed"` // seconds
	Trials     int              `json:"trials"`  // of both sides together in turn, those of repetitions included
	Verdict    Verdict          `json:"verdict"`
	Why        string           `json:"why"`
	Judgements []Judgement      `json:"judgements"`
	Exact      []ExactJudgement `json:"exact"`
	// Instructions are there when they were asked for, and alone then.
	Instructions []InstructionJudgement `json:"instructions,omitempty"`
	Noise        []string               `json:"noise,omitempty"` // why the machine was too noisy to be believed
	Environment  map[string]string      `json:"environment"`
}

// DecodeGate reads a gate's document. The error says what it is instead.
func DecodeGate(r io.Reader) (*GateReport, error) {
	var g GateReport
	if err := json.NewDecoder(r).Decode(&g); err != nil {
		return nil, fmt.Errorf("reading a gate: %w", err)
	}
	if g.Schema != GateSchemaName {
		return nil, fmt.Errorf("reading a gate: its schema is %q, want %q", g.Schema, GateSchemaName)
	}
	return &g, nil
}

// Conclude sets Verdict and Why. Something exact that changed fails a gate on
// any machine; a timed verdict needs one that was quiet enough, and too much
// noise makes it INCONCLUSIVE, whatever the figures say.
func (g *GateReport) Conclude() {
	timed := GateVerdict(g.Judgements)
	switch {
	case slices.ContainsFunc(g.Exact, func(j ExactJudgement) bool { return j.Fails() }):
		g.Verdict, g.Why = Regression, "something that is compared exactly changed, and no more trials would undo that"
	case len(g.Instructions) > 0:
		g.Verdict = instructionVerdict(g.Instructions)
		g.Why = map[Verdict]string{
			Regression:  "more instructions are executed, and again in a second count",
			Undecided:   "a count of instructions is not settled",
			Improvement: "fewer instructions are executed, and nowhere more",
			GatePassed:  "as many instructions are executed; time in the kernel, in locks and in waiting was not looked at",
		}[g.Verdict]
	case len(g.Judgements) == 0 && len(g.Exact) == 0:
		g.Verdict, g.Why = Undecided, "nothing was compared"
	case len(g.Judgements) == 0:
		g.Verdict, g.Why = GatePassed, "everything exact is the same; nothing timed was compared"
	case len(g.Noise) > 0:
		g.Verdict, g.Why = Undecided, "the machine was too noisy: "+g.Noise[0]
	default:
		g.Verdict, g.Why = timed, map[Verdict]string{
			Regression:  "a metric that blocks is worse than its margin, and again on fresh trials",
			Undecided:   "a metric that blocks is neither shown to be worse nor to be within its tolerance",
			Improvement: "nothing is worse, and something is better by more than its margin",
			GatePassed:  "every metric that blocks is within its tolerance",
		}[timed]
	}
}
