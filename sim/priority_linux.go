package sim

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// hopNice is the nice value of a hop's threads where it is permitted.
const hopNice = -19

// autogroup is where a session's own nice value is set. Where the kernel has
// such groups (sched(7)), those of threads count within their session alone: a
// build in another terminal would have as much of the machine as they.
const autogroup = "/proc/self/autogroup"

// hasten lets this process, which has a session to itself, go before others of
// the machine. Real-time scheduling would not do: threads of Go's that spin for
// one another would then keep the very thread from running that they wait for.
func hasten() error {
	err := os.WriteFile(autogroup, []byte(strconv.Itoa(hopNice)), 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("asking for a higher priority: %w", err)
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("asking for a higher priority: %w", err)
	}
	for _, task := range tasks { // threads that begin later inherit it
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		if err := unix.Setpriority(unix.PRIO_PROCESS, tid, hopNice); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("asking for a higher priority: %w", err)
		}
	}
	return nil
}
