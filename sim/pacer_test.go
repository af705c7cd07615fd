package sim

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/originpull/originpull/scenarios"
)

func pacer(t *testing.T, model string, rate float64, seed uint64) Pacer {
	t.Helper()
	p, err := NewPacer(scenarios.Arrivals{Model: model, Rate: scenarios.Rate(rate)}, seed)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestConstantPacerDoesNotDrift(t *testing.T) {
	p := pacer(t, "constant", 3, 1) // a third of a second is not a whole number of ns
	for range 3_000_000 {
		p.Next()
	}
	if got := p.Next(); got != 1_000_000*time.Second {
		t.Errorf("arrival 3,000,001 is due at %v, want 1,000,000 s", got)
	}
}

func TestPoissonPacer(t *testing.T) {
	const n, rate = 200_000, 500.0
	p, again, other := pacer(t, "poisson", rate, 7), pacer(t, "poisson", rate, 7), pacer(t, "poisson", rate, 8)
	var sum, squares float64
	last, differ := time.Duration(0), false
	for range n {
		due := p.Next()
		if due < last {
			t.Fatalf("due times go back: %v after %v", due, last)
		}
		if due != again.Next() {
			t.Fatal("one seed gave two schedules")
		}
		differ = differ || due != other.Next()
		gap := (due - last).Seconds()
		sum, squares, last = sum+gap, squares+gap*gap, due
	}
	if !differ {
		t.Error("two seeds gave one schedule")
	}
	mean := sum / n
	cv := math.Sqrt(squares/n-mean*mean) / mean
	// Four standard errors: 1/√n for the mean and about √2/√n for the variation.
	if math.Abs(mean*rate-1) > 4/math.Sqrt(n) || math.Abs(cv-1) > 4*math.Sqrt2/math.Sqrt(n) {
		t.Errorf("mean gap %.6f s and variation %.4f, want 0.002 and 1", mean, cv)
	}
}

func TestPacerRefuses(t *testing.T) {
	for _, a := range []scenarios.Arrivals{{Model: "closed"}, {Model: "stages"}, {Model: "poisson"}, {Model: "constant", Rate: -1}} {
		if _, err := NewPacer(a, 1); err == nil {
			t.Errorf("%+v gave a schedule", a)
		}
	}
}

// coarse is an alarm on virtual time that now and then rings early, as any may.
type coarse struct {
	timer *time.Timer
	early int
}

func (c *coarse) Set(d time.Duration) error {
	if c.early > 0 {
		c.early--
		d /= 2
	}
	c.timer.Reset(d)
	return nil
}

func (c *coarse) Wait() error {
	<-c.timer.C
	return nil
}

func (c *coarse) Close() error { return nil }

func TestAlarmOnACoarseTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &alarm{ring: &coarse{timer: time.NewTimer(0), early: 2}}
		at := time.Now().Add(3 * time.Second)
		if err := a.wait(t.Context(), at); err != nil || !time.Now().Equal(at) || a.cpu() != 0 {
			t.Errorf("woke at %v with %v, want %v", time.Now(), err, at)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		before := time.Now()
		if err := a.wait(ctx, before.Add(time.Hour)); err == nil || time.Since(before) != time.Second {
			t.Errorf("a cancelled alarm returned %v after %v", err, time.Since(before))
		}
	})
}

// The system's alarm never rings early, and ends with its context.
func TestAlarm(t *testing.T) {
	a := newAlarm()
	defer func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	}()
	for range 20 {
		at := time.Now().Add(200 * time.Microsecond)
		if err := a.wait(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		if time.Now().Before(at) {
			t.Fatal("the alarm rang early")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.wait(ctx, time.Now().Add(time.Hour)); err == nil {
		t.Error("a cancelled alarm waited")
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	if err := a.wait(ctx, time.Now().Add(time.Hour)); err == nil {
		t.Error("an alarm outlived its context")
	}
}

// The n-th arrival of stages is due when the integral of their rate is n: steps,
// ramps up from nothing and down, and an end.
func TestStagesPacer(t *testing.T) {
	second := scenarios.Duration(time.Second)
	p, err := NewPacer(scenarios.Arrivals{Model: "stages", Stages: []scenarios.Stage{
		{To: 20, For: second}, {Rate: 5, For: 2 * second}, {To: 15, For: second}, {To: 5, For: second},
	}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	integral := func(s float64) float64 { // 10 in the first second, 10 in the next two, 10 and 10
		switch {
		case s < 1:
			return 10 * s * s
		case s < 3:
			return 10 + 5*(s-1)
		case s < 4:
			return 20 + 5*(s-3) + 5*(s-3)*(s-3)
		}
		return 30 + 15*(s-4) - 5*(s-4)*(s-4)
	}
	for n := range 40 {
		if due := p.Next(); math.Abs(integral(due.Seconds())-float64(n)) > 1e-6 {
			t.Errorf("arrival %d is due at %v, when %.6f are", n, due, integral(due.Seconds()))
		}
	}
	if due := p.Next(); due != math.MaxInt64 {
		t.Errorf("an arrival at %v, after the end", due)
	}
}
