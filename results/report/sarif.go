package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/originpull/originpull/results"
)

func init() {
	register(format{
		Format: Format{Name: "sarif", Title: "SARIF 2.1.0: bypass rows that are not as predicted, at the scenario's line"},
		render: sarif,
	})
}

// The part of SARIF 2.1.0 (OASIS, §3) that code scanning reads.
type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool        sarifTool         `json:"tool"`
	Automation  sarifID           `json:"automationDetails"`
	Invocations []sarifInvocation `json:"invocations"`
	Results     []sarifResult     `json:"results"`
	Properties  *sarifBound       `json:"properties,omitempty"`
}

// sarifBound is what "so many bypassed in so many attempts" leaves open.
type sarifBound struct {
	Attempts   int     `json:"attempts"`
	Bypassed   int     `json:"bypassed"`
	Bound      float64 `json:"upperBound"` // of the rate, see results.UpperBound
	Confidence float64 `json:"confidence"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version,omitempty"`
	URI     string      `json:"informationUri"`
	Rules   []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID         string               `json:"id"`
	Short      sarifText            `json:"shortDescription"`
	Help       *sarifText           `json:"help,omitempty"`
	Properties *sarifRuleProperties `json:"properties,omitempty"`
}

// sarifRuleProperties are GitHub's own: the score orders alerts.
type sarifRuleProperties struct {
	Tags  []string `json:"tags"`
	Score string   `json:"security-severity"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifID struct {
	ID string `json:"id"`
}

type sarifInvocation struct {
	Successful bool `json:"executionSuccessful"`
}

type sarifResult struct {
	RuleID       string            `json:"ruleId"`
	RuleIndex    int               `json:"ruleIndex"`
	Level        string            `json:"level"`
	Message      sarifText         `json:"message"`
	Locations    []sarifLocation   `json:"locations"`
	Fingerprints map[string]string `json:"partialFingerprints"`
	Properties   *sarifFinding     `json:"properties,omitempty"`
}

// sarifFinding is the part of a finding that a message has no room for.
type sarifFinding struct {
	ID        string            `json:"finding"`
	Severity  results.Grade     `json:"severity"`
	Mistake   string            `json:"mistake,omitempty"`
	Fix       string            `json:"fix"`
	Reference string            `json:"reference,omitempty"`
	Evidence  *results.Evidence `json:"evidence"`
}

type sarifLocation struct {
	Physical sarifPhysical `json:"physicalLocation"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   sarifRegion   `json:"region"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

const (
	sarifSchema = "https://json.schemastore.org/sarif-2.1.0.json"
	projectURI  = "https://github.com/originpull/originpull"

	// fingerprintKey names what a fingerprint is made of. Another making needs
	// another number, or every alert that is open would be opened again.
	fingerprintKey = "originpullRow/v1"
)

func sarif(out *bytes.Buffer, r *results.Result, _ Options) error {
	run := sarifRun{
		Tool:        sarifTool{Driver: sarifDriver{Name: "originpull", Version: r.Build[results.BuildVersion], URI: projectURI, Rules: []sarifRule{}}},
		Automation:  sarifID{ID: "originpull/" + r.Scenario.Name + "/"},
		Invocations: []sarifInvocation{{Successful: r.Complete}},
		Results:     []sarifResult{},
	}
	index := map[string]int{}
	for i := range r.Bypass {
		b := &r.Bypass[i]
		if rowOutcome(b) != rowUnexpected {
			continue
		}
		at, known := index[b.Case]
		if !known {
			at = len(run.Tool.Driver.Rules)
			index[b.Case] = at
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRuleOf(r, b))
		}
		result := sarifResult{
			RuleID: b.Case, RuleIndex: at, Level: rowLevel(b),
			Message:      sarifText{Text: rowName(b) + ": " + rowText(r, b)},
			Locations:    []sarifLocation{{Physical: scenarioPlace(r, b.Experiment)}},
			Fingerprints: map[string]string{fingerprintKey: fingerprint(r, b)},
		}
		if f := r.Finding(b); f != nil {
			result.Properties = &sarifFinding{
				ID: f.ID, Severity: f.Severity, Mistake: f.Mistake, Fix: f.Fix, Reference: f.Reference, Evidence: &f.Evidence,
			}
		}
		run.Results = append(run.Results, result)
	}
	if through, attempts := results.Bypassed(pointers(r.Bypass)); attempts > 0 {
		run.Properties = &sarifBound{
			Attempts: attempts, Bypassed: through, Bound: results.UpperBound(through, attempts), Confidence: results.BoundConfidence,
		}
	}
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}}); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

// sarifRuleOf is the rule of the row's case. Its score is that of the gravest of
// the case's findings, its help what to do about each.
func sarifRuleOf(r *results.Result, b *results.BypassRow) sarifRule {
	rule := sarifRule{ID: b.Case, Short: sarifText{Text: b.Title}}
	var help []string
	add := func(line string) {
		if !slices.Contains(help, line) {
			help = append(help, line)
		}
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Case != b.Case {
			continue
		}
		if rule.Properties == nil { // findings begin with the gravest
			rule.Properties = &sarifRuleProperties{Tags: []string{"security"}, Score: f.Severity.Score()}
			add(f.Title + ": open to an attacker who " + f.Capability + ".")
			if f.Reference != "" {
				add("Reference: " + f.Reference + ".")
			}
		}
		add(fmt.Sprintf("Fix on %s, under %s: %s", f.Server, f.Strategy, f.Fix))
	}
	if len(help) > 0 {
		rule.Help = &sarifText{Text: strings.Join(help, "\n")}
	}
	return rule
}

// rowLevel is an error where someone who must not pull did, or the edge could
// not, and a warning where a row proves nothing.
func rowLevel(b *results.BypassRow) string {
	if b.Mistake != "" || b.Measured == results.VerdictNotRun {
		return "warning"
	}
	return "error"
}

// scenarioPlace is where the experiment stands in the scenario. A result
// of an older build does not name its file: the scenario's name stands for it.
func scenarioPlace(r *results.Result, experiment string) sarifPhysical {
	file, line := r.Scenario.File, 1
	if file == "" {
		file = r.Scenario.Name + ".yaml"
	}
	if x, found := r.Experiment(experiment); found && x.Line > 0 {
		line = x.Line
	}
	return sarifPhysical{Artifact: sarifArtifact{URI: file}, Region: sarifRegion{StartLine: line}}
}

// fingerprint is of what a row is, never of how it came out or where the
// scenario says it: an alert stays the same one while its file is edited.
func fingerprint(r *results.Result, b *results.BypassRow) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{
		r.Scenario.Name, b.Experiment, b.Case, b.Strategy, b.Server, b.Mistake, b.TLS, b.Protocol,
	}, "\x00")))
	return hex.EncodeToString(sum[:16])
}
