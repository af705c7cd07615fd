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

func newAlarm() alarm {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return newTimerAlarm()
	}
	file := os.NewFile(uintptr(fd), "timerfd")
	raw, err := file.SyscallConn()
	if err != nil {
		return newTimerAlarm() // the file's finalizer closes it
	}
	return &fdAlarm{file: file, raw: raw}
}

func (a *fdAlarm) set(d time.Duration) error {
	// Zero would disarm it.
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(d.Nanoseconds(), 1))}
	var armed error
	err := a.raw.Control(func(fd uintptr) { armed = unix.TimerfdSettime(int(fd), 0, &spec, nil) })
	if err := errors.Join(err, armed); err != nil {
		return fmt.Errorf("arming a timer: %w", err)
	}
	return nil
}

func (a *fdAlarm) wait() error {
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

func (a *fdAlarm) close() error { return a.file.Close() }
