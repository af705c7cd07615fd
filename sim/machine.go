package sim

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"time"
)

// Check is one thing that a run needs of this machine.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"` // what was found, and what follows when it is not ok
}

// Examine looks at what runs need of this machine. It takes about a second,
// most of it to see how late the timer is and what a distance costs.
func Examine(ctx context.Context) []Check {
	return append([]Check{checkProcessors(), checkCPUClocks(), checkSources(ctx), checkTimer(ctx), checkValgrind()}, checkLinks(ctx)...)
}

func checkProcessors() Check {
	n := runtime.NumCPU()
	c := Check{Name: "processors", OK: n >= 2, Detail: fmt.Sprintf("%d", n)}
	if !c.OK {
		c.Detail += ": edge and origin share one, so latency holds both; counts and CPU stand"
	}
	return c
}

// processCPUAvailable says why CPU clocks of processes cannot be read here.
func processCPUAvailable() error {
	_, err := processCPU(os.Getpid())
	return err
}

func checkCPUClocks() Check {
	if err := processCPUAvailable(); err != nil {
		return Check{Name: "CPU clocks", Detail: err.Error()}
	}
	return Check{Name: "CPU clocks", OK: true, Detail: "those of other processes can be read"}
}

// checkSources tries the addresses that tell edges from attackers.
func checkSources(ctx context.Context) Check {
	c := Check{Name: "loopback addresses"}
	var lc net.ListenConfig
	for _, address := range []netip.Addr{edgeAddress(), netip.AddrFrom4([4]byte{127, 0, 9, 1})} {
		l, err := lc.Listen(ctx, "tcp", netip.AddrPortFrom(address, 0).String())
		if err != nil {
			c.Detail = fmt.Sprintf("%s cannot be used (%v): bypass attempts need several addresses of 127.0.0.0/8", address, err)
			return c
		}
		_ = l.Close()
	}
	c.OK, c.Detail = true, "edges and attackers can have addresses of their own"
	return c
}

func checkValgrind() Check {
	if err := CanCountInstructions(); err != nil {
		return Check{Name: "instructions", Detail: err.Error() + ": gate --instructions needs it, nothing else does"}
	}
	return Check{Name: "instructions", OK: true, Detail: "valgrind can count them, for gate --instructions"}
}

// How the timer is tried, and what a generator can live with.
const (
	timerTries = 200
	timerWait  = 2 * time.Millisecond
	timerGood  = 5 * time.Millisecond // rule 4: a generator is late above it
)

func checkTimer(ctx context.Context) Check {
	clock := newAlarm()
	defer func() { _ = clock.close() }()
	late := make([]time.Duration, 0, timerTries)
	for range timerTries {
		at := time.Now().Add(timerWait)
		if err := clock.wait(ctx, at); err != nil {
			return Check{Name: "timer", Detail: err.Error()}
		}
		late = append(late, time.Since(at))
	}
	slices.Sort(late)
	p50, p99 := late[timerTries/2], late[timerTries*99/100]
	return Check{
		Name: "timer", OK: p99 < timerGood,
		Detail: fmt.Sprintf("late by %v (half of %d waits), %v (99 of 100)", p50.Round(time.Microsecond), timerTries, p99.Round(time.Microsecond)),
	}
}
