package scenarios

import "fmt"

// Find is a search for the highest arrival rate that keeps an objective.
type Find struct {
	SLO    []string `yaml:"slo" json:"slo" axis:"no" items:"1" pattern:"line" doc:"What must hold at a rate, all of it: rules in the grammar of expect without selectors, for example latency.p99 < 50ms and requests.failed == 0. p50, p90, p99, p999 and max are short for latency's, failed and dropped for requests'."`
	From   Rate     `yaml:"from" json:"from" axis:"no" min:"0.01/s" max:"100000/s" doc:"The rate that the search begins at; it doubles from there until the objective is not kept."`
	To     Rate     `yaml:"to" json:"to" axis:"no" min:"0.01/s" max:"100000/s" doc:"The highest rate to try."`
	Within Percent  `yaml:"within" json:"within" axis:"no" min:"1%" max:"50%" doc:"The search ends when the lowest rate that was not kept is above the highest that was by no more than this."`
	Step   Duration `yaml:"step" json:"step" axis:"no" min:"100ms" max:"10m" doc:"How long each rate is measured, after workload.warmup at the same rate. A rate that is not kept is measured again before it counts."`
}

// findDefaults is what a search goes by where it does not say.
var findDefaults = Find{From: 10, To: 20000, Within: 0.05, Step: 2e9}

// settle writes the defaults of a search; what is none stays empty.
func (f *Find) settle() {
	if !f.On() {
		return
	}
	if f.From == 0 {
		f.From = findDefaults.From
	}
	if f.To == 0 {
		f.To = findDefaults.To
	}
	if f.Within == 0 {
		f.Within = findDefaults.Within
	}
	if f.Step == 0 {
		f.Step = findDefaults.Step
	}
}

// settleFind writes the defaults of an experiment's search.
func (e *Experiment) settleFind() {
	e.Workload.Find.settle()
	for i := range e.cells {
		e.cells[i].Workload.Find.settle()
	}
}

// On reports whether a rate is searched for.
func (f Find) On() bool { return len(f.SLO) > 0 }

// IsZero leaves a search that is none out of what is hashed and written.
func (f Find) IsZero() bool { return !f.On() }

// leastRequests is of how many requests a step's percentiles say anything.
const leastRequests = 20

func fromBelowTo(s *Settings) string {
	if f := s.Workload.Find; f.On() && f.From >= f.To {
		return fmt.Sprintf("a search from %s to %s has nowhere to go; make from less than to", f.From, f.To)
	}
	return ""
}

func findIsOpen(s *Settings) string {
	switch model := s.Workload.Arrivals.Model; {
	case !s.Workload.Find.On():
	case model == "closed":
		return "find searches for a rate, but arrivals are closed: viewers who wait for their answers never come faster than these; use model: poisson (or constant)"
	case model != "poisson" && model != "constant":
		return "find searches for a rate, but arrivals of the model " + model + " have a course of their own; use model: poisson (or constant)"
	}
	return ""
}

func findHasNoRate(s *Settings) string {
	if s.Workload.Find.On() && s.Workload.Arrivals.Rate != 0 {
		return "find chooses the rate; remove it here, or remove find"
	}
	return ""
}

func findStepHolds(s *Settings) string {
	f := s.Workload.Find
	if due := float64(f.From) * float64(f.Step) / 1e9; f.On() && due < leastRequests {
		return fmt.Sprintf("a step of %s at %s has %.3g requests, and percentiles of fewer than %d say nothing; make step longer or from higher", f.Step, f.From, due, leastRequests)
	}
	return ""
}

func findWarmsUp(s *Settings) string {
	if f := s.Workload.Find; f.On() && s.Workload.Mode != "handshakes" && s.Workload.Warmup >= f.Step {
		return fmt.Sprintf("the warm-up of a step (%s) must be shorter than the step (%s); shorten it or measure longer", s.Workload.Warmup, f.Step)
	}
	return ""
}

// find refuses a search without an objective, and a duration beside one.
func (d *decoder) find(e *Experiment) {
	if !e.Workload.Find.On() {
		for _, key := range []string{"from", "to", "within", "step"} {
			if path, own := d.ownPath(e, &Cell{}, "workload.find."+key); own && !d.bad(joinPath(e.prefix, "workload.find")) {
				d.report(path, "find needs an objective; add slo, for example slo: [\"latency.p99 < 50ms\", \"requests.failed == 0\"]")
			}
		}
		return
	}
	if path, own := d.ownPath(e, &Cell{}, "workload.duration"); own && !d.bad(path) {
		d.report(path, "find measures each rate for find.step, and has no duration; write step in find, and remove the duration")
	}
}
