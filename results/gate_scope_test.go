package results

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestParseGateRule(t *testing.T) {
	for text, want := range map[GateRuleText]string{
		{Metric: "handshake.cpu.origin"}: "handshake.cpu.origin 0.01 0.05 lower block",
		{Metric: "handshake.cpu.origin{auth=mtls}", Margin: "2 %", Tolerance: "0.08", Severity: "report"}: "handshake.cpu.origin 0.02 0.08 lower report",
		{Metric: "latency.p99", Tolerance: "30%", Severity: "block"}:                                      "latency.p99 0.01 0.3 lower block",
		{Metric: "connect.count", Direction: "higher"}:                                                    "connect.count 0.01 0.05 higher block",
		{Metric: "handshake.rtts", Severity: "report"}:                                                    "handshake.rtts 0 0  report",
		{Metric: "handshake.cpu"}:                                                                         `unknown metric "handshake.cpu": did you mean`,
		{Metric: "latency.p50 < 3"}:                                                                       `nothing may follow the metric, found "<"`,
		{Metric: "latency.p50{"}:                                                                          "metric: want a key",
		{Metric: "latency.p50", Margin: "5%", Tolerance: "3%"}:                                            "the margin of 5 % is not below the tolerance of 3 %",
		{Metric: "latency.p50", Margin: "-1%"}:                                                            `margin is "-1%", want a share`,
		{Metric: "latency.p50", Tolerance: "NaN"}:                                                         `tolerance is "NaN", want a share`,
		{Metric: "latency.p50", Severity: "fatal"}:                                                        `severity is "fatal"`,
		{Metric: "handshake.rtts", Tolerance: "1%"}:                                                       "handshake.rtts is compared exactly and takes no margin",
		{Metric: "handshake.full"}:                                                                        `direction is "none"`,
		{Metric: "bypass.unexpected"}:                                                                     "bypass.unexpected needs no rule",
	} {
		s, err := ParseGateRule(text)
		got := fmt.Sprintf("%s %v %v %s %s", s.Rule.Metric, s.Rule.Margin, s.Rule.Tolerance, s.Rule.Better, s.Rule.Severity)
		if err != nil {
			got = err.Error()
		}
		if got != want && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("%+v: %s, want %s", text, got, want)
		}
	}
}

func gateRules(t *testing.T, metrics ...string) []ScopedRule {
	t.Helper()
	var rules []ScopedRule
	for i, metric := range metrics {
		text := GateRuleText{Metric: metric}
		if !strings.HasPrefix(metric, "handshake.rtts") {
			text.Tolerance = fmt.Sprintf("%d%%", 10+i)
		} else {
			text.Severity = "report"
		}
		rule, err := ParseGateRule(text)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, rule)
	}
	return rules
}

func TestGateRulesOfArms(t *testing.T) {
	o := Outline{Arms: []ArmRef{
		{Name: "h/auth=mtls", Experiment: "h", Role: RoleArm, Axes: map[string]string{"auth": "mtls"}},
		{Name: "h/auth=server", Experiment: "h", Role: RoleArm, Axes: map[string]string{"auth": "server"}},
	}}
	rules := gateRules(t, "latency.p50{auth=mtls}", "latency.p50{arm='auth=server'}", "handshake.rtts{auth=mtls}")
	if err := errors.Join(CheckGateRules(rules, o)...); err != nil {
		t.Fatal(err)
	}
	mtls := &Arm{Name: "h/gate=head,auth=mtls", Experiment: "h", Role: RoleArm, Axes: map[string]string{"auth": "mtls", GateAxis: GateHead}}
	server := &Arm{Name: "h/gate=head,auth=server", Experiment: "h", Role: RoleArm, Axes: map[string]string{"auth": "server", GateAxis: GateHead}}
	of := RulesOf(rules)
	for want, got := range map[float64]func() (GateRule, bool){
		0.10: func() (GateRule, bool) { return of(mtls, "latency.p50") },
		0.11: func() (GateRule, bool) { return of(server, "latency.p50") },
		0.25: func() (GateRule, bool) { return of(server, "latency.p90") }, // no rule: the default
	} {
		if rule, has := got(); !has || rule.Tolerance != want {
			t.Errorf("tolerance %v, want %v", rule.Tolerance, want)
		}
	}
	if s := SeverityOf(rules); s(mtls, "handshake.rtts") != Reports || s(server, "handshake.rtts") != Blocks || s(mtls, "group") != Blocks {
		t.Error("a rule explains more or less than its own arm's metric")
	}
}

func TestGateRulesThatContradictEachOther(t *testing.T) {
	o := Outline{Arms: []ArmRef{{Name: "h/auth=mtls", Experiment: "h", Role: RoleArm, Axes: map[string]string{"auth": "mtls"}}}}
	problems := CheckGateRules(gateRules(t, "latency.p50", "latency.p90", "latency.p50{auth=mtls}", "latency.p99{auth=none}"), o)
	want := []string{"", "", "latency.p50 and latency.p50{auth=mtls} are two rules for latency.p50 of h/auth=mtls", "matches no arm: no arm has auth=none"}
	for i, err := range problems {
		if got := fmt.Sprint(err); (err == nil) != (want[i] == "") || err != nil && !strings.Contains(got, want[i]) {
			t.Errorf("%d: %s, want %q", i, got, want[i])
		}
	}
}

// Exact things: what changed is a regression unless it is explained, and
// signatures may be longer or shorter.
func TestGateExact(t *testing.T) {
	side := func(name string) Arm {
		return Arm{
			Name: "h/gate=" + name, Experiment: "h", Role: RoleArm, Axes: map[string]string{GateAxis: name},
			Labels: map[string]string{LabelGroup: "x25519"},
			Metrics: map[string]Value{
				MetricHandshakeRTTs: NewValue(MetricHandshakeRTTs, 1, 9), MetricBytesSent: NewValue(MetricBytesSent, 900, 9),
				"handshake.failed": NewValue("handshake.failed", 0, 9),
			},
		}
	}
	for name, test := range map[string]struct {
		change func(head *Arm)
		want   string
	}{
		"nothing":       {func(*Arm) {}, ""},
		"a round trip":  {func(a *Arm) { a.Metrics[MetricHandshakeRTTs] = NewValue(MetricHandshakeRTTs, 2, 9) }, "handshake.rtts was 1 rtt, is 2 rtt"},
		"one less":      {func(a *Arm) { a.Metrics[MetricHandshakeRTTs] = NewValue(MetricHandshakeRTTs, 0, 9) }, "handshake.rtts was 1 rtt, is 0 rtt"},
		"a signature":   {func(a *Arm) { a.Metrics[MetricBytesSent] = NewValue(MetricBytesSent, 900+DERSlack, 9) }, ""},
		"a byte more":   {func(a *Arm) { a.Metrics[MetricBytesSent] = NewValue(MetricBytesSent, 901+DERSlack, 9) }, "handshake.bytes.sent was 900 B, is 909 B"},
		"not measured":  {func(a *Arm) { delete(a.Metrics, MetricBytesSent) }, "handshake.bytes.sent was measured on one side only"},
		"another group": {func(a *Arm) { a.Labels[LabelGroup] = "p256" }, `group was "x25519", is "p256"`},
		"a failure":     {func(a *Arm) { a.Metrics["handshake.failed"] = NewValue("handshake.failed", 1, 9) }, "handshake.failed was 0, is 1"},
	} {
		base, head := side(GateBase), side(GateHead)
		test.change(&head)
		r := &Result{Complete: true, Arms: []Arm{base, head}}
		judged, err := r.GateExact(nil)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, j := range judged {
			if j.Fails() {
				got += j.What + " " + j.Reason
			}
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		if j, err := r.GateExact(func(*Arm, string) Severity { return Reports }); err != nil || j[0].Fails() {
			t.Errorf("%s: what is explained fails (%v)", name, err)
		}
	}
}

// What did not come to its end is never judged.
func TestGateRefusesAnIncompleteRun(t *testing.T) {
	arm := func(side string) Arm {
		return Arm{Name: "h/gate=" + side, Role: RoleArm, Axes: map[string]string{GateAxis: side}}
	}
	broken := arm(GateHead)
	broken.Error = "origin worker was killed"
	for want, r := range map[string]*Result{
		"the run is not complete":               {Arms: []Arm{arm(GateBase), arm(GateHead)}},
		"h/gate=head: origin worker was killed": {Complete: true, Arms: []Arm{arm(GateBase), broken}},
		"h has only one of base and head":       {Complete: true, Arms: []Arm{arm(GateBase)}},
		"no arm stands on both sides":           {Complete: true},
		"h was not run: nginx is not here":      {Complete: true, Experiments: []Experiment{{Name: "h", Skipped: "nginx is not here"}}},
		"there is nothing to judge":             {Complete: true, Arms: []Arm{arm(GateBase), arm(GateHead)}},
	} {
		if _, err := r.GateSamples(DefaultRules); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Every figure a gate's verdict rests on, and which of them weighs most.
func TestGateReportConclude(t *testing.T) {
	timed := func(v Verdict) []Judgement { return []Judgement{{Verdict: v, Rule: GateRule{Severity: Blocks}}} }
	exact := func(v Verdict, s Severity) []ExactJudgement { return []ExactJudgement{{Verdict: v, Severity: s}} }
	for i, test := range []struct {
		g    GateReport
		want Verdict
	}{
		{GateReport{}, Undecided},
		{GateReport{Exact: exact(GatePassed, Blocks)}, GatePassed},
		{GateReport{Judgements: timed(GatePassed)}, GatePassed},
		{GateReport{Judgements: timed(Regression)}, Regression},
		{GateReport{Judgements: timed(Regression), Noise: []string{"steal"}}, Undecided},
		{GateReport{Judgements: timed(GatePassed), Noise: []string{"steal"}}, Undecided},
		{GateReport{Judgements: timed(GatePassed), Noise: []string{"steal"}, Exact: exact(Regression, Blocks)}, Regression},
		{GateReport{Judgements: timed(GatePassed), Exact: exact(Regression, Reports)}, GatePassed},
	} {
		if test.g.Conclude(); test.g.Verdict != test.want || test.g.Why == "" {
			t.Errorf("%d: %q (%s), want %q", i, test.g.Verdict, test.g.Why, test.want)
		}
	}
}

// A flip is named, one that a second run does not show is named unstable, and
// both fail.
func TestGateAttempts(t *testing.T) {
	row := func(id, measured string) BypassRow {
		return BypassRow{Experiment: "b", Case: id, Predicted: VerdictBlocked, Measured: measured, OK: measured == VerdictBlocked}
	}
	base := &Result{Bypass: []BypassRow{row("A01", VerdictBlocked), row("A02", VerdictBlocked), row("A03", VerdictBlocked)}}
	head := &Result{Bypass: []BypassRow{row("A01", VerdictBlocked), row("A02", VerdictBypassed)}}
	judged := GateAttempts(base, head)
	want := []string{"was blocked, is bypassed, which is not as predicted", "the row is on one side only", "1 row came out the same"}
	for i, j := range judged {
		if j.Reason != want[i] || j.Fails() != (i < 2) {
			t.Errorf("%+v, want %s", j, want[i])
		}
	}
	// What base could not run and head does as predicted is news and no failure;
	// the other way round it is one, and so is what is not as predicted.
	for _, c := range []struct {
		base, head string
		fails      bool
	}{{VerdictNotRun, VerdictBlocked, false}, {VerdictNotRun, VerdictBypassed, true}, {VerdictBlocked, VerdictNotRun, true}} {
		j := GateAttempts(&Result{Bypass: []BypassRow{row("A01", c.base)}}, &Result{Bypass: []BypassRow{row("A01", c.head)}})
		if len(j) != 1 || j[0].Fails() != c.fails {
			t.Errorf("%s, then %s: %+v", c.base, c.head, j)
		}
	}
	later := Unstable(judged, GateAttempts(base, &Result{Bypass: base.Bypass[:2]}))
	if !later[0].Fails() || !strings.HasSuffix(later[0].Reason, "the verdict is unstable") || later[1].Reason != want[1] {
		t.Errorf("%+v", later)
	}
}
