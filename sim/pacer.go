package sim

import (
	"context"
	"fmt"
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
	rate := float64(arrivals.Rate)
	if rate <= 0 {
		return nil, fmt.Errorf("arrivals %q need a rate above 0, not %v", arrivals.Model, arrivals.Rate)
	}
	switch arrivals.Model {
	case "constant":
		return &constantPacer{interval: float64(time.Second) / rate}, nil
	case "poisson":
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

// alarm waits until an instant. Its resolution is what the send error of a
// run shows; newAlarm chooses the best the system offers.
type alarm interface {
	// wait returns at the instant, or with the context's error.
	wait(ctx context.Context, at time.Time) error
	close() error
}

// timerAlarm is the portable alarm. The runtime's timers wake up to a
// millisecond late, because the poller counts in milliseconds.
type timerAlarm struct{}

func (timerAlarm) wait(ctx context.Context, at time.Time) error {
	d := time.Until(at)
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (timerAlarm) close() error { return nil }
