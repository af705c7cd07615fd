package results

import (
	"math"
	"strings"
	"testing"
)

// example has two handshake arms, a baseline, an A/A arm, two request arms of
// which one was late, a failed arm and two bypass experiments.
func example() *Result {
	values := func(rtts, cpu float64) map[string]Value {
		return map[string]Value{"handshake.rtts": NewValue("handshake.rtts", rtts, 100), "handshake.cpu.edge": NewValue("handshake.cpu.edge", cpu, 8)}
	}
	latency := func(ms float64, n int) map[string]Value {
		return map[string]Value{"latency.p99": NewValue("latency.p99", ms, n), "reuse.ratio": NewValue("reuse.ratio", 0.99, n), "service.p99": NewValue("service.p99", ms, n)}
	}
	axes := func(pairs ...string) map[string]string { return map[string]string{pairs[0]: pairs[1]} }
	row := func(experiment, id, strategy string, ok bool) BypassRow {
		b := BypassRow{Experiment: experiment, Case: id, Strategy: strategy, TLS: "1.3", Predicted: VerdictBlocked, Measured: VerdictBlocked, OK: ok}
		if !ok {
			b.Measured = VerdictBypassed
		}
		return b
	}
	skipped := row("h3", "A13", "mtls", true)
	skipped.Skipped, skipped.Measured = "no h3", VerdictNotRun
	return &Result{
		Experiments: []Experiment{
			{Name: "h", Kind: KindHandshakes},
			{Name: "p", Kind: KindRequests},
			{Name: "b", Kind: KindBypass, Rows: 3},
			{Name: "c", Kind: KindBypass},
			{Name: "h3", Kind: KindBypass, Rows: 1},
			{Name: "never", Kind: KindBypass, Rows: 10},
		},
		Arms: []Arm{
			{Name: "h/tls=1.2", Experiment: "h", Role: RoleArm, Axes: axes("tls", "1.2"), Metrics: values(2, 300)},
			{Name: "h/tls=1.3", Experiment: "h", Role: RoleArm, Axes: axes("tls", "1.3"), Metrics: values(1, 330)},
			{Name: "h/baseline", Experiment: "h", Role: RoleBaseline, Metrics: values(0, 90)},
			{Name: "h/aa", Experiment: "h", Role: RoleAA, Axes: axes("tls", "1.3"), Metrics: values(1, 333)},
			{Name: "p/pool=on", Experiment: "p", Role: RoleArm, Axes: axes("pool", "on"), Metrics: latency(20, 50)},
			{Name: "p/pool=off", Experiment: "p", Role: RoleArm, Axes: axes("pool", "off"), Metrics: latency(90, 50)},
			{Name: "p/pool=none", Experiment: "p", Role: RoleArm, Axes: axes("pool", "none"), Metrics: latency(0, 0)},
			{Name: "p/pool=dead", Experiment: "p", Role: RoleArm, Axes: axes("pool", "dead"), Metrics: latency(5, 50), Error: "edge worker was killed"},
			{Name: "p/pool=nan", Experiment: "p", Role: RoleArm, Axes: axes("pool", "nan"), Metrics: latency(math.NaN(), 50)},
			{Name: "p/pool=zero", Experiment: "p", Role: RoleArm, Axes: axes("pool", "zero"), Metrics: latency(0, 50)},
		},
		Bypass:   []BypassRow{row("b", "A01", "mtls", true), row("b", "A01", "header", true), row("b", "B01", "header", true), row("c", "C09", "mtls", false), row("c", "C11", "mtls", true), skipped},
		Validity: Validity{Generator: map[string]Generator{"p/pool=off": {Late: true}}},
	}
}

func outline(r *Result) Outline {
	return Outline{Arms: refs(r), Bypass: plannedBypass(r)}
}

func TestEvaluate(t *testing.T) {
	r := example()
	for _, c := range []struct {
		experiment, rule string
		pass             bool
		value            float64
		detail           string
	}{
		{"h", "handshake.rtts{tls=1.3} == 1", true, 1, "1 arm: 1 rtt"},
		{"h", "handshake.rtts <= 2", true, 2, "2 arms: 1 rtt to 2 rtt"},
		{"h", "handshake.rtts == 1", false, 2, "h/tls=1.2: 2 rtt, want == 1 rtt"},
		{"h", "handshake.rtts > 9", false, 2, "h/tls=1.2: 2 rtt, want > 9 rtt; h/tls=1.3: 1 rtt, want > 9 rtt"},
		{"h", "handshake.rtts{tls!=1.2} == 1", true, 1, "1 arm: 1 rtt"},
		{"h", "handshake.rtts{role=baseline} == 0", true, 0, "1 arm: 0 rtt"},
		{"h", "handshake.rtts{role=aa} == 1", true, 1, "1 arm: 1 rtt"},
		{"h", "handshake.rtts{arm=h/tls=1.2} == 2", false, 0, ""},
		{"h", "handshake.rtts{arm='h/tls=1.2'} == 2", true, 2, "1 arm: 2 rtt"},
		{"h", "handshake.rtts{arm='tls=1.2'} == 2", true, 2, "1 arm: 2 rtt"},
		{"h", "handshake.rtts{arm!='tls=1.2'} == 1", true, 1, "1 arm: 1 rtt"},
		{"h", "handshake.cpu.edge{tls=1.3} < 0.331ms", true, 330, "1 arm: 330 us"},
		{"h", "handshake.cpu.edge{tls=1.3} < 0.32 ms", false, 330, "h/tls=1.3: 330 us, want < 320 us"},
		{"h", "handshake.cpu.edge{tls=1.3} / handshake.cpu.edge{tls=1.2} == 110%", true, 1.1, "1.1"},
		{"h", "handshake.cpu.edge{tls=1.3} / handshake.cpu.edge{tls=1.2} < 1", false, 1.1, "1.1, want < 1"},
		{"h", "handshake.cpu.edge{role=aa} / handshake.cpu.edge{tls=1.3} <= 1.05", true, 333.0 / 330, "1.00909"},
		{"h", "handshake.cpu.edge{tls=1.2} < handshake.cpu.edge{tls=1.3}", true, 300, "300 us"},
		{"h", "handshake.cpu.edge{tls=1.2} > handshake.cpu.edge{tls=1.3}", false, 300, "300 us, want > 330 us"},
		{"h", "handshake.cpu.edge{tls=1.2} < latency.p99{experiment=p,pool=on}", true, 300, "300 us"},
		{"h", "latency.p99{experiment=p,pool=on} > handshake.cpu.edge{tls=1.2}", true, 20, "20 ms"},
		{"", "handshake.rtts{experiment=h} >= 1", true, 2, "2 arms: 1 rtt to 2 rtt"},
		{"", "handshake.rtts >= 1", false, 0, "p/pool=on: it measured no handshake.rtts; p/pool=off: it measured no handshake.rtts; p/pool=none: it measured no handshake.rtts; and 3 more"},
		{"p", "latency.p99{pool=on} <= 20ms", true, 20, "1 arm: 20 ms"},
		{"p", "service.p99{pool=off} == 90", true, 90, "1 arm: 90 ms"},
		{"p", "reuse.ratio{pool=off} > 95%", true, 0.99, "1 arm: 0.99"},
		{"p", "latency.p99{pool=none} < 1s", false, 0, "p/pool=none: latency.p99 has no sample"},
		{"p", "latency.p99{pool=dead} < 1s", false, 0, "p/pool=dead: the arm failed: edge worker was killed"},
		{"p", "latency.p99{pool=nan} < 1s", false, 0, "p/pool=nan: latency.p99 is NaN"},
		{"p", "origin.offload{pool=on} >= 0", false, 0, "p/pool=on: it measured no origin.offload"},
		{"p", "latency.p99{pool=on} / latency.p99{pool=zero} < 9", false, 0, "latency.p99{pool=zero} is 0, and nothing can be divided by it"},
		{"p", "latency.p99{pool=on} / latency.p99{pool=none} < 9", false, 0, "p/pool=none: latency.p99 has no sample"},
		{"p", "latency.p99{pool=on} < latency.p99{pool=dead}", false, 20, "p/pool=dead: the arm failed: edge worker was killed"},
		{"h", "handshake.rts == 1", false, 0, `unknown metric "handshake.rts": did you mean "handshake.rtts"?`},
		{"h", "handshake.rtts{tls=1.4} == 1", false, 0, `handshake.rtts{tls=1.4} matches no arm: no arm has tls=1.4: did you mean "1.2"?`},
		{"b", "bypass.unexpected == 0", true, 0, "3 rows ran, all as predicted"},
		{"c", "bypass.unexpected == 0", false, 1, "1 of 2 rows not as predicted: C09 mtls TLS 1.3 (predicted blocked, measured bypassed)"},
		{"c", "bypass.unexpected{case!=C09} == 0", true, 0, "1 row ran, all as predicted"},
		{"c", "bypass.unexpected <= 1", true, 1, "1 of 2 rows not as predicted: C09 mtls TLS 1.3 (predicted blocked, measured bypassed)"},
		{"b", "bypass.unexpected{strategy=header} == 0", true, 0, "2 rows ran, all as predicted"},
		{"b", "bypass.unexpected > 0", false, 0, "3 rows ran, all as predicted, want > 0"},
		{"", "bypass.unexpected{experiment=b} == 0", true, 0, "3 rows ran, all as predicted"},
		{"b", "bypass.unexpected{case=Z99} == 0", false, 0, "bypass.unexpected{case=Z99}: no row ran"},
		{"h3", "bypass.unexpected == 0", false, 0, "bypass.unexpected: no row ran"},
		{"never", "bypass.unexpected == 0", false, 0, "only 0 of 10 planned rows were recorded"},
		{"", "bypass.unexpected == 0", false, 0, "bypass.unexpected: no row ran"},
		{"h", "bypass.unexpected == 0", false, 0, "bypass.unexpected matches no bypass experiment"},
	} {
		e, err := ParseExpression(c.rule)
		if err != nil {
			if c.detail != "" {
				t.Errorf("%s: %v", c.rule, err)
			}
			continue
		}
		got := e.Evaluate(r, c.experiment)
		if got.Pass != c.pass || got.Inconclusive || got.Detail != c.detail || (!math.IsNaN(got.Value) && math.Abs(got.Value-c.value) > 1e-9) || got.Experiment != c.experiment {
			t.Errorf("%s in %q\ngot  %v %v %q\nwant %v %v %q", c.rule, c.experiment, got.Pass, got.Value, got.Detail, c.pass, c.value, c.detail)
		}
	}
}

func TestLateLatencyIsInconclusive(t *testing.T) {
	r := example()
	for rule, inconclusive := range map[string]bool{
		"latency.p99{pool=off} < 1s":                              true, // would hold, and proves nothing
		"latency.p99{pool=off} < 1ms":                             true,
		"latency.p99{pool!=on} < 1s":                              false, // others fail for other reasons
		"latency.p99{pool=off} / latency.p99{pool=on} < 9":        true,
		"latency.p99{pool=on} < latency.p99{pool=off}":            true,
		"latency.p99{pool=on} / latency.p99{pool=none} < 9":       false,
		"service.p99{pool=off} < 1ms":                             false,
		"latency.p99{pool=off} < handshake.rtts{experiment=none}": false,
	} {
		e, err := ParseExpression(rule)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Evaluate(r, "p"); got.Pass || got.Inconclusive != inconclusive {
			t.Errorf("%s: %+v, want inconclusive %v", rule, got, inconclusive)
		}
	}
}

// TestTimesOfALateLinkAreInconclusive: every time of such an arm is, and
// nothing else.
func TestTimesOfALateLinkAreInconclusive(t *testing.T) {
	r := example()
	r.Validity = Validity{Links: map[string]string{"p/pool=off": "one packet in a hundred was late"}}
	rtts := NewValue(MetricFirstByteRTTs, 3, 9)
	rtts.Kind = Time // as over a distance
	for i := range r.Arms {
		r.Arms[i].Metrics[MetricFirstByteRTTs] = rtts
	}
	for rule, want := range map[string]Expectation{
		"latency.p99{pool=off} < 1s":                   {Inconclusive: true},
		"service.p99{pool=off} < 1s":                   {Inconclusive: true},
		"firstbyte.rtts{pool=off} < 4":                 {Inconclusive: true},
		"firstbyte.rtts < 2":                           {}, // others fail for other reasons
		"firstbyte.rtts{pool=on} < 4":                  {Pass: true},
		"firstbyte.rtts{pool=on} < 2":                  {},
		"reuse.ratio{pool=off} > 0.9":                  {Pass: true},
		"latency.p99{pool=on} < latency.p99{pool=off}": {Inconclusive: true},
	} {
		e, err := ParseExpression(rule)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Evaluate(r, "p"); got.Pass != want.Pass || got.Inconclusive != want.Inconclusive {
			t.Errorf("%s: %+v, want %+v", rule, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	o := outline(example())
	for _, c := range []struct{ experiment, rule, want string }{
		{"h", "handshake.rtts{tls=1.3} == 1", ""},
		{"h", "handshake.rtts == 1", ""},
		{"h", "handshake.cpu.edge{tls=1.3} / handshake.cpu.edge{role=baseline} < 9", ""},
		{"h", "origin.offload > 50%", ""}, // whether an arm measures it is known afterwards
		{"b", "bypass.unexpected{strategy=mtls,tls!=1.2} == 0", ""},
		{"", "bypass.unexpected == 0", ""},
		{"", "latency.p99{experiment=p,pool=on} < 5ms", ""},
		{"h", "handshake.rtt == 1", `unknown metric "handshake.rtt": did you mean "handshake.rtts"?`},
		{"h", "handshake.cpu.edge{tls=1.3} / handshake.cpuedge{tls=1.2} < 1", `unknown metric "handshake.cpuedge": did you mean "handshake.cpu.edge"?`},
		{"h", "handshake.rtts{version=1.3} == 1", `handshake.rtts{version=1.3} matches no arm: "version" is no axis: there are arm, experiment, role, tls`},
		{"h", "handshake.rtts{tsl=1.3} == 1", `handshake.rtts{tsl=1.3} matches no arm: "tsl" is no axis: did you mean "tls"?`},
		{"h", "handshake.rtts{tls=9} == 1", `handshake.rtts{tls=9} matches no arm: no arm has tls=9: there are 1.2, 1.3`},
		{"h", "handshake.rtts{pool=on} == 1", `handshake.rtts{pool=on} matches no arm: "pool" is no axis: there are arm, experiment, role, tls`},
		{"h", "handshake.rtts{tls=1.3,tls=1.2} == 1", "handshake.rtts{tls=1.3,tls=1.2} matches no arm: its selectors exclude each other"},
		{"h", "handshake.rtts{role=basline} == 1", `handshake.rtts{role=basline} matches no arm: no arm has role=basline: did you mean "baseline"?`},
		{"h", "handshake.cpu.edge / handshake.cpu.edge{tls=1.2} < 1", "handshake.cpu.edge must match exactly one arm here and matches 2: h/tls=1.2; h/tls=1.3"},
		{"h", "handshake.cpu.edge{tls=1.2} < handshake.cpu.edge", "handshake.cpu.edge must match exactly one arm here and matches 2: h/tls=1.2; h/tls=1.3"},
		{"h", "handshake.rtts < 5ms", `handshake.rtts: unit "ms" does not fit a value in "rtt"`},
		{"h", "reuse.ratio < 5KiB", `reuse.ratio: unit "KiB" does not fit a value in "ratio"`},
		{"h", "handshake.cpu.edge{tls=1.2} / handshake.cpu.edge{tls=1.3} < 5ms", `handshake.cpu.edge{tls=1.2} / handshake.cpu.edge{tls=1.3}: unit "ms" does not fit a value in "ratio"`},
		{"h", "handshake.cpu.edge{tls=1.2} / handshake.rtts{tls=1.2} < 5", `a ratio needs two metrics of one kind, and handshake.cpu.edge is in "us", handshake.rtts in "rtt"`},
		{"h", "handshake.cpu.edge{tls=1.2} < handshake.rtts{tls=1.2}", `handshake.cpu.edge{tls=1.2} is in "us" and handshake.rtts{tls=1.2} in "rtt": they cannot be compared`},
		{"b", "bypass.unexpected / bypass.unexpected < 1", "bypass.unexpected counts rows of an experiment and can only be compared with a number"},
		{"b", "bypass.unexpected{edge.tls.version=1.2} == 0", `bypass.unexpected{edge.tls.version=1.2}: unknown key "edge.tls.version": bypass rows are selected by experiment, case, strategy, server, tls, protocol`},
		{"h", "bypass.unexpected == 0", "bypass.unexpected matches no bypass experiment"},
		{"b", "handshake.rtts == 1", "handshake.rtts matches no arm: there is no such arm in this experiment"},
	} {
		e, err := ParseExpression(c.rule)
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		got := ""
		if err := e.Check(o, c.experiment); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s in %q\ngot  %s\nwant %s", c.rule, c.experiment, got, c.want)
		}
	}
}

// What Check refuses, Evaluate must never let pass: a rule that nobody
// checked still fails.
func TestWhatCheckRefusesFails(t *testing.T) {
	r := example()
	for _, rule := range []string{"handshake.rtt >= 0", "handshake.rtts{tls=9} >= 0", "handshake.rtts < 5ms", "handshake.cpu.edge / handshake.cpu.edge{tls=1.2} > 0", "bypass.unexpected / bypass.unexpected < 1"} {
		e, err := ParseExpression(rule)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Check(outline(r), "h"); err == nil {
			t.Errorf("%s passes Check", rule)
		}
		if x := e.Evaluate(r, "h"); x.Pass || strings.TrimSpace(x.Detail) == "" {
			t.Errorf("%s: %+v", rule, x)
		}
	}
}

// An exact value that varied holds only what holds at both ends of its range.
func TestExactRangesHoldAtBothEnds(t *testing.T) {
	spread := NewValue("handshake.rtts", 2, 10).Within(1, 2)
	r := &Result{
		Experiments: []Experiment{{Name: "h", Kind: KindHandshakes}},
		Arms:        []Arm{{Name: "h", Experiment: "h", Role: RoleArm, Metrics: map[string]Value{"handshake.rtts": spread}}},
	}
	for rule, want := range map[string]bool{
		"handshake.rtts == 2": false, "handshake.rtts >= 2": false, "handshake.rtts == 1": false,
		"handshake.rtts <= 2": true, "handshake.rtts >= 1": true, "handshake.rtts < 3": true,
	} {
		e, err := ParseExpression(rule)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Evaluate(r, "h"); got.Pass != want {
			t.Errorf("%s on 1 to 2: %v (%s), want %v", rule, got.Pass, got.Detail, want)
		}
	}
}

// A selector may write a duration in another way than its arm does.
func TestSelectorsKnowDurations(t *testing.T) {
	r := &Result{}
	for _, idle := range []string{"1s", "1m", "1h30m"} {
		r.Arms = append(r.Arms, Arm{Name: "x/idle=" + idle, Role: RoleArm, Axes: map[string]string{"idle": idle}, Metrics: map[string]Value{"reuse.ratio": NewValue("reuse.ratio", 0.9, 1)}})
	}
	for selectors, want := range map[string]string{
		"idle=60s": "1 arm: 0.9", "idle=1m0s": "1 arm: 0.9", "idle=90m": "1 arm: 0.9", "idle!=60s": "2 arms: 0.9", "idle=1000ms": "1 arm: 0.9",
		"idle=61s": "no arm has idle=61s", "idle=60": "no arm has idle=60",
	} {
		e, err := ParseExpression("reuse.ratio{" + selectors + "} > 0.5")
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Evaluate(r, ""); !strings.Contains(got.Detail, want) {
			t.Errorf("%s: %+v, want %s", selectors, got, want)
		}
	}
}
