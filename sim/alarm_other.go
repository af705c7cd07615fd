//go:build !linux

package sim

import (
	"errors"
	"time"
)

func threadCPU() time.Duration { return 0 }

func realtime() error { return errors.New("real-time scheduling can be asked for on Linux only") }
