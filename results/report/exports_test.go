package report

import (
	"encoding/csv"
	"encoding/xml"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/originpull/originpull/results"
)

// What other programs read is held by golden files too: a change of a name
// there breaks somebody's dashboard.
func TestExportsGolden(t *testing.T) {
	for _, format := range []string{"benchfmt", "csv", "junit", "markdown", "openmetrics", "sarif"} {
		r := document(t, "failed")
		r.Arms = slices.DeleteFunc(r.Arms, func(a results.Arm) bool { return a.Role == results.RoleAA })
		for i := range r.Arms {
			r.Arms[i].Trials = r.Arms[i].Trials[:min(2, len(r.Arms[i].Trials))]
		}
		r.Bypass = slices.DeleteFunc(r.Bypass, func(b results.BypassRow) bool { return b.OK && b.Case != "A01" })
		r.Pairs = r.Pairs[:2]
		golden := filepath.Join("testdata", "failed."+format+".golden")
		got := render(t, format, r, Options{})
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s changed; run go test -update ./results/report and look at the difference", format)
		}
	}
}

func TestJUnitCounts(t *testing.T) {
	for _, name := range names {
		r := document(t, name)
		var all junitSuites
		if err := xml.Unmarshal([]byte(render(t, "junit", r, Options{})), &all); err != nil {
			t.Fatal(err)
		}
		tests, failures, skipped, errors := 0, 0, 0, 0
		seen := map[string]bool{}
		for _, s := range all.Suites {
			for _, c := range s.Cases {
				tests++
				failures += one(c.Failure != nil)
				skipped += one(c.Skipped != nil)
				errors += one(c.Error != nil)
				if key := c.ClassName + "\x00" + c.Name; seen[key] {
					t.Errorf("%s: two cases are named %s %s", name, c.ClassName, c.Name)
				} else {
					seen[key] = true
				}
			}
		}
		if got, want := []int{all.Tests, all.Failures, all.Skipped, all.Errors}, []int{tests, failures, skipped, errors}; !slices.Equal(got, want) {
			t.Errorf("%s: totals %v, counted %v", name, got, want)
		}
		rules := count(r.Expectations, func(x *results.Expectation) bool { return !x.Pass && !x.Inconclusive })
		rows := count(r.Bypass, func(b *results.BypassRow) bool { return b.Ran() && !b.OK })
		if failures != rules+rows {
			t.Errorf("%s: %d failures for %d rules and %d rows", name, failures, rules, rows)
		}
		if inconclusive := count(r.Expectations, func(x *results.Expectation) bool { return x.Inconclusive }); skipped < inconclusive {
			t.Errorf("%s: %d skipped for %d inconclusive rules", name, skipped, inconclusive)
		}
		if green := failures+errors == 0; green && (r.Conclude() == results.Unmet || r.Conclude() == results.RunFailed) {
			t.Errorf("%s: the run %s and JUnit is green", name, r.Conclude())
		}
	}
}

func TestCSVIsRead(t *testing.T) {
	r := document(t, "quickstart")
	lines, err := csv.NewReader(strings.NewReader(render(t, "csv", r, Options{}))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := 1
	for i := range r.Arms {
		want += len(r.Arms[i].Metrics)
		for _, trial := range r.Arms[i].Trials {
			want += len(trial.Metrics)
		}
	}
	if len(lines) != want || !slices.Equal(lines[0], csvTitles) {
		t.Fatalf("%d lines, want %d, titles %q", len(lines), want, lines[0])
	}
	for _, line := range lines[1:] {
		if line[4] != "" {
			continue
		}
		v := r.Arm(line[2]).Metrics[line[5]]
		if value, err := strconv.ParseFloat(line[9], 64); err != nil || value != v.Value || line[6] != v.Unit {
			t.Errorf("%s %s: %v %v, want %v", line[2], line[5], value, err, v)
		}
	}
}

// The grammar of OpenMetrics 1.0, as far as gauges need it: descriptions
// before samples, one family in one piece, its unit at its end, EOF last.
func TestOpenMetricsGrammar(t *testing.T) {
	sample := regexp.MustCompile(`^([a-z_][a-z0-9_]*)\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+\} -?[0-9.e+-]+$`)
	for _, name := range names {
		lines := strings.Split(render(t, "openmetrics", document(t, name), Options{}), "\n")
		if n := len(lines); lines[n-1] != "" || lines[n-2] != "# EOF" {
			t.Errorf("%s ends with %q", name, lines[n-2:])
		}
		families, current, samples := map[string]bool{}, "", map[string]bool{}
		for _, line := range lines[:len(lines)-2] {
			words := strings.SplitN(line, " ", 4)
			switch {
			case words[0] == "#" && words[1] == "TYPE":
				if families[words[2]] || words[3] != "gauge" {
					t.Errorf("%s: %q", name, line)
				}
				current = words[2]
				families[current] = true
			case words[0] == "#" && words[1] == "UNIT":
				if words[2] != current || !strings.HasSuffix(current, "_"+words[3]) {
					t.Errorf("%s: %q", name, line)
				}
			case words[0] == "#":
				if words[1] != "HELP" || words[2] != current {
					t.Errorf("%s: %q", name, line)
				}
			default:
				match := sample.FindStringSubmatch(line)
				series, _, _ := strings.Cut(line, "} ")
				if match == nil || match[1] != current || samples[series] {
					t.Errorf("%s: %q in family %s", name, line, current)
				}
				samples[series] = true
			}
		}
	}
}

func TestMarkdownIsOnlyText(t *testing.T) {
	r := &results.Result{Scenario: results.Scenario{Name: "x | <img src=y> @team *b* [l](u)"}, Expectations: []results.Expectation{{Expression: "a\n| b"}}}
	text := render(t, "markdown", r, Options{})
	for _, raw := range []string{"<img", "@team", "*b*", "[l](u)", "x | ", "a\n"} {
		if strings.Contains(text, raw) {
			t.Errorf("%q stands in\n%s", raw, text)
		}
	}
	if !strings.HasPrefix(render(t, "markdown", document(t, "failed"), Options{}), "## ❌ originpull quickstart: run failed\n") {
		t.Error("the verdict does not come first")
	}
}
