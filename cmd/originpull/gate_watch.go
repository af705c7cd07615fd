package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/originpull/originpull/results"
)

// What makes a machine too noisy for a timed verdict: a share of its CPU that
// the hypervisor gave to others, of the time in which a quota stopped us, and
// of the blocks in which other processes had the processors.
const (
	maxStolen    = 0.10
	maxThrottled = 0.10
	maxCrowded   = 0.50
)

// watch keeps what the machine did beside the gate. What a system does not
// tell is left out: only Linux does.
type watch struct {
	before          machine
	counted, crowds int
}

// machine is a reading of the kernel's counters.
type machine struct {
	known          bool
	busy, stolen   float64 // ticks of all processors, idle ones included in busy
	periods, stops float64 // of the cgroup's quota
	load           string
	running        string // processes that want a processor, of all
}

func startWatch() *watch { return &watch{before: readMachine()} }

func (w *watch) blocks(r *results.Result) {
	for _, x := range r.Experiments {
		w.counted += x.Blocks
		w.crowds += x.Crowded
	}
}

// end writes what happened into the environment and says what was too much.
func (w *watch) end(environment map[string]string) []string {
	var noise []string
	tell := func(key string, share, most float64, what string) {
		environment[key] = strconv.FormatFloat(share, 'f', 4, 64)
		if share > most {
			noise = append(noise, fmt.Sprintf("%s %.0f %%, more than %.0f %%", what, 100*share, 100*most))
		}
	}
	environment["cores"] = strconv.Itoa(runtime.NumCPU())
	if runtime.NumCPU() < 2 {
		noise = append(noise, "there is one core only: both ends of a connection and this program share it")
	}
	after := readMachine()
	if w.before.known && after.known {
		if total := after.busy - w.before.busy; total > 0 {
			tell("steal", (after.stolen-w.before.stolen)/total, maxStolen, "the hypervisor took")
		}
		if periods := after.periods - w.before.periods; periods > 0 {
			tell("throttled", (after.stops-w.before.stops)/periods, maxThrottled, "the quota of the cgroup stopped us in")
		}
		environment["load.before"], environment["load.after"] = w.before.load, after.load
		environment["running.before"], environment["running.after"] = w.before.running, after.running
	}
	if w.counted > 0 {
		tell("crowded", float64(w.crowds)/float64(w.counted), maxCrowded, "other processes had the processors in")
	}
	return noise
}

// readMachine reads /proc and, where there is a quota, the cgroup.
func readMachine() machine {
	var m machine
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return m
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	fields := strings.Fields(line)
	for i, text := range fields {
		if i == 0 || i > 8 { // guest time is part of user time
			continue
		}
		ticks, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return machine{}
		}
		m.busy += ticks
		if i == 8 {
			m.stolen = ticks
		}
	}
	m.known = true
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		if words := strings.Fields(string(load)); len(words) > 3 {
			m.load, m.running = words[0], words[3]
		}
	}
	m.periods, m.stops = cgroupQuota()
	return m
}

// cgroupQuota reads how many periods of the quota there were and in how many
// it stopped the group (cgroup v2); zeros where there is none.
func cgroupQuota() (periods, stops float64) {
	text, err := os.ReadFile("/sys/fs/cgroup/cpu.stat")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) != 2 {
			continue
		}
		v, err := strconv.ParseFloat(words[1], 64)
		if err != nil {
			continue
		}
		switch words[0] {
		case "nr_periods":
			periods = v
		case "nr_throttled":
			stops = v
		}
	}
	return periods, stops
}
