package sim

import (
	"bufio"
	"fmt"
	"os"
	"time"
)

// tick is the unit of /proc/stat (USER_HZ).
const tick = 10 * time.Millisecond

// machineCPU reads what all processors together have done since the machine
// started: for processes and for other machines on this one (work), and nothing
// (idle). What interrupts take is neither: most of it here is our own packets'.
func machineCPU() (work, idle time.Duration, err error) {
	file, err := os.Open("/proc/stat")
	if err != nil {
		return 0, 0, fmt.Errorf("reading what the processors do: %w", err)
	}
	defer func() { _ = file.Close() }()
	var user, nice, system, idling, waiting, irq, softirq, steal int64
	if _, err := fmt.Fscanf(bufio.NewReader(file), "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idling, &waiting, &irq, &softirq, &steal); err != nil {
		return 0, 0, fmt.Errorf("reading what the processors do: %w", err)
	}
	return time.Duration(user+nice+system+steal) * tick, time.Duration(idling+waiting) * tick, nil
}
