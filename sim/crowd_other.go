//go:build !linux

package sim

import "time"

func machineCPU() (work, idle time.Duration, err error) { return 0, 0, errNoCPUClock }
