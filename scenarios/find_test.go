package scenarios

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestFindIsChecked(t *testing.T) {
	const slo = `slo: ["latency.p99 < 50ms"]`
	for _, c := range []struct{ workload, want string }{
		{"{arrivals: {model: poisson}, find: {" + slo + ", from: 100/s, to: 20000/s, within: 5%, step: 5s}}", ""},
		{"{arrivals: {model: constant}, find: {" + slo + "}}", ""},
		{"{find: {" + slo + "}}", "x.yaml:2: workload.find.slo: find searches for a rate, but arrivals are closed: viewers who wait"},
		{"{arrivals: {model: stages, stages: [{rate: 1/s, for: 5s}]}, find: {" + slo + "}}", "arrivals of the model stages have a course of their own"},
		{"{arrivals: {model: poisson, rate: 9/s}, find: {" + slo + "}}", "find chooses the rate; remove it here"},
		{"{arrivals: {model: poisson}, find: {" + slo + ", from: 30000/s}}", "a search from 30000/s to 20000/s has nowhere to go"},
		{"{arrivals: {model: poisson}, find: {" + slo + ", from: 1/s}}", "a step of 2s at 1/s has 2 requests"},
		{"{arrivals: {model: poisson}, warmup: 3s, find: {" + slo + "}}", "the warm-up of a step (3s) must be shorter than the step (2s)"},
		{"{arrivals: {model: poisson}, duration: 7s, find: {" + slo + "}}", "workload.duration: find measures each rate for find.step"},
		{"{arrivals: {model: poisson, rate: 9/s}, find: {from: 10/s}}", "workload.find.from: find needs an objective; add slo"},
		{"{arrivals: {model: poisson, rate: 9/s}, find: {slo: []}}", "workload.find.slo: is an empty list"},
		{"{arrivals: {model: poisson}, find: {" + slo + ", within: 0.05}}", `workload.find.within: "0.05" is not a share; write a number and a percent sign: 5%`},
		{"{arrivals: {model: poisson}, find: {" + slo + ", within: 60%}}", `60% is more than 50%`},
	} {
		s, err := Load(Source{File: "x.yaml", Content: []byte("version: 1\nworkload: " + c.workload + "\n")})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.workload, err, c.want)
		}
		if err != nil && len(strings.Split(err.Error(), "\n")) != 1 {
			t.Errorf("%s: more than one problem: %v", c.workload, err)
		}
		if f := s.Experiments[0].Cells()[0].Workload.Find; err == nil && (f.To != 20000 || f.Within != 0.05) {
			t.Errorf("%s: %+v", c.workload, f)
		}
	}
}

// An experiment that searches takes neither the rate nor the duration of
// others, and one that does not is hashed as before there were searches.
func TestFindIsOfItsExperiment(t *testing.T) {
	s, err := Load(Source{File: "x.yaml", Content: []byte(`
version: 1
workload: {arrivals: {model: poisson, rate: 100/s}, duration: 9s}
experiments:
  - {name: at-a-rate}
  - {name: search, workload: {find: {slo: ["failed == 0"], step: 3s}}}
`)})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Rate{100, 0} {
		if got := s.Experiments[i].Cells()[0].Workload.Arrivals.Rate; got != want {
			t.Errorf("%s arrives at %v, want %v", s.Experiments[i].Name, got, want)
		}
	}
	for i, want := range []bool{false, true} {
		text, err := json.Marshal(s.Experiments[i].Workload)
		if err != nil || strings.Contains(string(text), "find") != want {
			t.Errorf("%s, %v", text, err)
		}
	}
}
