package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/originpull/originpull/results"
)

func gateReport() *results.GateReport {
	cpu, _ := results.DefaultRule(results.MetricHandshakeOrigin)
	latency, _ := results.DefaultRule("latency.p50")
	g := &results.GateReport{
		Schema: results.GateSchemaName, Scenario: results.Scenario{Name: "nightly"}, Base: "main", Head: "HEAD", Elapsed: 61, Trials: 40,
		Judgements: []results.Judgement{
			{Name: "hs", Rule: cpu, Verdict: results.Regression, Estimate: results.Estimate{Ratio: 1.05, Low: 1.04, High: 1.06, N: 20}, Reason: "worse | again"},
			{Name: "hs", Rule: latency, Verdict: results.Regression, Estimate: results.Estimate{Ratio: 1.2, N: 1}, Reason: "slower"},
			{Name: "hs ÷ other", Rule: cpu, Verdict: results.GatePassed, Estimate: results.Estimate{Ratio: 1, N: 20}},
		},
		Exact: []results.ExactJudgement{
			{Name: "hs", What: "handshake.rtts", Verdict: results.GatePassed, Severity: results.Blocks, Reason: "the same"},
			{Name: "hs", What: "group", Verdict: results.Regression, Severity: results.Reports, Reason: "was a, is b"},
		},
	}
	g.Conclude()
	return g
}

func TestRenderGate(t *testing.T) {
	for format, want := range map[string][]string{
		"table": {
			"handshake.cpu.origin  +5.0 % [+4.0 – +6.0]  1.0 %   5.0 %      REGRESSION\n", "latency.p50           +20.0 %               1.0 %   10.0 %     REGRESSION (reported only)\n",
			"changed     hs: group was a, is b (reported only)\n", "same        1 comparison\n", "  1 within the tolerance, 0 not settled", "\nREGRESSION: handshake.cpu.origin of hs (+5.0 % [+4.0 – +6.0]) is worse than the margin, and again on fresh trials",
		},
		"markdown": {"## ❌ originpull gate nightly: REGRESSION\n", "| hs | handshake.cpu.origin | +5.0 % \\[+4.0 – +6.0\\] | 5.0 % | REGRESSION | worse \\| again |\n", "1 of 2 exact comparisons are the same."},
		"json":     {`"schema": "originpull.gate/v1"`, `"verdict": "REGRESSION"`},
		"junit":    {`tests="5" failures="1" errors="0" skipped="2"`},
	} {
		var out bytes.Buffer
		if err := RenderGate(&out, format, gateReport(), Options{}); err != nil {
			t.Fatal(err)
		}
		for _, text := range want {
			if !strings.Contains(out.String(), text) {
				t.Errorf("%s does not say %q:\n%s", format, text, out.String())
			}
		}
	}
	if len(GateFormats()) != len(gateFormats) {
		t.Error("a format is not listed")
	}
	if err := RenderGate(&bytes.Buffer{}, "tabel", gateReport(), Options{}); err == nil || !strings.Contains(err.Error(), "use one of json, junit, markdown, table") {
		t.Errorf("error %v", err)
	}
	if err := RenderGate(closed{}, "json", gateReport(), Options{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v, want the writer's own", err)
	}
}

// JUnit is red exactly where the gate is: what a noisy machine says of times
// is skipped.
func TestGateJUnitOfANoisyMachine(t *testing.T) {
	g := gateReport()
	g.Noise = []string{"the hypervisor took 40 %"}
	g.Conclude()
	var out bytes.Buffer
	if err := RenderGate(&out, "junit", g, Options{}); err != nil {
		t.Fatal(err)
	}
	var all junitSuites
	if err := xml.Unmarshal(out.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	if g.Verdict != results.Undecided || all.Failures != 0 || all.Skipped != 4 {
		t.Errorf("%s with %d failures and %d skipped", g.Verdict, all.Failures, all.Skipped)
	}
}

func TestRenderInstructions(t *testing.T) {
	g := &results.GateReport{Schema: results.GateSchemaName, Scenario: results.Scenario{Name: "nightly"}, Base: "main", Head: "HEAD"}
	g.Instructions = []results.InstructionJudgement{
		results.JudgeInstructions("hs", "handshake", 7_740_176, 7_817_600),
		results.JudgeInstructions("pool", "request", 89_600, 89_700),
	}
	g.Conclude()
	for format, want := range map[string][]string{
		"table":    {"hs    handshake  7740.2  7817.6  +1.00 %            REGRESSION\n", "request    89.6    89.7    +0.11 %            PASS", "Not seen: the kernel", "REGRESSION: more instructions"},
		"markdown": {"| pool | request | 89.6 | 89.7 | +0.11 % | PASS | the same within 0.5 % |", "Not seen: the kernel"},
		"junit":    {`tests="2" failures="1" errors="0" skipped="0"`},
	} {
		var out bytes.Buffer
		if err := RenderGate(&out, format, g, Options{}); err != nil {
			t.Fatal(err)
		}
		for _, text := range want {
			if !strings.Contains(out.String(), text) {
				t.Errorf("%s does not say %q:\n%s", format, text, out.String())
			}
		}
	}
}

// Whatever a file says that is read as a gate, printing it never panics.
func FuzzGate(f *testing.F) {
	var seed bytes.Buffer
	if err := RenderGate(&seed, "json", gateReport(), Options{}); err != nil {
		f.Fatal(err)
	}
	f.Add(seed.String())
	f.Add(`{"schema": "originpull.gate/v1", "judgements": [{"rule": {"metric": ""}, "estimate": {"ratio": -1, "n": 3}}], "exact": [{}], "instructions": [{"ratio": 1e300}]}`)
	f.Add(`{"schema": "originpull.gate/v1", "scenario": {"name": "<|\u0000"}, "noise": ["\n"]}`)
	f.Fuzz(func(t *testing.T, text string) {
		g, err := results.DecodeGate(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, format := range GateFormats() {
			var out bytes.Buffer
			if err := RenderGate(&out, format, g, Options{}); err == nil && out.Len() == 0 {
				t.Errorf("%s printed nothing", format)
			}
		}
	})
}
