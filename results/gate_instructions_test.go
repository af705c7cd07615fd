package results

import (
	"math"
	"strings"
	"testing"
)

func TestJudgeInstructions(t *testing.T) {
	for _, c := range []struct {
		base, head, again float64 // again is the head of a second count
		first, then       Verdict
	}{
		{1000, 1004, 0, GatePassed, GatePassed},
		{1000, 996, 0, GatePassed, GatePassed},
		{1000, 990, 0, Improvement, Improvement},
		{1000, 1010, 1009, Regression, Regression},
		{1000, 1010, 1001, Regression, Undecided},
		{1000, 1010, 0, Regression, Undecided},
		{0, 1000, 0, Undecided, Undecided},
		{1000, math.Inf(1), 0, Undecided, Undecided},
	} {
		j := JudgeInstructions("a", "handshake", c.base, c.head)
		if j.Verdict != c.first {
			t.Errorf("%v, then %v: %s, want %s", c.base, c.head, j.Verdict, c.first)
		}
		if j = j.Repeated(JudgeInstructions("a", "handshake", c.base, c.again)); j.Verdict != c.then {
			t.Errorf("%v, then %v and %v: %s, want %s", c.base, c.head, c.again, j.Verdict, c.then)
		}
	}
	for want, judged := range map[Verdict][]Verdict{
		Regression: {GatePassed, Regression, Undecided}, Undecided: {Undecided, Improvement}, Improvement: {GatePassed, Improvement}, GatePassed: {GatePassed},
	} {
		g := GateReport{Noise: []string{"a neighbour"}}
		for _, v := range judged {
			g.Instructions = append(g.Instructions, InstructionJudgement{Verdict: v})
		}
		if g.Conclude(); g.Verdict != want || g.Why == "" {
			t.Errorf("%v: %s, want %s whatever the noise", judged, g.Verdict, want)
		}
	}
}

func TestDecodeGate(t *testing.T) {
	if _, err := DecodeGate(strings.NewReader(`{"schema": "originpull.results/v1"}`)); err == nil || !strings.Contains(err.Error(), `its schema is "originpull.results/v1"`) {
		t.Errorf("a result as a gate: %v", err)
	}
	if _, err := DecodeGate(strings.NewReader(`{"schema": "originpull.ga`)); err == nil {
		t.Error("a truncated gate was read")
	}
	if g, err := DecodeGate(strings.NewReader(`{"schema": "originpull.gate/v1", "verdict": "PASS", "new": 1}`)); err != nil || g.Verdict != GatePassed {
		t.Errorf("%+v, %v", g, err)
	}
}
