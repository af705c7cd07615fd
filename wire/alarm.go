package wire

import (
	"net"
	"time"
)

// alarm wakes one waiter. Anyone may set it, also while it is waited for.
type alarm interface {
	// set makes it ring in d from now, and no more when it was set for.
	set(d time.Duration) error
	// wait returns when it rings, at once if it has; net.ErrClosed after
	// close. It may return early.
	wait() error
	close() error
}

// timerAlarm is the portable alarm, and the one on virtual time. The runtime's
// timers wake up to a millisecond late.
type timerAlarm struct {
	timer  *time.Timer
	closed chan struct{}
}

func newTimerAlarm() alarm {
	a := timerAlarm{timer: time.NewTimer(time.Hour), closed: make(chan struct{})}
	a.timer.Stop()
	return a
}

func (a timerAlarm) set(d time.Duration) error {
	a.timer.Reset(d)
	return nil
}

func (a timerAlarm) wait() error {
	select {
	case <-a.timer.C:
		return nil
	case <-a.closed:
		return net.ErrClosed
	}
}

func (a timerAlarm) close() error {
	a.timer.Stop()
	close(a.closed)
	return nil
}
