package sim

import (
	"slices"
	"testing"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/sim/bypass"
)

func TestAddFindings(t *testing.T) {
	hole := func(id, strategy, server, tls string) bypass.Row {
		return bypass.Row{
			Case: id, Title: "title", Strategy: strategy, Server: server, TLS: tls, Protocol: "h1", Predicted: bypass.Blocked, Measured: bypass.Bypassed, Status: 200,
			Evidence: &bypass.Evidence{Step: "step", Status: 200, Answer: "HTTP/1.1 200 OK", TLS: tls},
		}
	}
	control := func(id, strategy, server, mistake string) bypass.Row {
		return bypass.Row{
			Case: id, Strategy: strategy, Server: server, TLS: "1.3", Protocol: "h1", Mistake: mistake,
			Predicted: bypass.Bypassed, Measured: bypass.Bypassed, OK: true,
		}
	}
	skipped := hole("C09", "mtls", "haproxy", "1.3")
	skipped.Skipped = "not installed"
	r := &results.Result{}
	addFindings(r, "first", []bypass.Row{
		hole("C09", "mtls", "nginx", "1.2"), hole("C09", "mtls", "nginx", "1.3"), control("C09", "mtls", "nginx", "no-pin"), skipped,
		hole("A01", "allowlist", "builtin", "1.3"), control("A01", "allowlist", "builtin", "open-allowlist"), control("A01", "allowlist", "builtin", "answer-before-allowlist"),
		hole("C22", "header+mtls", "builtin", "1.3"), control("C22", "header+mtls", "builtin", "(none alone)"),
		hole("E01", "cloudfront", "edge", "1.3"), control("E01", "edge", "builtin", "accept-any-origin-certificate"),
	})
	again := hole("C09", "mtls", "nginx", "1.3")
	again.Protocol = "h2"
	addFindings(r, "second", []bypass.Row{again, hole("C09", "mtls", "nginx", "1.3"), control("C09", "mtls", "nginx", "no-pin")})
	nginx, _ := origin.DriverNamed("nginx")
	pin, _ := origin.MistakeNamed("no-pin")
	open, _ := origin.MistakeNamed("open-allowlist")
	want := []struct {
		id       string
		severity results.Grade
		fix      string
		rows     []string
	}{
		{"A01/allowlist/builtin/open-allowlist", results.GradeCritical, open.Fix, []string{"h1 TLS 1.3"}},
		{"C09/mtls/nginx/no-pin", results.GradeHigh, nginx.Fix(pin), []string{"h1 TLS 1.2", "h1 TLS 1.3", "h2 TLS 1.3"}},
		{"C22/header+mtls/builtin/unexplained", results.GradeHigh, "", []string{"h1 TLS 1.3"}},
		{"E01/cloudfront/edge/accept-any-origin-certificate", results.GradeMedium, "", []string{"h1 TLS 1.3"}},
	}
	if len(r.Findings) != len(want) {
		t.Fatalf("findings %+v", r.Findings)
	}
	for i, w := range want {
		f := r.Findings[i]
		if f.ID != w.id || f.Severity != w.severity || f.Fix == "" || w.fix != "" && f.Fix != w.fix || !slices.Equal(f.Rows, w.rows) {
			t.Errorf("finding %d is %+v, want %+v", i, f, w)
		}
		if f.Experiment != "first" || f.Reference == "" || f.Capability == "" || f.Evidence.Answer == "" || f.Evidence.Row != f.Rows[0] {
			t.Errorf("finding %d is %+v", i, f)
		}
	}
	var controls []string
	for _, c := range r.Controls {
		controls = append(controls, c.Server+" "+c.Strategy+" "+c.Mistake)
		if c.Fix == "" || c.Title == "" || len(c.Cases) != 1 {
			t.Errorf("control %+v", c)
		}
	}
	if !slices.Equal(controls, []string{
		"nginx mtls no-pin", "builtin allowlist open-allowlist", "builtin allowlist answer-before-allowlist", "builtin edge accept-any-origin-certificate",
	}) {
		t.Errorf("controls %q", controls)
	}
}

// TestEveryCaseHasAReach: a severity needs to know who can make the attempt.
func TestEveryCaseHasAReach(t *testing.T) {
	for _, a := range bypass.Attempts() {
		if a.Capability == "" || a.Reference == "" {
			t.Errorf("%s: capability %q, reference %q", a.ID, a.Capability, a.Reference)
		}
	}
	for capability, want := range map[bypass.Capability]results.Reach{
		bypass.KnowsAddress: results.ReachAnyone, bypass.OtherTenant: results.ReachAnyone,
		bypass.OtherCertificate: results.ReachHolder, bypass.LeakedSecret: results.ReachHolder,
		bypass.StolenKey: results.ReachImpostor, bypass.ControlsOrigin: results.ReachImpostor,
	} {
		if got := reach(capability); got != want {
			t.Errorf("%s: %d, want %d", capability, got, want)
		}
	}
}
