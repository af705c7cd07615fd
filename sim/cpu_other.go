//go:build !linux

package sim

import (
	"errors"
	"time"
)

// errNoCPUClock is why CPU metrics are absent, not zero, on this system.
var errNoCPUClock = errors.New("CPU clocks of other processes are read on Linux only; run there for CPU metrics")

func processCPU(int) (time.Duration, error) { return 0, errNoCPUClock }
