package sim

import (
	"context"
	"time"

	"github.com/originpull/originpull/wire"
)

// spin is how long before its instant an alarm stops sleeping at most: a
// sleeper wakes some 50 µs late, and this hides it.
const spin = 100 * time.Microsecond

// alarm waits until an instant. Its resolution is what the send error of a run
// shows. Where the system's alarm is fine it spins for the last moment; a timer
// of the runtime is too coarse for that to help.
//
// Note: a locked thread that sleeps by itself looks better, and is not. Under
// SCHED_FIFO it wakes within 1 µs, but it needs a processor of the runtime to
// hand a request over: with one the request then waits for the answers, with
// two for another thread to be woken. Measured at 500/s: 38–170 µs until a
// request began instead of 7–14, and twice the edge's CPU.
type alarm struct {
	ring wire.Alarm
	fine bool
	spun time.Duration // CPU
}

func newAlarm() *alarm {
	ring, fine := wire.NewAlarm()
	return &alarm{ring: ring, fine: fine}
}

// wait returns at the instant, never before, or with the context's error.
func (a *alarm) wait(ctx context.Context, at time.Time) error {
	early := time.Duration(0)
	if a.fine {
		early = min(spin, time.Until(at)/10) // so that spinning takes at most a tenth of a processor
	}
	for ctx.Err() == nil {
		d := time.Until(at) - early
		if d <= 0 {
			break
		}
		if err := a.sleep(ctx, d); err != nil {
			return err
		}
	}
	if ctx.Err() != nil || !time.Now().Before(at) {
		return ctx.Err()
	}
	began := threadCPU() // the runtime moves no goroutine within so short a time
	for time.Now().Before(at) {
		continue
	}
	a.spun += max(0, threadCPU()-began)
	return nil
}

// sleep waits for a while, or until the context ends.
func (a *alarm) sleep(ctx context.Context, d time.Duration) error {
	if err := a.ring.Set(d); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = a.ring.Set(0) })() // an alarm that is closed needs no waking
	return a.ring.Wait()
}

// cpu is what it spun away.
func (a *alarm) cpu() time.Duration { return a.spun }

// name says what it is, for the result.
func (a *alarm) name() string {
	if a.fine {
		return "timerfd, spinning for the last 100 µs"
	}
	return "runtime timer"
}

func (a *alarm) close() error { return a.ring.Close() }
