package results

import (
	"strings"
	"testing"
)

// searchedArm is an arm whose search came to a rate.
func searchedArm(name, outcome string, kept, broken float64) Arm {
	a := Arm{Name: name, Role: RoleArm, Axes: map[string]string{"pool": strings.TrimPrefix(name, "x/pool=")}, Metrics: map[string]Value{}, Trials: []Trial{{
		Index: 1, Complete: true, Search: &Search{Outcome: outcome, Reason: "because", Kept: kept, Broken: broken},
	}}}
	if kept > 0 {
		a.Metrics[MetricCapacity] = NewValue(MetricCapacity, kept, 1)
	}
	return a
}

// A capacity of which only a lower bound is known decides what the bound
// decides, and leaves the rest open.
func TestRulesOnACapacity(t *testing.T) {
	r := &Result{Arms: []Arm{
		searchedArm("x/pool=on", SearchBeyond, 8000, 0),
		searchedArm("x/pool=off", SearchFound, 700, 740),
		searchedArm("x/pool=below", SearchBelow, 0, 100),
		searchedArm("x/pool=none", SearchHarness, 0, 0),
	}}
	for _, c := range []struct {
		rule               string
		pass, inconclusive bool
		detail             string
	}{
		{"capacity{pool=off} > 600/s", true, false, "700 /s"},
		{"capacity{pool=off} < 600/s", false, false, "700 /s, want < 600 /s"},
		{"capacity{pool=on} > 5000/s", true, false, "8000 /s"},
		{"capacity{pool=on} >= 9000/s", false, true, "a lower bound only"},
		{"capacity{pool=on} < 9000/s", false, true, "a lower bound only"},
		{"capacity{pool=on} == 8000/s", false, true, "a lower bound only"},
		{"capacity{pool=on} / capacity{pool=off} > 5", true, false, "11.4286"},
		{"capacity{pool=on} / capacity{pool=off} > 12", false, true, "a lower bound only"},
		{"capacity{pool=on} / capacity{pool=off} < 12", false, true, "a lower bound only"},
		{"capacity{pool=off} / capacity{pool=on} < 0.5", false, true, "a lower bound only"},
		{"capacity{pool=on} > capacity{pool=off}", true, false, "8000 /s"},
		{"capacity{pool=off} < capacity{pool=on}", false, true, "a lower bound only"},
		{"capacity{pool=below} > 50/s", false, false, "because"},
		{"capacity{pool=none} > 50/s", false, true, "a lower bound only"},
	} {
		e, err := ParseExpression(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		got := e.Evaluate(r, "")
		if got.Pass != c.pass || got.Inconclusive != c.inconclusive || !strings.Contains(got.Detail, c.detail) {
			t.Errorf("%s: %+v", c.rule, got)
		}
	}
}

func FuzzParseObjective(f *testing.F) {
	for _, text := range []string{"p99 < 50ms", "failed == 0", "latency.p999 <= 1s", "reuse.ratio > 95 %", "p99{a=b} < 1", "capacity > 3/s", "p50 / p99 < 1", "dropped=0", "max<"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParseObjective(text)
		if err != nil {
			return
		}
		again, err := ParseObjective(e.String())
		if err != nil || again.String() != e.String() {
			t.Errorf("%q reads as %s, which reads as %v, %v", text, e, again, err)
		}
		if got := e.Evaluate(&Result{Arms: []Arm{{Name: "a", Role: RoleArm}}}, ""); got.Pass {
			t.Errorf("%s holds of an arm without metrics: %+v", e, got)
		}
	})
}

func TestShortObjectives(t *testing.T) {
	for text, want := range map[string]string{"p99 < 50ms": "latency.p99 < 50ms", "failed == 0": "requests.failed == 0", "max<1s": "latency.max < 1s", "cache.hit.ratio > 90 %": "cache.hit.ratio > 90%"} {
		e, err := ParseObjective(text)
		if err != nil || e.String() != want {
			t.Errorf("%s reads as %v, %v, want %s", text, e, err, want)
		}
	}
}
