package results

import (
	"bytes"
	"strings"
	"testing"
)

func TestGradeOf(t *testing.T) {
	for _, test := range []struct {
		reach    Reach
		measured string
		want     Grade
	}{
		{ReachAnyone, VerdictBypassed, GradeCritical},
		{ReachHolder, VerdictBypassed, GradeHigh},
		{ReachImpostor, VerdictBypassed, GradeMedium},
		{ReachAnyone, VerdictLeaked, GradeHigh},
		{ReachHolder, VerdictLagged, GradeMedium},
		{ReachAnyone, VerdictCostly, GradeMedium},
		{ReachHolder, VerdictCostly, GradeLow},
		{ReachImpostor, VerdictCostly, GradeLow},
		{Reach(-1), VerdictBypassed, GradeCritical},
		{Reach(9), VerdictBypassed, GradeMedium},
	} {
		if got := GradeOf(test.reach, test.measured); got != test.want {
			t.Errorf("GradeOf(%d, %s) = %s, want %s", test.reach, test.measured, got, test.want)
		}
	}
	for i, s := range severities[:len(severities)-1] {
		if next := severities[i+1]; Graver(s, next) >= 0 || s.Score() <= next.Score() {
			t.Errorf("%s is no graver than %s", s, next)
		}
	}
	if Graver("other", GradeLow) <= 0 {
		t.Error("a severity that nobody knows is graver than low")
	}
}

func TestOpen(t *testing.T) {
	open := BypassRow{Predicted: VerdictBlocked, Measured: VerdictBypassed}
	for name, test := range map[string]struct {
		change func(*BypassRow)
		want   bool
	}{
		"bypassed":    {func(*BypassRow) {}, true},
		"leaked":      {func(b *BypassRow) { b.Measured = VerdictLeaked }, true},
		"lagged":      {func(b *BypassRow) { b.Measured = VerdictLagged }, true},
		"costly":      {func(b *BypassRow) { b.Measured = VerdictCostly }, true},
		"control":     {func(b *BypassRow) { b.Mistake = "no-pin" }, false},
		"by design":   {func(b *BypassRow) { b.Predicted = VerdictBypassed }, false},
		"edge denied": {func(b *BypassRow) { b.Measured = VerdictDenied }, false},
		"not run":     {func(b *BypassRow) { b.Measured = VerdictNotRun }, false},
		"skipped":     {func(b *BypassRow) { b.Skipped = "no server" }, false},
	} {
		b := open
		if test.change(&b); b.Open() != test.want {
			t.Errorf("%s: open is %t", name, b.Open())
		}
	}
}

// withFinding is a document with one finding and one control.
func withFinding() *Result {
	b := BypassRow{
		Case: "C09", Title: "another name's certificate", Strategy: "mtls", Server: "builtin", TLS: "1.3", Protocol: "h1",
		Predicted: VerdictBlocked, Measured: VerdictBypassed,
	}
	return &Result{
		Schema: SchemaName, Scenario: Scenario{Name: "x", Digest: "d"}, Bypass: []BypassRow{b},
		Findings: []Finding{{
			ID: FindingID("C09", "mtls", "builtin", "no-pin"), Severity: GradeHigh, Title: b.Title, Case: b.Case, Strategy: b.Strategy,
			Server: b.Server, Mistake: "no-pin", Capability: "has another certificate", Measured: b.Measured, Rows: []string{"h1 TLS 1.3"},
			Evidence: Evidence{Row: "h1 TLS 1.3", Status: 200, Answer: "HTTP/1.1 200 OK"}, Fix: "pin the edge's name",
		}},
		Controls: []Control{{Server: "builtin", Strategy: "mtls", Mistake: "no-pin", Title: "pins nothing", Fix: "pin", Cases: []string{"C09"}}},
	}
}

func TestFindingsSurviveARoundTrip(t *testing.T) {
	r := withFinding()
	var out bytes.Buffer
	if err := Encode(&out, r); err != nil {
		t.Fatal(err)
	}
	if err := validates(t, compiled(t), out.Bytes()); err != nil {
		t.Error(err)
	}
	again, err := Decode(&out)
	if err != nil {
		t.Fatal(err)
	}
	f := again.Finding(&again.Bypass[0])
	if f == nil || f.ID != "C09/mtls/builtin/no-pin" || f.Evidence != r.Findings[0].Evidence || len(again.Controls) != 1 {
		t.Errorf("finding %+v, controls %+v", f, again.Controls)
	}
	again.Bypass[0].TLS = "1.2"
	if f := again.Finding(&again.Bypass[0]); f != nil {
		t.Errorf("a row that shows it not has %+v", f)
	}
}

func TestFindingsAreChecked(t *testing.T) {
	for want, change := range map[string]func(*Result){
		"is taken":              func(r *Result) { r.Findings = append(r.Findings, r.Findings[0]) },
		"is not that of case":   func(r *Result) { r.Findings[0].ID = "other" },
		"evidence of 1025":      func(r *Result) { r.Findings[0].Evidence.Answer = strings.Repeat("x", MaxEvidence+1) },
		"holds a private key":   func(r *Result) { r.Findings[0].Evidence.Audit = "-----BEGIN EC PRIVATE KEY-----" },
		"evidence of 1026 byte": func(r *Result) { r.Findings[0].Evidence.Peer = strings.Repeat("x", MaxEvidence+2) },
	} {
		r := withFinding()
		change(r)
		if err := Validate(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
	if id := FindingID("E01", "cloudfront", "edge", ""); id != "E01/cloudfront/edge/unexplained" {
		t.Error(id)
	}
}
