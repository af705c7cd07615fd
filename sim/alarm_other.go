//go:build !linux

package sim

import "errors"

func newAlarm() alarm { return timerAlarm{} }

func realtime() error { return errors.New("real-time scheduling can be asked for on Linux only") }
