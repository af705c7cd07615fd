package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/originpull/originpull/results"
)

// contains reports the first wanted text that is not in the report, with
// line breaks of wrapped text undone.
// An arm that burns CPU on purpose says so wherever it is named.
func TestPlantedIsPrinted(t *testing.T) {
	r := document(t, "quickstart")
	a := r.Arm("handshake/edge.tls.version=1.3,auth=mtls")
	a.Labels[results.LabelPlanted] = "+15 %"
	out := render(t, "table", r, Options{Width: 160})
	for _, want := range []string{
		"TLS 1.3, mTLS (planted +15 %)  ", "÷ server-auth, TLS 1.3 (planted +15 %)", "TLS 1.3, mTLS (planted +15 %) again (A/A)",
		"check of the harness and no cost of anything, in: handshake/edge.tls.version=1.3,auth=mtls (planted +15 %)",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the report lacks %q:\n%s", want, out)
		}
	}
}

func contains(t *testing.T, report string, wanted ...string) {
	t.Helper()
	flat := strings.Join(strings.Fields(report), " ")
	for _, w := range wanted {
		if !strings.Contains(flat, strings.Join(strings.Fields(w), " ")) {
			t.Errorf("no %q in\n%s", w, report)
		}
	}
}

func rows(rows ...results.BypassRow) *results.Result {
	for i := range rows {
		rows[i].Legs = results.Legs{Before: true, After: true}
	}
	return &results.Result{Complete: true, Bypass: rows, Validity: results.Validity{Valid: true, Reconciled: true}}
}

func blocked(tls, mistake string) results.BypassRow {
	b := results.BypassRow{Case: "A01", Title: "direct", Strategy: "mtls", Server: "builtin", TLS: tls, Mistake: mistake, Predicted: "blocked", Measured: "blocked", Stage: "tls", OK: true}
	if mistake != "" {
		b.Predicted, b.Measured, b.Stage = "bypassed", "bypassed", "http"
	}
	return b
}

func TestBypassCells(t *testing.T) {
	for name, c := range map[string]struct {
		predicted, measured, stage, skipped string
		ok                                  bool
		want                                string
	}{
		"blocked":           {"blocked", "blocked", "tls", "", true, "blocked tls"},
		"no stage":          {"blocked", "blocked", "", "", true, "blocked"},
		"wrong reason":      {"blocked", "blocked", "http", "", false, "blocked http!"},
		"open":              {"bypassed", "bypassed", "http", "", true, "OPEN (by design)"},
		"open, leg failed":  {"bypassed", "bypassed", "http", "", false, "OPEN (by design)!"},
		"bypassed":          {"blocked", "bypassed", "http", "", false, "BYPASSED!"},
		"denied":            {"blocked", "denied", "http", "", false, "denied!"},
		"lagged":            {"lagged", "lagged", "http", "", true, "lagged"},
		"skipped":           {"not-run", "not-run", "", "no h3", true, "not run"},
		"broke":             {"blocked", "not-run", "", "", false, "not run!"},
		"of another age":    {"throttled", "throttled", "http", "", true, "throttled"},
		"unforeseen of one": {"blocked", "throttled", "http", "", false, "throttled!"},
	} {
		b := results.BypassRow{Predicted: c.predicted, Measured: c.measured, Stage: c.stage, Skipped: c.skipped, OK: c.ok}
		if got := outcome(&b).text; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestBypassProof(t *testing.T) {
	r := rows(blocked("1.2", ""), blocked("1.3", ""), blocked("1.2", "mtls-optional"), blocked("1.3", "mtls-optional"))
	report := render(t, "table", r, Options{})
	contains(t, report, "A01 direct blocked tls", "ok 4 of 4 rows that ran came out as predicted: 2 against the correct policy, 2 against a control",
		"ok every control let the attempt through", "PASSED: 4 of 4 bypass rows as predicted")

	contains(t, render(t, "table", rows(blocked("1.3", "")), Options{}), "NOT OK no control ran: nothing shows that these tests can fail")

	contains(t, render(t, "table", rows(blocked("1.2", ""), blocked("1.3", ""), blocked("1.3", "mtls-optional")), Options{}),
		"unproven blocked, but no control of theirs ran: A01 mtls TLS 1.2")

	vacuous := blocked("1.3", "mtls-optional")
	vacuous.Measured, vacuous.Stage, vacuous.OK, vacuous.Reason = "blocked", "tls", false, "unknown authority"
	report = render(t, "table", rows(blocked("1.3", ""), vacuous), Options{})
	contains(t, report, "NOT OK 1 of 2 rows that ran", "NOT OK 1 of 1 control did not let the attempt through",
		"NOT OK A01 mtls TLS 1.3 control mtls-optional: predicted bypassed, measured blocked, reached tls; the origin's reason: unknown authority", "FAILED: 1 of 2")
}

func TestBypassNotRunNeverCountsAsPassed(t *testing.T) {
	skipped := blocked("1.3", "")
	skipped.Case, skipped.Predicted, skipped.Measured, skipped.Skipped = "A13", "not-run", "not-run", "needs HTTP/3"
	again := skipped
	again.TLS = "1.2"
	r := rows(blocked("1.3", ""), blocked("1.3", "mtls-optional"), skipped, again)
	r.Experiments = []results.Experiment{{Kind: results.KindBypass, Rows: 6}}
	contains(t, render(t, "table", r, Options{}), "2 of 2 rows that ran", "not run A13 (2 rows): needs HTTP/3", "not reached 2 of 6 planned rows: the run ended before")

	contains(t, render(t, "table", rows(skipped), Options{}), "NOT OK 0 of 0 rows that ran", "no control ran")

	broke := blocked("1.3", "")
	broke.Measured, broke.OK, broke.Detail = "not-run", false, "the attempt made no request"
	broke.Legs.Before = false
	report := render(t, "table", rows(broke), Options{})
	contains(t, report, "not run!", "0 of 1 row that ran", "predicted blocked, measured not-run, reached tls; the attempt made no request")
}

func TestBypassManyStrategiesAndServers(t *testing.T) {
	var all []results.BypassRow
	for _, server := range []string{"builtin", "nginx"} {
		for _, strategy := range []string{"allowlist", "header", "mtls", "allowlist+mtls", "allowlist+header+mtls"} {
			b := blocked("1.3", "")
			b.Server, b.Strategy, b.Protocol = server, strategy, "h1"
			all = append(all, b)
		}
	}
	report := render(t, "table", rows(all...), Options{Width: 80})
	contains(t, report, "against builtin over h1", "against nginx over h1", "allowlist+header+mtls")
	if got := strings.Count(report, "A01  direct"); got != 4 {
		t.Errorf("the case stands on %d lines, want 2 for each server:\n%s", got, report)
	}
}

func TestFoldKeepsTheWorst(t *testing.T) {
	good, bad := blocked("1.2", ""), blocked("1.3", "")
	bad.Measured, bad.OK = "bypassed", false
	if c := fold([]*results.BypassRow{&good, &bad}); c.text != "1.2 blocked tls\n1.3 BYPASSED!" || c.style != red {
		t.Errorf("%+v", c)
	}
	twin := blocked("1.3", "")
	if c := fold([]*results.BypassRow{&good, &twin}); c.text != "blocked tls" || c.style != green {
		t.Errorf("%+v", c)
	}
	if c := fold(nil); c.text != nothing {
		t.Errorf("%+v", c)
	}
}

func arm(name string, metrics ...results.Value) results.Arm {
	a := results.Arm{Name: "h/" + name, Experiment: "h", Role: results.RoleArm, Axes: map[string]string{"x": name}, Metrics: map[string]results.Value{}}
	for _, m := range metrics {
		a.Metrics[map[string]string{"rtt": "handshake.rtts", "count": "handshake.full"}[m.Unit]] = m
	}
	return a
}

func TestCostOfOddArms(t *testing.T) {
	steady, wandering, unsampled := results.NewValue("handshake.rtts", 1, 10).Within(1, 1), results.NewValue("handshake.rtts", 1, 10).Within(1, 2), results.NewValue("handshake.rtts", 7, 0)
	dead := arm("dead")
	dead.Error = "the origin \x1b[2Jworker\nwas killed\u202e"
	mixed := arm("mixed", results.NewValue("handshake.full", 5, 1))
	mixed.Metrics["handshake.resumed"] = results.NewValue("handshake.resumed", 1200, 1)
	mixed.Metrics["handshake.failed"] = results.NewValue("handshake.failed", 3, 1)
	r := &results.Result{
		Experiments: []results.Experiment{{Name: "h", Kind: results.KindHandshakes, Trials: 1}},
		Arms:        []results.Arm{arm("steady", steady), arm("wandering", wandering), arm("unsampled", unsampled), dead, mixed},
	}
	report := render(t, "table", r, Options{})
	contains(t, report, "x steady 1 rtt –", "x wandering 1–2 rtt", "x unsampled – –", "x dead FAILED: the origin [2Jworker was killed", "5 full 1,200 resumed 3 failed", "only 0 of 1 trial complete")
	if strings.ContainsAny(report, "\x1b\u202e") {
		t.Error("control characters of the document reach the terminal")
	}
}

func TestRatiosAreNotQuotedUnlessResolved(t *testing.T) {
	a, b := arm("a"), arm("b")
	twin := results.Arm{Name: "h/aa", Experiment: "h", Role: results.RoleAA, Doubles: "h/a"}
	a.Metrics["handshake.rtts"] = results.NewValue("handshake.rtts", 1, 1)
	r := &results.Result{
		Arms: []results.Arm{a, b, twin},
		Pairs: []results.Pair{
			{A: "h/aa", B: "h/a", Metric: "handshake.cpu.edge", Role: results.PairAA, Estimates: []float64{0, 0}, Ratio: 1.01, Low: 0.99, High: 1.03},
			{A: "h/a", B: "h/b", Metric: "handshake.cpu.edge", Axis: "x", Role: results.PairAxis, Estimates: []float64{0, 0}, Ratio: 1.77, Low: 1.7, High: 1.8, Resolved: true},
			{A: "h/a", B: "h/b", Metric: "handshake.cpu.origin", Axis: "x", Role: results.PairAxis, Estimates: []float64{0, 0}, Ratio: 1.23, Low: 0.9, High: 1.4},
			{A: "h/a", B: "h/b", Metric: "latency.p50", Role: results.PairAxis, Estimates: []float64{0}, Ratio: 1.88},
		},
	}
	report := render(t, "table", r, Options{})
	contains(t, report, "x a ÷ b 1.77 × [1.70 – 1.80] not resolved [0.90 – 1.40]", "the same arm twice: x a 1.01 × [0.99 – 1.03] –", "latency.p50", "not resolved (1 trial)", "x a again (A/A)")
	for _, number := range []string{"1.23", "1.88"} {
		if strings.Contains(report, number) {
			t.Errorf("%s is printed and not resolved:\n%s", number, report)
		}
	}
}

func TestOneTrialHasNoRatios(t *testing.T) {
	a, b := arm("a"), arm("b")
	a.Metrics["handshake.rtts"] = results.NewValue("handshake.rtts", 1, 1)
	r := &results.Result{
		Arms:  []results.Arm{a, b},
		Pairs: []results.Pair{{A: "h/a", B: "h/b", Metric: "handshake.cpu.edge", Axis: "x", Role: results.PairAxis, Estimates: []float64{0.3}, Ratio: 1.35}},
	}
	report := render(t, "table", r, Options{})
	contains(t, report, "an interval needs at least two trials")
	if strings.Contains(report, "1.35") || strings.Contains(report, "Ratios within") {
		t.Errorf("a ratio of one trial is printed:\n%s", report)
	}
}

func TestSeveralServersAreNamedWithTheirExperiments(t *testing.T) {
	var r results.Result
	for _, server := range []string{"nginx", "caddy"} {
		a := arm(server, results.NewValue("handshake.rtts", 1, 1))
		a.Name, a.Experiment = server+"/x", server
		a.Labels = map[string]string{results.LabelServer: server, results.LabelServerVersion: "1.2.3", results.LabelTLSLibrary: server + "TLS"}
		r.Arms = append(r.Arms, a)
		r.Experiments = append(r.Experiments, results.Experiment{Name: server, Kind: results.KindHandshakes, Trials: 1})
	}
	report := render(t, "table", &r, Options{})
	contains(t, report, "origin several, named with each experiment", "Origin: nginx 1.2.3, TLS by nginxTLS", "Origin: caddy 1.2.3, TLS by caddyTLS")
}

func TestSectionsWithoutArmsAreLeftOut(t *testing.T) {
	report := render(t, "table", rows(blocked("1.3", "")), Options{})
	contains(t, report, "1. Who else can pull", "2. May these numbers be trusted", "origin builtin", "CPU model not recorded")
	for _, title := range []string{"handshake costs", "pool and the cache"} {
		if strings.Contains(report, title) {
			t.Errorf("a section without arms is there: %s", title)
		}
	}
}

func TestNumbers(t *testing.T) {
	for got, want := range map[string]string{
		thousands(0): "0", thousands(999): "999", thousands(1000): "1,000", thousands(1234567): "1,234,567", thousands(-1234): "-1,234", thousands(-0.2): "0", thousands(999.6): "1,000",
		percent(0): "0.0 %", percent(1): "100.0 %", percent(0.99996): ">99.9 %", percent(0.00001): "<0.1 %", percent(0.6118): "61.2 %", percent(0.9994): "99.9 %",
		significant(0.0004): "0.000", significant(0.5): "0.500", significant(0.99951): "1.00", significant(9.994): "9.99", significant(9.996): "10.0", significant(99.94): "99.9", significant(99.96): "100", significant(12345): "12,345",
		measure(12.4, "us"): "12 us", measure(2.55, "us"): "2.55 us", measure(1.5, "rtt"): "1.50 rtt", measure(3, "count"): "3", measure(0.5, "ratio"): "50.0 %", measure(1234, "B"): "1,234 B",
		seconds(0.015): "15 ms", seconds(46.73): "46.7 s", seconds(119): "119 s", seconds(125): "2 min 5 s",
		plural(1, "row", "rows"): "1 row", plural(1200, "row", "rows"): "1,200 rows",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "",
		"one two":            "one two",
		"one two three four": "one two|three four",
		"abcdefghijklmnop q": "abcdefghij|klmnop q",
		"a abcdefghijklmnop": "a|abcdefghij|klmnop",
		"ééééééééé éééééééé": "ééééééééé|éééééééé",
		"  spread\n\tout  ":  "spread out",
	} {
		if got := strings.Join(wrap(text, 10), "|"); got != want {
			t.Errorf("%q wraps to %q, want %q", text, got, want)
		}
	}
	p := &page{out: &bytes.Buffer{}, width: 80}
	(&grid{titles: []string{"", "a"}, rows: []row{{cells: []cell{{text: strings.Repeat("long ", 20)}, {text: "1 rtt"}}}}}).print(p)
	for _, line := range strings.Split(p.out.String(), "\n") {
		if length(line) > 80 {
			t.Errorf("%q is too long", line)
		}
	}
}

// Efficiency gets a column where it was measured, and what was negotiated is
// named, arm by arm where arms differ.
func TestEfficiencyAndNegotiation(t *testing.T) {
	arm := func(name, group, retry string) results.Arm {
		a := results.Arm{
			Name: "h/edge.tls.group=" + name, Experiment: "h", Role: results.RoleArm, Axes: map[string]string{"edge.tls.group": name},
			Labels:  map[string]string{"tls.version": "1.3", "group": group, "cipher": "TLS_X", "helloRetry": retry},
			Metrics: map[string]results.Value{"handshake.rtts": results.NewValue("handshake.rtts", 1, 9)},
		}
		return a
	}
	r := &results.Result{
		Complete: true, Experiments: []results.Experiment{{Name: "h", Kind: results.KindHandshakes, Trials: 1}},
		Arms: []results.Arm{arm("x25519", "x25519", ""), arm("p256", "p256", "true")},
	}
	text := render(t, "table", r, Options{})
	contains(t, text, "Negotiated: TLS 1.3, x25519, TLS_X (x25519). TLS 1.3, p256, TLS_X, after a HelloRetryRequest (p256).")
	if strings.Contains(text, "ciency") {
		t.Errorf("a column for what was not measured:\n%s", text)
	}
	r.Arms[1].Metrics[results.MetricEfficiencyEdge] = results.NewValue(results.MetricEfficiencyEdge, 0.544, 1)
	r.Arms[1].Metrics[results.MetricEfficiencyOrigin] = results.NewValue(results.MetricEfficiencyOrigin, 0.38, 1)
	r.Arms = r.Arms[1:]
	contains(t, render(t, "table", r, Options{}), "Efficiency, of edge/origin", "54/38 %", "Negotiated: TLS 1.3, p256, TLS_X, after a HelloRetryRequest.")
}

// A generator that did not keep its rate is never called on time.
func TestAGeneratorWithoutItsRateIsNotOnTime(t *testing.T) {
	r := &results.Result{Complete: true, Validity: results.Validity{Generator: map[string]results.Generator{
		"h/x": {SendErrorP99: 0.1, Scheduled: 100, Sent: 90},
	}}}
	report := render(t, "table", r, Options{})
	contains(t, report, "generator NOT at its rate, though 99 of 100", "rate not met in: h/x (90 of 100 requests sent in their block)")
	if strings.Contains(report, "on time") {
		t.Errorf("it is called on time:\n%s", report)
	}
	r.Validity.Generator["h/x"] = results.Generator{SendErrorP99: 0.1, Scheduled: 100, Sent: 100, RateMet: true}
	contains(t, render(t, "table", r, Options{}), "on time: 99 of 100")
}
