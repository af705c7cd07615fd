package report

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/originpull/originpull/results"
)

func init() {
	register(format{
		Format: Format{Name: "benchfmt", Title: "Go's benchmark format, for benchstat: one line for each trial"},
		render: benchmarks,
	})
}

// benchmarks writes a result line for each trial of each arm, and one more
// for what an arm has only as a whole: exact values and percentiles.
//
// Note: every name ends in the workers' GOMAXPROCS, because readers take a
// number after the last hyphen for it, and a key type may end in one.
func benchmarks(out *bytes.Buffer, r *results.Result, _ Options) error {
	for _, c := range [][2]string{
		{"schema", results.SchemaName},
		{"scenario", r.Scenario.Name},
		{"digest", r.Scenario.Digest},
		{results.EnvCPU, r.Environment[results.EnvCPU]},
		{"goos", r.Environment[results.EnvOS]},
		{"goarch", r.Environment[results.EnvArch]},
		{"go", r.Environment[results.EnvGo]},
	} {
		if text := oneLine(c[1]); text != "" {
			fmt.Fprintf(out, "%s: %s\n", c[0], text)
		}
	}
	for _, m := range results.Metrics() {
		writeUnit(out, r, m)
	}
	for i := range r.Arms {
		a := &r.Arms[i]
		name := benchName(a)
		inTrials := map[string]bool{}
		for _, t := range a.Trials {
			values := map[string]float64{}
			for metric, v := range t.Metrics {
				inTrials[metric] = true
				values[metric] = v
			}
			writeBenchmark(out, name, 1, values)
		}
		whole, samples := map[string]float64{}, 0
		for metric, v := range a.Metrics {
			if v.N > 0 && !inTrials[metric] {
				whole[metric], samples = v.Value, max(samples, v.N)
			}
		}
		writeBenchmark(out, name, max(1, samples), whole)
	}
	return nil
}

// writeUnit tells readers which direction is better and what needs no
// statistics.
func writeUnit(out *bytes.Buffer, r *results.Result, m results.Metric) {
	if !slices.ContainsFunc(r.Arms, func(a results.Arm) bool { return a.Metrics[m.Name].N > 0 }) {
		return
	}
	unit, _ := benchUnit(m)
	if m.Better != results.Neither {
		fmt.Fprintf(out, "Unit %s better=%s\n", unit, m.Better)
	}
	if m.Kind == results.Exact {
		fmt.Fprintf(out, "Unit %s assume=exact\n", unit)
	}
}

// benchUnit is the unit under which readers find a metric, and what its value
// is multiplied with. They recognise ns and B at the end of a unit.
func benchUnit(m results.Metric) (unit string, factor float64) {
	switch m.Unit {
	case "us":
		return m.Name + "-ns", 1e3
	case "ms":
		return m.Name + "-ns", 1e6
	case "s":
		return m.Name + "-ns", 1e9
	case "B":
		return m.Name + "-B", 1
	case "/s":
		return m.Name + "/s", 1
	}
	return m.Name, 1
}

func writeBenchmark(out *bytes.Buffer, name string, iterations int, values map[string]float64) {
	var parts []string
	for _, metric := range slices.Sorted(maps.Keys(values)) {
		if m, known := results.MetricNamed(metric); known {
			unit, factor := benchUnit(m)
			parts = append(parts, decimal(values[metric]*factor)+" "+unit)
		}
	}
	if len(parts) > 0 {
		fmt.Fprintf(out, "%s %d %s\n", name, iterations, strings.Join(parts, " "))
	}
}

// benchName is Benchmark, the experiment, and a part for each axis.
func benchName(a *results.Arm) string {
	experiment := benchWord(a.Experiment)
	if experiment == "" {
		experiment = "run"
	}
	name := "Benchmark" + strings.ToUpper(experiment[:1]) + experiment[1:]
	if a.Role != results.RoleArm {
		name += "/role=" + string(a.Role)
	}
	for _, axis := range axisNames(a) {
		name += "/" + benchWord(axis) + "=" + benchWord(a.Axes[axis])
	}
	return name + "-1"
}

// benchWord replaces what would end a name or a part of it. A first letter
// that is not ASCII gets an x before it, so that it can be a capital.
func benchWord(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '/' || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, s)
	if s != "" && s[0] >= 0x80 {
		return "x" + s
	}
	return s
}

// oneLine strips what would begin another line or cannot be seen.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsGraphic(r) {
			return -1
		}
		return r
	}, s))
}
