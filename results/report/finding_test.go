package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/originpull/originpull/results"
)

// holed is the failed vector with what today's runs say of its hole.
func holed(t *testing.T) *results.Result {
	t.Helper()
	r := document(t, "failed")
	at := slices.IndexFunc(r.Bypass, func(b results.BypassRow) bool { return b.Open() })
	if at < 0 {
		t.Fatal("the vector has no hole")
	}
	b := &r.Bypass[at]
	r.Findings = []results.Finding{{
		ID: results.FindingID(b.Case, b.Strategy, b.Server, "no-pin"), Severity: results.GradeHigh, Title: b.Title,
		Experiment: b.Experiment, Case: b.Case, Strategy: b.Strategy, Server: b.Server, Mistake: "no-pin", Capability: "has another certificate",
		Measured: b.Measured, Rows: []string{b.Way()}, Fix: "ssl_client_s_dn is compared;", Reference: "RFC 5280",
		Evidence: results.Evidence{
			Row: b.Way(), Step: "wrong name", Status: 200, Answer: "HTTP/1.1 200 OK", Audit: `{"verdict":"allowed"}`,
			TLS: "1.3", Cipher: "TLS_AES_128_GCM_SHA256", Group: "x25519", Shown: "CN=attacker sha256:00", Peer: "CN=server sha256:11",
		},
	}}
	r.Controls = []results.Control{{Server: "builtin", Strategy: "mtls", Mistake: "no-pin", Title: "pins nothing", Fix: "pin the name", Cases: []string{"C09"}}}
	return r
}

// TestFindingsAreShown: each format says what was got, how to put it right and
// what the evidence is.
func TestFindingsAreShown(t *testing.T) {
	r := holed(t)
	for format, texts := range map[string][]string{
		"table":    {"1 finding", "HIGH", "fix: ssl_client_s_dn is compared;", "no-pin (mtls) pins nothing: pin the name"},
		"markdown": {"### Findings", "**HIGH**", "fix on builtin: ssl\\_client\\_s\\_dn is compared;", "status: 200", "reference: RFC 5280", "pins nothing"},
		"junit": {
			"finding: C09/mtls/builtin/no-pin", "severity: high", "first bytes: HTTP/1.1 200 OK", "origin&#39;s log:",
			"handshake: TLS 1.3, TLS_AES_128_GCM_SHA256, x25519, full", "<system-out>1 bypassed in",
		},
		"sarif": {
			`"finding": "C09/mtls/builtin/no-pin"`, `"security-severity": "8.0"`, `"severity": "high"`, `"upperBound"`, `"confidence": 0.95`,
			"Fix on builtin, under mtls: ssl_client_s_dn is compared;", "Reference: RFC 5280.",
		},
	} {
		text := render(t, format, r, Options{})
		if format == "table" { // it breaks lines
			text = strings.Join(strings.Fields(text), " ")
		}
		for _, want := range texts {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q", format, want)
			}
		}
	}
	table := render(t, "table", r, Options{})
	if strings.Index(table, "1 finding") > strings.Index(table, "1. ") {
		t.Error("the findings do not come first")
	}
}

// TestSARIFWithFindingsIsValid holds what findings add against the official
// schema, and the fingerprints against those of a document without them.
func TestSARIFWithFindingsIsValid(t *testing.T) {
	r := holed(t)
	validSARIF(t, "with findings", r)
	run, before := sarifOf(t, r), sarifOf(t, document(t, "failed"))
	if len(run.Results) != len(before.Results) {
		t.Fatalf("%d results, without findings %d", len(run.Results), len(before.Results))
	}
	shown := 0
	for i, x := range run.Results {
		if x.Fingerprints[fingerprintKey] != before.Results[i].Fingerprints[fingerprintKey] {
			t.Errorf("the fingerprint of %s changed", x.RuleID)
		}
		if x.Properties != nil {
			shown++
			if x.Properties.Evidence.Answer != "HTTP/1.1 200 OK" {
				t.Errorf("evidence %+v", x.Properties.Evidence)
			}
		}
	}
	if shown != 1 {
		t.Errorf("%d results with a finding", shown)
	}
	through, attempts := results.Bypassed(pointers(r.Bypass))
	if p := run.Properties; p == nil || p.Attempts != attempts || p.Bypassed != through || p.Bound != results.UpperBound(through, attempts) {
		t.Errorf("bound %+v of %d in %d", p, through, attempts)
	}
}

// TestManyFindings: a terminal and a job summary get no endless list.
func TestManyFindings(t *testing.T) {
	r := holed(t)
	for i := range 70 {
		f := r.Findings[0]
		f.Server = fmt.Sprintf("server%d", i)
		r.Findings = append(r.Findings, f)
	}
	if table := render(t, "table", r, Options{}); !strings.Contains(table, "… and 51 more") || strings.Contains(table, "(server30)") {
		t.Error("the table lists them all")
	}
	if text := render(t, "markdown", r, Options{}); !strings.Contains(text, "… and 21 more.") {
		t.Error("the summary lists them all")
	}
}
