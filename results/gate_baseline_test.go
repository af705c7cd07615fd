package results

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestCheckBaseline(t *testing.T) {
	r := decoded(t, "testdata/quickstart.result.json")
	if err := CheckBaseline(r, r.Scenario.Digest, r.Environment); err != nil {
		t.Error(err)
	}
	err := CheckBaseline(r, "sha256:0", map[string]string{EnvCPU: "another", EnvGo: "go9"})
	for _, want := range []string{"of the scenario", "of the CPU model", "of the Go version"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := r.CheckUsable(); err != nil {
		t.Error(err)
	}
	if err := decoded(t, "testdata/failed.result.json").CheckUsable(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("%v", err)
	}
	if err := decoded(t, "testdata/interrupted.result.json").CheckUsable(); err == nil || !strings.Contains(err.Error(), "not complete") {
		t.Errorf("%v", err)
	}
}

func TestAgainstBaseline(t *testing.T) {
	base, head := decoded(t, "testdata/quickstart.result.json"), decoded(t, "testdata/quickstart.result.json")
	pair := slices.IndexFunc(head.Pairs, func(p Pair) bool { return p.Role == PairAxis && len(p.Estimates) >= 8 })
	for _, r := range []*Result{base, head} { // eight trials of 1 %
		r.Pairs[pair].Estimates = around(8, 0.4, 0.01)
	}
	judgement := func() Judgement {
		judged, _ := Gate{}.AgainstBaseline(base, head)
		p := &head.Pairs[pair]
		i := slices.IndexFunc(judged, func(j Judgement) bool { return j.Name == p.A+" ÷ "+p.B && j.Rule.Metric == p.Metric })
		return judged[i]
	}
	if j := judgement(); j.Verdict != GatePassed || j.Estimate.Ratio != 1 {
		t.Errorf("the same ratio: %+v", j)
	}
	head.Pairs[pair].Estimates = around(8, 0.4+math.Log(1.2), 0.01)
	first := judgement()
	if !first.Candidate() {
		t.Fatalf("a ratio worse by 20 %%: %+v", first)
	}
	if j := (Gate{}).Confirmed([]Judgement{first}, []Judgement{first})[0]; j.Verdict != Regression || j.Fresh == nil {
		t.Errorf("twice: %+v", j)
	}
	quiet := first
	quiet.P = 0.5
	if j := (Gate{}).Confirmed([]Judgement{first}, []Judgement{quiet})[0]; j.Verdict != Undecided {
		t.Errorf("once: %+v", j)
	}
	head.Pairs = slices.Delete(head.Pairs, pair, pair+1)
	judged, exact := Gate{}.AgainstBaseline(base, head)
	if GateVerdict(judged) == GatePassed || slices.ContainsFunc(exact, func(j ExactJudgement) bool { return j.Fails() }) {
		t.Error("a ratio that is gone passes, or exact things changed")
	}
	// Absolute times and CPU are no part of it, whatever they are.
	for i := range head.Arms {
		for name, v := range head.Arms[i].Metrics {
			if v.Kind == CPU || v.Kind == Time {
				v.Value *= 10
				head.Arms[i].Metrics[name] = v
			}
		}
	}
	if again, _ := (Gate{}).AgainstBaseline(base, head); len(again) != len(judged) || GateVerdict(again) != GateVerdict(judged) {
		t.Error("absolute values are judged")
	}
	head.Arms[1].Labels[LabelGroup] = "another"
	_, exact = Gate{}.AgainstBaseline(base, head)
	if !slices.ContainsFunc(exact, func(j ExactJudgement) bool { return j.Fails() && j.What == LabelGroup }) {
		t.Error("another key exchange passes")
	}
	head.Arms = head.Arms[1:]
	_, exact = Gate{}.AgainstBaseline(base, head)
	if !slices.ContainsFunc(exact, func(j ExactJudgement) bool { return j.Fails() && j.What == "arm" }) {
		t.Error("an arm that is gone passes")
	}
}
