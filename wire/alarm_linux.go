package wire

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// fdAlarm is a timerfd read through the poller: it wakes tens of microseconds
// late instead of up to a millisecond, without a spinning or locked thread.
type fdAlarm struct {
	file *os.File
	raw  syscall.RawConn
}

// NewAlarm returns the best alarm that the system has. It is fine when it wakes
// some tens of microseconds late, and not up to a millisecond as timers of the
// runtime do.
func NewAlarm() (a Alarm, fine bool) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return newTimerAlarm(), false
	}
	file := os.NewFile(uintptr(fd), "timerfd")
	raw, err := file.SyscallConn()
	if err != nil {
		return newTimerAlarm(), false // the file's finalizer closes it
	}
	return &fdAlarm{file: file, raw: raw}, true
}

func (a *fdAlarm) Set(d time.Duration) error {
	// Zero would disarm it.
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(d.Nanoseconds(), 1))}
	var armed error
	err := a.raw.Control(func(fd uintptr) { armed = unix.TimerfdSettime(int(fd), 0, &spec, nil) })
	if err := errors.Join(err, armed); err != nil {
		return fmt.Errorf("arming a timer: %w", err)
	}
	return nil
}

func (a *fdAlarm) Wait() error {
	var expirations [8]byte
	_, err := a.file.Read(expirations[:])
	switch {
	case errors.Is(err, os.ErrClosed):
		return net.ErrClosed
	case err != nil:
		return fmt.Errorf("waiting for a timer: %w", err)
	}
	return nil
}

func (a *fdAlarm) Close() error { return a.file.Close() }
