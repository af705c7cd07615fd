package results

import (
	"strings"
	"testing"
)

// twoOrigins is an arm with two origins beside one with none.
func twoOrigins() *Result {
	part := func(name string, failed, p99 float64) Origin {
		return Origin{Name: name, Metrics: map[string]Value{
			"requests.failed": NewValue("requests.failed", failed, 1), "latency.p99": NewValue("latency.p99", p99, 10),
		}}
	}
	arm := func(name string, origins ...Origin) Arm {
		return Arm{
			Name: "p/pool=" + name, Experiment: "p", Role: RoleArm, Axes: map[string]string{"pool": name}, Origins: origins, Trials: []Trial{},
			Metrics: map[string]Value{"requests.failed": NewValue("requests.failed", 7, 1), "latency.p99": NewValue("latency.p99", 5, 10)},
		}
	}
	return &Result{
		Schema:      SchemaName,
		Experiments: []Experiment{{Name: "p", Kind: KindRequests}},
		Arms:        []Arm{arm("on", part("api", 7, 90), part("files", 0, 3)), arm("off", part("api", 2, 80), part("files", 0, 2)), arm("alone")},
		Validity:    Validity{Generator: map[string]Generator{"p/pool=off": {Late: true}}},
	}
}

// TestRulesAboutOneOfSeveralOrigins: only where origin is selected.
func TestRulesAboutOneOfSeveralOrigins(t *testing.T) {
	r := twoOrigins()
	for _, c := range []struct {
		rule         string
		pass, unsure bool
		detail       string
	}{
		{"requests.failed == 7", true, false, "3 arms: 7"},
		{"requests.failed{pool=on} == 7", true, false, "1 arm: 7"},
		{"requests.failed{origin=files} == 0", true, false, "2 arms: 0"},
		{"requests.failed{origin!=files} <= 7", true, false, "2 arms: 2 to 7"},
		{"requests.failed{origin=files,pool=on} == 0", true, false, "1 arm: 0"},
		{"requests.failed{origin=api} == 7", false, false, "p/pool=off origin=api: 2, want == 7"},
		{"requests.failed{origin=api,pool=on} / requests.failed{origin=api,pool=off} == 3.5", true, false, "3.5"},
		{"latency.p99{origin=api,pool=on} > latency.p99{pool=on}", true, false, "90 ms"},
		{"requests.failed{origin=ap} == 7", false, false, `no arm has origin=ap: did you mean "api"?`},
		{"requests.failed{origin=api,pool=alone} == 7", false, false, "its selectors exclude each other"},
		{"requests.502{origin=api,pool=on} == 0", false, false, "it measured no requests.502"},
		{"latency.p99{origin=files,pool=off} < 9ms", false, true, "the generator was late"},
		{"requests.failed{arm='p/pool=on'} == 7", true, false, "1 arm: 7"},
		{"requests.failed{arm='p/pool=on',origin=files} == 0", true, false, "1 arm: 0"},
	} {
		e, err := ParseExpression(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		out := e.Evaluate(r, "p")
		if out.Pass != c.pass || out.Inconclusive != c.unsure || !strings.Contains(out.Detail, c.detail) {
			t.Errorf("%s: %+v, want %q", c.rule, out, c.detail)
		}
		known := !strings.Contains(c.detail, "no arm") && !strings.Contains(c.detail, "exclude")
		if err := e.Check(outline(r), "p"); (err == nil) != known {
			t.Errorf("%s: check says %v", c.rule, err)
		}
	}
	// Without several origins there is no such key.
	r.Arms = r.Arms[2:]
	e, err := ParseExpression("requests.failed{origin=api} == 0")
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Check(outline(r), "p"); err == nil || !strings.Contains(err.Error(), `"origin" is no axis`) {
		t.Errorf("%v", err)
	}
}

// TestAnAxisNamedOrigin is what older documents may have.
func TestAnAxisNamedOrigin(t *testing.T) {
	r := twoOrigins()
	r.Arms = []Arm{r.Arms[2]}
	r.Arms[0].Axes = map[string]string{"origin": "far"}
	e, err := ParseExpression("requests.failed{origin=far} == 7")
	if err != nil {
		t.Fatal(err)
	}
	if out := e.Evaluate(r, "p"); !out.Pass {
		t.Errorf("%+v", out)
	}
}

func TestOriginsAreValidated(t *testing.T) {
	r := twoOrigins()
	if err := Validate(r); err != nil {
		t.Fatal(err)
	}
	v := r.Arms[0].Origins[0].Metrics["latency.p99"]
	v.Unit = "s"
	r.Arms[0].Origins[0].Metrics["latency.p99"] = v
	r.Arms[1].Origins[1].Name = "api"
	err := Validate(r)
	for _, want := range []string{`origins[0] api: latency.p99: unit is "s"`, "origins[1] api: the name is missing or taken"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
