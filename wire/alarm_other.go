//go:build !linux

package wire

// NewAlarm returns the best alarm that the system has, here a timer of the
// runtime: fine is false, it wakes up to a millisecond late.
func NewAlarm() (a Alarm, fine bool) { return newTimerAlarm(), false }
