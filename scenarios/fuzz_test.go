package scenarios

import (
	"errors"
	"strings"
	"testing"
)

// FuzzLoad: whatever the bytes, Load ends, every problem is one line with a
// position and a message, and what loads is resolved.
func FuzzLoad(f *testing.F) {
	for _, entry := range Library() {
		src, err := Read(entry.Name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src.Content), "workload.trials=2")
	}
	f.Add("version: 1\norigins: [{name: a, match: {path: /a/*}, edge: {protocol: h2}}, {name: b}]", "origins=[{name: c}]")
	f.Add("version: 1\nedge: {preset: near}\ncompare: [{axis: edge.preset, values: [none, near, far]}]", "edge.preset=far")
	f.Fuzz(func(t *testing.T, content, set string) {
		s, err := Load(Source{File: "f.yaml", Content: []byte(content), Set: []string{set}, Presets: testPresets})
		var problems Problems
		if err != nil && !errors.As(err, &problems) {
			t.Fatalf("the error is not Problems: %v", err)
		}
		for _, p := range problems {
			if p.Message == "" || p.Line < 0 || p.File != "f.yaml" && !strings.HasPrefix(p.File, setPrefix) {
				t.Errorf("problem %+v", p)
			}
			if strings.ContainsAny(p.Error(), "\n\r\x00") {
				t.Errorf("a problem spans lines: %q", p.Error())
			}
		}
		if err == nil {
			checkResolved(t, s)
		}
	})
}

func checkResolved(t *testing.T, s *Scenario) {
	if s.Version != 1 || s.Name == "" || len(s.Experiments) == 0 {
		t.Errorf("not resolved: %+v", s)
	}
	for i := range s.Experiments {
		e := &s.Experiments[i]
		cells := e.Cells()
		if e.Index != i || len(cells) == 0 || len(cells) > maxCells {
			t.Errorf("experiment %d: index %d, %d cells", i, e.Index, len(cells))
		}
		seen := map[string]bool{}
		for _, cell := range cells {
			var name strings.Builder
			for _, axis := range cell.Axes {
				name.WriteString("," + axis.Axis + "=" + axis.Value)
			}
			if seen[name.String()] {
				t.Errorf("two cells are named %s", name.String())
			}
			seen[name.String()] = true
			if cell.Workload.Trials < 1 || cell.Workload.Warmup >= cell.Workload.Duration && e.Bypass == nil {
				t.Errorf("cell %s: %+v", name.String(), cell.Workload)
			}
		}
		for _, rule := range e.Expect {
			if _, line := s.Position(rule.Path); rule.Text == "" || line < 0 {
				t.Errorf("rule %+v", rule)
			}
		}
	}
}
