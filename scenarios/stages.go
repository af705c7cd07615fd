package scenarios

import "fmt"

// stagesWrong says what is wrong with stages, or "".
func stagesWrong(s *Settings) string {
	a := &s.Workload.Arrivals
	switch {
	case a.Model != "stages" && len(a.Stages) > 0:
		return "stages need model: stages, but arrivals are " + a.Model + "; change the model, or remove the stages"
	case a.Model == "stages" && len(a.Stages) == 0:
		return "the stages model needs stages; add some, for example [{rate: 100/s, for: 2s}, {to: 500/s, for: 3s}]"
	}
	var total Duration
	for i, stage := range a.Stages {
		if (stage.Rate > 0) == (stage.To > 0) {
			return fmt.Sprintf("stage %d needs either a rate to step to or a to to ramp to; write one of them", i+1)
		}
		total += stage.For
	}
	if len(a.Stages) > 0 && total != s.Workload.Duration {
		return fmt.Sprintf("the stages last %s together, but workload.duration is %s; make them the same", total, s.Workload.Duration)
	}
	return ""
}
