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
	case !slices.ContainsFunc(g.Judgements, func(j Judgement) bool { return j.Rule.Severity == Blocks }):
		g.Verdict, g.Why = Undecided, "nothing that was timed can block"
	case len(g.Noise) > 0:
		g.Verdict, g.Why = Undecided, "the machine was too noisy: "+g.Noise[0]
	default:
		g.Verdict, g.Why = timed, map[Verdict]string{
			Regression:  g.worst(Regression) + " worse than the margin, and again on fresh trials",
			Undecided:   g.worst(Undecided) + " neither shown to be worse than the margin nor to be within the tolerance",
			Improvement: "nothing is worse, and something is better by more than its margin",
			GatePassed:  "every metric that blocks is within its tolerance",
		}[timed]
	}
}

// worst names the metric that blocks, has this verdict and looks worst, with
// its interval, and says of how many more the same holds.
func (g *GateReport) worst(v Verdict) string {
	var worst *Judgement
	others := -1
	for i := range g.Judgements {
		j := &g.Judgements[i]
		if j.Rule.Severity != Blocks || j.Verdict != v {
			continue
		}
		others++
		if worst == nil || j.Worse() > worst.Worse() {
			worst = j
		}
	}
	switch {
	case worst == nil:
		return ""
	case others == 0:
		return fmt.Sprintf("%s of %s (%s) is", worst.Rule.Metric, worst.Name, worst.Estimate.Change())
	case others == 1:
		return fmt.Sprintf("%s of %s (%s) and one more that blocks are", worst.Rule.Metric, worst.Name, worst.Estimate.Change())
	}
	return fmt.Sprintf("%s of %s (%s) and %d more that block are", worst.Rule.Metric, worst.Name, worst.Estimate.Change(), others)
}
