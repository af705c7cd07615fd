package sim

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// realtimePriority is low among those of SCHED_FIFO, below the kernel's own.
const realtimePriority = 10

// threadCPU is the CPU clock of the calling thread, 0 if it cannot be read.
func threadCPU() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

// realtime gives every thread of this process SCHED_FIFO; threads that start
// later have it from those that start them. It needs GOMAXPROCS=1: two threads
// of the runtime that wait for a third by spinning would keep it from running.
func realtime() error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("asking for real-time scheduling: %w", err)
	}
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: realtimePriority}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		if err := unix.SchedSetAttr(tid, &attr, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("asking for real-time scheduling: %w", err)
		}
	}
	return nil
}
