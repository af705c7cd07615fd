package wire

import (
	"net"
	"time"
)

// Alarm wakes one waiter. Anyone may set it, also while it is waited for.
type Alarm interface {
	// Set makes it ring in d from now, and no more when it was set for.
	Set(d time.Duration) error
	// Wait returns when it rings, at once if it has; net.ErrClosed after
	// Close. It may return early.
	Wait() error
	Close() error
}

// timerAlarm is the portable alarm, and the one on virtual time. The runtime's
// timers wake up to a millisecond late.
type timerAlarm struct {
	timer  *time.Timer
	closed chan struct{}
}

func newTimerAlarm() Alarm {
	a := timerAlarm{timer: time.NewTimer(time.Hour), closed: make(chan struct{})}
	a.timer.Stop()
	return a
}

func (a timerAlarm) Set(d time.Duration) error {
	a.timer.Reset(d)
	return nil
}

func (a timerAlarm) Wait() error {
	select {
	case <-a.timer.C:
		return nil
	case <-a.closed:
		return net.ErrClosed
	}
}

func (a timerAlarm) Close() error {
	a.timer.Stop()
	close(a.closed)
	return nil
}

// newAlarm is NewAlarm for whoever takes what there is.
func newAlarm() Alarm {
	a, _ := NewAlarm()
	return a
}
