package wire

import (
	"time"

	"golang.org/x/sys/windows"
)

// processCPU returns the CPU time of this process, user and system.
func processCPU() time.Duration {
	var created, exited, system, user windows.Filetime
	if windows.GetProcessTimes(windows.CurrentProcess(), &created, &exited, &system, &user) != nil {
		return 0 // it only fails for a handle that this is not
	}
	// Not Filetime.Nanoseconds, which counts from 1970. The unit is 100 ns.
	ticks := func(t windows.Filetime) int64 { return int64(t.HighDateTime)<<32 | int64(t.LowDateTime) }
	return time.Duration(100 * (ticks(system) + ticks(user)))
}
