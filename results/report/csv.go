package report

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/originpull/originpull/results"
)

func init() {
	register(format{
		Format: Format{Name: "csv", Title: "one line for each metric of each arm, and of each of its trials"},
		render: csvTable,
	})
}

var csvTitles = []string{"scenario", "experiment", "arm", "role", "trial", "metric", "unit", "kind", "better", "value", "low", "high", "n"}

// csvTable writes RFC 4180 with a header. A line without a trial is of the
// whole arm, with the bounds of its interval where it has one; a line with a
// trial has neither bounds nor n.
func csvTable(out *bytes.Buffer, r *results.Result, _ Options) error {
	w := csv.NewWriter(out)
	lines := [][]string{csvTitles}
	for i := range r.Arms {
		a := &r.Arms[i]
		head := func(trial string) []string {
			return []string{r.Scenario.Name, a.Experiment, a.Name, string(a.Role), trial}
		}
		for _, name := range slices.Sorted(maps.Keys(a.Metrics)) {
			v := a.Metrics[name]
			low, high := "", ""
			if v.HasInterval() {
				low, high = decimal(v.Low), decimal(v.High)
			}
			lines = append(lines, append(head(""), name, v.Unit, string(v.Kind), v.Better, decimal(v.Value), low, high, strconv.Itoa(v.N)))
		}
		for _, t := range a.Trials {
			for _, name := range slices.Sorted(maps.Keys(t.Metrics)) {
				m, _ := results.MetricNamed(name)
				lines = append(lines, append(head(strconv.Itoa(t.Index)), name, m.Unit, string(m.Kind), m.Better, decimal(t.Metrics[name]), "", "", ""))
			}
		}
	}
	if err := w.WriteAll(lines); err != nil {
		return fmt.Errorf("writing lines: %w", err)
	}
	return nil
}

// decimal writes a number so that reading it gives the same one again.
func decimal(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
