package sim

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/originpull/originpull/scenarios"
)

func armNames(x *Experiment) []string {
	var names []string
	for i := range x.Arms {
		names = append(names, string(x.Arms[i].Role)+" "+x.Arms[i].Name)
	}
	return names
}

func TestCompileAddsBaselineAndDouble(t *testing.T) {
	plan := compileText(t, handshakeScenario)
	want := []string{
		"arm h/edge.tls.version=1.2,auth=server",
		"arm h/edge.tls.version=1.2,auth=mtls",
		"arm h/edge.tls.version=1.3,auth=server",
		"arm h/edge.tls.version=1.3,auth=mtls",
		"baseline h/plain-tcp",
		"aa h/aa",
	}
	x := &plan.Experiments[0]
	if got := armNames(x); !slices.Equal(got, want) {
		t.Fatalf("arms\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	double, last := x.Arms[5], x.Arms[3]
	if double.Doubles != last.Name || !reflect.DeepEqual(double.Settings, last.Settings) || !reflect.DeepEqual(double.Policy, last.Policy) {
		t.Errorf("the double differs from %s: %+v", last.Name, double)
	}
	if base := x.Arms[4]; !base.Plaintext || len(base.Policy.Strategies) != 0 {
		t.Errorf("the baseline is not plain TCP: %+v", base)
	}
	if p := x.Arms[3].Policy; p.ClientRoots == "" || p.RevocationList == "" || p.Pin != "san" || p.Host != originHost {
		t.Errorf("the mTLS arm's policy lacks something: %+v", p)
	}
	if x.Arms[0].Settings.Edge.Pool.Reuse {
		t.Error("a handshake arm would reuse connections")
	}
}

// The budget of the issue that quickstart answers: a user waits under a
// minute on two cores.
func TestQuickstartIsPlannedInTime(t *testing.T) {
	plan := compileLibrary(t, "quickstart")
	budget := map[string]float64{"handshake": 20, "pool-and-cache": 16, "bypass": 12}
	for _, x := range plan.Experiments {
		if x.PlannedSeconds <= 0 || x.PlannedSeconds > budget[x.Name] {
			t.Errorf("experiment %s is planned at %.1f s, want at most %.0f", x.Name, x.PlannedSeconds, budget[x.Name])
		}
	}
	if plan.PlannedSeconds > 50 || plan.PlannedSeconds < 20 {
		t.Errorf("quickstart is planned at %.1f s, want 20 to 50", plan.PlannedSeconds)
	}
}

// allowances are the seconds that a library scenario may be planned at beyond
// the 100 of all others.
var allowances = map[string]float64{"bypass-full": 300, "bypass-cost": 300}

func TestEveryLibraryScenarioCompiles(t *testing.T) {
	for _, entry := range scenarios.Library() {
		plan := compileLibrary(t, entry.Name)
		if plan.Scenario != entry.Name {
			t.Errorf("%s calls itself %q", entry.Name, plan.Scenario)
		}
		allowed := 100.0
		if other, ok := allowances[entry.Name]; ok {
			allowed = other
		}
		if plan.PlannedSeconds <= 0 || plan.PlannedSeconds > allowed {
			t.Errorf("%s is planned at %.1f s, want at most %.0f", entry.Name, plan.PlannedSeconds, allowed)
		}
		t.Logf("%s: %.1f s", entry.Name, plan.PlannedSeconds)
	}
}

// What needs the registries is reported beside what the loader found, each
// with its line.
func TestCompileAddsProblemsWithLines(t *testing.T) {
	text := `version: 1
name: bad
experiments:
  - name: h
    workload: {mode: handshakes, duraton: 1s}
    expect: ["handshake.rtt == 1"]
    claims:
      - {text: cheap, source: somebody, measure: "handshake.rtts / handshake.rtt < 1"}
  - name: b
    bypass:
      cases: [A01, Z99]
      strategies: [mtls]
`
	s, err := scenarios.Load(scenarios.Source{File: "bad.yaml", Content: []byte(text)})
	problems, ok := err.(scenarios.Problems) //nolint:errorlint // Load's error is Problems itself
	if !ok {
		t.Fatalf("Load: %v", err)
	}
	_, err = Compile(s)
	more, ok := err.(scenarios.Problems) //nolint:errorlint // Compile's error is Problems itself
	if !ok {
		t.Fatalf("Compile: %v", err)
	}
	got := problems.With(more...).Error()
	for _, want := range []string{
		`bad.yaml:5: experiments[0].workload.duraton: `,
		`bad.yaml:6: experiments[0].expect[0]: `, `handshake.rtts`,
		`bad.yaml:8: experiments[0].claims[0].measure: `,
		`bad.yaml:11: experiments[1].bypass.cases[1]: unknown case "Z99"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// A plan is what a worker or a remote agent receives: it must survive JSON,
// and name credentials without holding any.
func TestPlanIsPlainJSON(t *testing.T) {
	plan := compileLibrary(t, "quickstart")
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	var back Plan
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != string(again) {
		t.Error("the plan changes on its way through JSON")
	}
	for _, secret := range []string{"BEGIN", "PRIVATE"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the plan holds %q", secret)
		}
	}
}

func TestDiffersOnlyIn(t *testing.T) {
	arm := func(v, auth string) *Arm { return &Arm{Axes: map[string]string{"v": v, "auth": auth}} }
	for _, c := range []struct {
		a, b *Arm
		want string
	}{
		{arm("1.2", "server"), arm("1.3", "server"), "v"},
		{arm("1.2", "server"), arm("1.2", "mtls"), "auth"},
		{arm("1.2", "server"), arm("1.3", "mtls"), ""},
		{arm("1.2", "server"), arm("1.2", "server"), ""},
	} {
		if got := c.a.differsOnlyIn(c.b); got != c.want {
			t.Errorf("%v against %v: %q, want %q", c.a.Axes, c.b.Axes, got, c.want)
		}
	}
}

// RSA keys are planned for: the authorities' and both ends', once a kind.
func TestKeySeconds(t *testing.T) {
	arm := func(key string, chain int) Arm {
		var a Arm
		a.Settings.Origin.Certificate = scenarios.Certificate{Key: key, Chain: chain}
		return a
	}
	got := keySeconds([]Arm{arm("rsa-3072", 1), arm("rsa-3072", 1), arm("rsa-3072", 2), arm("ed25519", 1)})
	if want := 3.0 + 4.0; got != want {
		t.Errorf("%v s, want %v", got, want)
	}
}

// Attempts meet reference policies: a setting that seems to change them is
// refused, never ignored.
func TestBypassRefusesSettingsThatItDoesNotGoBy(t *testing.T) {
	for _, c := range []struct{ settings, want string }{
		{"origin: {mtls: {pin: none}}", "x.yaml:2: experiments[0].origin.mtls.pin: "},
		{"origin: {header: {name: X-Other}}", "x.yaml:2: experiments[0].origin.header.name: "},
		{"origin: {tickets: false}", "x.yaml:2: experiments[0].origin.tickets: "},
		{"edge: {tls: {group: p256}}", "x.yaml:2: experiments[0].edge.tls.group: "},
	} {
		text := "version: 1\n" + c.settings + "\nbypass: {cases: [C09], strategies: [mtls]}\n"
		s, err := scenarios.Load(scenarios.Source{File: "x.yaml", Content: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Compile(s); err == nil || !strings.HasPrefix(err.Error(), c.want) || !strings.Contains(err.Error(), "reference policies") {
			t.Errorf("%s: %v, want %s…", c.settings, err, c.want)
		}
	}
}
