package scenarios

import (
	"strings"
	"testing"
)

func TestStagesAreChecked(t *testing.T) {
	for _, c := range []struct{ arrivals, want string }{
		{"{model: stages, stages: [{rate: 100/s, for: 2s}, {to: 500/s, for: 3s}]}", ""},
		{"{model: stages}", "x.yaml:2: workload.arrivals.model: the stages model needs stages"},
		{"{model: poisson, rate: 1/s, stages: [{rate: 100/s, for: 5s}]}", "stages need model: stages, but arrivals are poisson"},
		{"{model: stages, stages: [{rate: 100/s, to: 3/s, for: 5s}]}", "stage 1 needs either a rate to step to or a to to ramp to"},
		{"{model: stages, stages: [{rate: 1/s, for: 2s}, {for: 3s}]}", "stage 2 needs either"},
		{"{model: stages, stages: [{rate: 1/s, for: 2s}]}", "the stages last 2s together, but workload.duration is 5s"},
		{"{model: stages, rate: 9/s, stages: [{rate: 1/s, for: 5s}]}", "stages have rates of their own"},
		{"{model: stages, stages: [{rate: 1/s}]}", "x.yaml:2: workload.arrivals.stages[0].for: is missing"},
		{"{model: stages, stages: [{rate: 0/s, for: 5s}]}", "workload.arrivals.stages[0].rate: 0/s is less than 0.01/s"},
	} {
		_, err := Load(Source{File: "x.yaml", Content: []byte("version: 1\nworkload: {duration: 5s, arrivals: " + c.arrivals + "}\n")})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.arrivals, err, c.want)
		}
	}
}
