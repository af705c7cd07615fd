package report

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/originpull/originpull/results"
)

func init() {
	register(format{
		Format: Format{Name: "openmetrics", Title: "gauges in OpenMetrics 1.0 text, for a push gateway or a file that is scraped"},
		render: openMetrics,
	})
}

// exposition writes families, each name once and all of its samples together,
// as the format demands.
type exposition struct {
	out      *bytes.Buffer
	scenario string
}

// family starts a family: its type, its unit ("" for none) and its help.
func (e exposition) family(name, unit, help string) {
	fmt.Fprintf(e.out, "# TYPE %s gauge\n", name)
	if unit != "" {
		fmt.Fprintf(e.out, "# UNIT %s %s\n", name, unit)
	}
	fmt.Fprintf(e.out, "# HELP %s %s\n", name, labelEscape.Replace(help))
}

// sample writes one value; labels are pairs of name and text.
func (e exposition) sample(name string, value float64, labels ...string) {
	parts := []string{`scenario="` + labelEscape.Replace(e.scenario) + `"`}
	for i := 0; i+1 < len(labels); i += 2 {
		parts = append(parts, labels[i]+`="`+labelEscape.Replace(labels[i+1])+`"`)
	}
	fmt.Fprintf(e.out, "%s{%s} %s\n", name, strings.Join(parts, ","), decimal(value))
}

var labelEscape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func openMetrics(out *bytes.Buffer, r *results.Result, _ Options) error {
	e := exposition{out: out, scenario: r.Scenario.Name}
	for _, m := range results.Metrics() {
		exposeMetric(e, r, m)
	}
	e.family("originpull_run_complete", "", "1 where the run came to its end")
	e.sample("originpull_run_complete", truth(r.Complete))
	e.family("originpull_run_valid", "", "1 where the measurement is valid")
	e.sample("originpull_run_valid", truth(r.Validity.Valid))
	e.family("originpull_run_elapsed_seconds", "seconds", "from start to verdict")
	e.sample("originpull_run_elapsed_seconds", r.Elapsed)
	exposeRules(e, r)
	exposeRows(e, r)
	out.WriteString("# EOF\n")
	return nil
}

// exposeMetric writes a metric of every arm that measured it, and the bounds
// of its interval as two families of their own.
func exposeMetric(e exposition, r *results.Result, m results.Metric) {
	measured := slices.DeleteFunc(pointers(r.Arms), func(a *results.Arm) bool { return a.Metrics[m.Name].N <= 0 })
	if len(measured) == 0 {
		return
	}
	unit, factor := baseUnit(m.Unit)
	write := func(suffix, help string, of func(results.Value) float64, has func(results.Value) bool) {
		name := "originpull_" + strings.ReplaceAll(m.Name, ".", "_") + suffix
		if unit != "" {
			name += "_" + unit
		}
		begun := false
		for _, a := range measured {
			v := a.Metrics[m.Name]
			if !has(v) {
				continue
			}
			if !begun {
				e.family(name, unit, help)
				begun = true
			}
			e.sample(name, of(v)*factor, "experiment", a.Experiment, "arm", a.Name, "role", string(a.Role))
		}
	}
	write("", m.Title, func(v results.Value) float64 { return v.Value }, func(results.Value) bool { return true })
	write("_low", "lower bound of: "+m.Title, func(v results.Value) float64 { return v.Low }, results.Value.HasInterval)
	write("_high", "upper bound of: "+m.Title, func(v results.Value) float64 { return v.High }, results.Value.HasInterval)
}

// baseUnit is the unit that OpenMetrics asks for and what ours is multiplied
// with; "" is no unit.
func baseUnit(unit string) (base string, factor float64) {
	switch unit {
	case "us":
		return "seconds", 1e-6
	case "ms":
		return "seconds", 1e-3
	case "s":
		return "seconds", 1
	case "B":
		return "bytes", 1
	}
	return "", 1
}

func exposeRules(e exposition, r *results.Result) {
	if len(r.Expectations) == 0 {
		return
	}
	e.family("originpull_expectation", "", "1 met, 0 failed, -1 inconclusive")
	for _, x := range r.Expectations {
		value := truth(x.Pass)
		if x.Inconclusive {
			value = -1
		}
		e.sample("originpull_expectation", value, "experiment", x.Experiment, "expression", x.Expression)
	}
}

func exposeRows(e exposition, r *results.Result) {
	counts := map[[2]string]float64{}
	for i := range r.Bypass {
		b := &r.Bypass[i]
		counts[[2]string{b.Experiment, string(rowOutcome(b))}]++
	}
	if len(counts) == 0 {
		return
	}
	e.family("originpull_bypass_rows", "", "rows of the bypass matrix by how they came out")
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b [2]string) int { return strings.Compare(a[0]+"\x00"+a[1], b[0]+"\x00"+b[1]) })
	for _, k := range keys {
		e.sample("originpull_bypass_rows", counts[k], "experiment", k[0], "outcome", k[1])
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func pointers[T any](list []T) []*T {
	out := make([]*T, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}
