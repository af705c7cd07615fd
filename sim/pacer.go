package sim

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/originpull/originpull/scenarios"
)

// Pacer yields the due times of an open-loop schedule, one after the other,
// as offsets from its start. One pacer paces all viewers of an arm: a
// schedule per connection would send bursts.
type Pacer interface {
	Next() time.Duration
}

// NewPacer returns the pacer of an open arrival model. The same seed yields
// the same schedule.
func NewPacer(arrivals scenarios.Arrivals, seed uint64) (Pacer, error) {
	if arrivals.Model == "stages" {
		return newStagesPacer(arrivals.Stages)
	}
	rate := float64(arrivals.Rate)
	if rate <= 0 {
		return nil, fmt.Errorf("arrivals %q need a rate above 0, not %v", arrivals.Model, arrivals.Rate)
	}
	switch arrivals.Model {
	case "constant":
		return &constantPacer{interval: float64(time.Second) / rate}, nil
	case "poisson", "trace": // an embedded trace has no times
		return &poissonPacer{rate: rate, random: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))}, nil
	}
	return nil, fmt.Errorf("arrivals %q have no schedule", arrivals.Model)
}

// constantPacer spaces arrivals evenly. It multiplies instead of adding up,
// so that rounding does not drift.
type constantPacer struct {
	interval float64 // ns
	n        int64
}

func (p *constantPacer) Next() time.Duration {
	due := time.Duration(float64(p.n) * p.interval)
	p.n++
	return due
}

// poissonPacer draws exponential gaps.
type poissonPacer struct {
	rate   float64 // per second
	random *rand.Rand
	due    float64 // seconds
}

func (p *poissonPacer) Next() time.Duration {
	p.due += p.random.ExpFloat64() / p.rate
	return time.Duration(p.due * float64(time.Second))
}

// stagesPacer spaces arrivals evenly under a rate that steps and ramps: the
// n-th is due when the integral of the rate is n.
type stagesPacer struct {
	stages []ramp
	n      int64   // of the next arrival
	before float64 // arrivals of the stages that are over
	start  float64 // seconds, of the stage under way
}

// ramp is a stage with both its rates.
type ramp struct{ from, to, length float64 }

func newStagesPacer(stages []scenarios.Stage) (Pacer, error) {
	if len(stages) == 0 {
		return nil, errors.New("the stages model needs stages")
	}
	p := &stagesPacer{}
	last := 0.0
	for _, s := range stages {
		r := ramp{from: float64(s.Rate), to: float64(s.Rate), length: time.Duration(s.For).Seconds()}
		if s.Rate == 0 {
			r.from, r.to = last, float64(s.To)
		}
		last = r.to
		p.stages = append(p.stages, r)
	}
	return p, nil
}

func (p *stagesPacer) Next() time.Duration {
	for len(p.stages) > 0 {
		s := p.stages[0]
		within := float64(p.n) - p.before // of this stage's arrivals
		if arrivals := (s.from + s.to) / 2 * s.length; within >= arrivals {
			p.before += arrivals
			p.start += s.length
			p.stages = p.stages[1:]
			continue
		}
		p.n++
		at := 0.0
		if within > 0 { // from·t + (to-from)/(2·length)·t² = within, in the form that does not cancel
			at = 2 * within / (s.from + math.Sqrt(s.from*s.from+2*(s.to-s.from)/s.length*within))
		}
		return time.Duration((p.start + at) * float64(time.Second))
	}
	return math.MaxInt64
}
