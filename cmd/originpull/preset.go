package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/scenarios"
)

// presetTable is what edge.preset may name.
func presetTable() []scenarios.Preset {
	var table []scenarios.Preset
	for _, p := range edge.Presets() {
		preset := scenarios.Preset{Name: p.Name}
		for _, f := range p.Facts {
			preset.Values = append(preset.Values, presetValue(f))
		}
		table = append(table, preset)
	}
	return table
}

func presetValue(f edge.Fact) scenarios.PresetValue {
	return scenarios.PresetValue{Path: f.Path, Value: f.Value, Unknown: f.Confidence == edge.Unknown}
}

// presetColumns is the short table: what scenarios most often ask of a CDN.
var presetColumns = []struct{ title, path string }{
	{"idle timeout", "edge.pool.idleTimeout"},
	{"max connections", "edge.pool.maxConnections"},
	{"protocol", "edge.protocol"},
	{"attempts", "edge.retry.attempts"},
	{"connect", "edge.retry.connectTimeout"},
	{"response", "edge.retry.responseTimeout"},
	{"identity", "edge.identity"},
	{"TLS refused", "edge.status.alert"},
	{"checks the origin", "edge.tls.verify"},
}

// listPresets prints a line for each preset; verbose every value with where
// it is from.
func listPresets(w io.Writer, verbose bool) {
	if !verbose {
		titles := make([]string, len(presetColumns))
		for i, column := range presetColumns {
			titles[i] = column.title
		}
		_, _ = fmt.Fprintf(w, "preset\t%s\n", strings.Join(titles, "\t"))
	}
	for _, p := range edge.Presets() {
		if verbose {
			verbosePreset(w, &p)
			continue
		}
		cells := make([]string, len(presetColumns))
		for i, column := range presetColumns {
			f, _ := p.Fact(column.path)
			cells[i] = shownValue(f)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\n", p.Name, strings.Join(cells, "\t"))
	}
}

func verbosePreset(w io.Writer, p *edge.Preset) {
	// No tabs: notes between the rows would end the columns.
	_, _ = fmt.Fprintf(w, "%s: %s\n", p.Name, p.Title)
	for _, f := range p.Facts {
		value := shownValue(f)
		if mark := notSimulated(f); mark != "" {
			value += " (" + mark + ")"
		}
		_, _ = fmt.Fprintf(w, "  %-26s  %-27s  %-10s  %-7s  %s\n", f.Path, value, f.Confidence, f.Date, f.Source)
		for _, more := range []struct{ name, text string }{{"range", f.Range}, {"behaviour", f.Behaviour}, {"note", f.Note}} {
			if more.text != "" {
				_, _ = fmt.Fprintf(w, "      %s: %s\n", more.name, more.text)
			}
		}
	}
}

func shownValue(f edge.Fact) string {
	if f.Value == "" {
		return "unknown"
	}
	return f.Value
}

// notSimulated marks what this build has no setting, or no such value, for.
func notSimulated(f edge.Fact) string {
	hasPath, takesValue := presetValue(f).Fits()
	if hasPath && (takesValue || f.Confidence == edge.Unknown) {
		return ""
	}
	return "not simulated yet"
}

// presetsJSON prints what verbose does.
func presetsJSON(w io.Writer) error {
	type fact struct {
		edge.Fact
		Simulated bool `json:"simulated"`
	}
	type preset struct {
		Name  string `json:"name"`
		Title string `json:"title"`
		Facts []fact `json:"facts"`
	}
	var all []preset
	for _, p := range edge.Presets() {
		out := preset{Name: p.Name, Title: p.Title}
		for _, f := range p.Facts {
			out.Facts = append(out.Facts, fact{f, notSimulated(f) == ""})
		}
		all = append(all, out)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(map[string]any{"presets": all})
}
