package report

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/originpull/originpull/results"
)

var update = flag.Bool("update", false, "rewrite the golden reports")

var names = []string{"quickstart", "interrupted", "failed", "find"}

func document(t testing.TB, name string) *results.Result {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "testdata", name+".result.json"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := results.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func render(t testing.TB, format string, r *results.Result, o Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := Render(&out, format, r, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTableGolden(t *testing.T) {
	for _, name := range names {
		golden := filepath.Join("testdata", name+".table.golden")
		got := render(t, "table", document(t, name), Options{})
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
			t.Errorf("%s: the report changed; run go test -update ./results/report and look at the difference\n%s", name, got)
		}
	}
}

// Every format must render every result, even an empty one, the same way
// twice, without changing it, and in one write.
func TestFormatsConform(t *testing.T) {
	formats := Formats()
	if len(formats) < 2 || !slices.IsSortedFunc(formats, func(a, b Format) int { return strings.Compare(a.Name, b.Name) }) {
		t.Fatalf("formats %v", formats)
	}
	all := map[string]*results.Result{"empty": {}}
	for _, name := range names {
		all[name] = document(t, name)
	}
	for _, f := range formats {
		if !regexp.MustCompile(`^[a-z]+$`).MatchString(f.Name) || f.Title == "" || strings.Contains(f.Title, "\n") {
			t.Errorf("%+v is badly described", f)
		}
		for name, r := range all {
			t.Run(f.Name+"/"+name, func(t *testing.T) {
				before := encoded(t, r)
				w := &countingWriter{}
				if err := Render(w, f.Name, r, Options{}); err != nil {
					t.Fatal(err)
				}
				if w.writes != 1 || !strings.HasSuffix(w.String(), "\n") {
					t.Errorf("%d writes, ends with %q", w.writes, w.String()[max(0, w.Len()-5):])
				}
				if again := render(t, f.Name, r, Options{}); again != w.String() {
					t.Error("rendering twice gives two reports")
				}
				if encoded(t, r) != before {
					t.Error("rendering changed the result")
				}
				if name != "empty" && !strings.Contains(w.String(), r.Scenario.Name) {
					t.Error("the report does not name its scenario")
				}
			})
		}
	}
}

func encoded(t *testing.T, r *results.Result) string {
	t.Helper()
	var out bytes.Buffer
	if err := results.Encode(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

type countingWriter struct {
	bytes.Buffer
	writes int
}

func (w *countingWriter) Write(text []byte) (int, error) {
	w.writes++
	return w.Buffer.Write(text)
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestRenderErrors(t *testing.T) {
	r := document(t, "interrupted")
	if err := Render(&bytes.Buffer{}, "tabel", r, Options{}); err == nil || err.Error() != `unknown report format "tabel": use one of benchfmt, csv, hlog, json, junit, markdown, openmetrics, sarif, table` {
		t.Errorf("error %v", err)
	}
	if err := Render(closed{}, "table", r, Options{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v, want the writer's own", err)
	}
	r.Schema, r.Elapsed = "", -1
	r.Arms[0].Name = ""
	w := &countingWriter{}
	if err := Render(w, "json", r, Options{}); err == nil || w.writes != 0 {
		t.Errorf("error %v after %d writes, want one before any", err, w.writes)
	}
}

func TestRegisterPanicsOnADuplicate(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	register(format{Format: Format{Name: "table"}})
}

func TestJSONIsTheDocument(t *testing.T) {
	want, err := os.ReadFile("../testdata/quickstart.result.json")
	if err != nil {
		t.Fatal(err)
	}
	if got := render(t, "json", document(t, "quickstart"), Options{}); got != string(want) {
		t.Error("json differs from the document it was read from")
	}
}

func TestTableKeepsToItsWidth(t *testing.T) {
	for _, name := range names {
		r := document(t, name)
		for width, limit := range map[int]int{0: 100, 40: 80, 80: 80, 100: 100, 160: 160} {
			for n, line := range strings.Split(render(t, "table", r, Options{Width: width}), "\n") {
				if length(line) > limit || strings.TrimRight(line, " ") != line {
					t.Errorf("%s at %d: line %d has %d columns: %q", name, width, n+1, length(line), line)
				}
			}
		}
		if wide := render(t, "table", r, Options{Width: 160}); strings.Contains(wide, "…") {
			t.Errorf("%s: something is cut although there is room", name)
		}
	}
}

var ansi = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestColourOnlyOnRequest(t *testing.T) {
	for _, name := range names {
		r := document(t, name)
		without, with := render(t, "table", r, Options{}), render(t, "table", r, Options{Color: true})
		if ansi.MatchString(without) {
			t.Errorf("%s: colour without being asked", name)
		}
		if !ansi.MatchString(with) {
			t.Errorf("%s: no colour", name)
		}
		stripped := strings.Split(ansi.ReplaceAllString(with, ""), "\n")
		for i, line := range strings.Split(without, "\n") {
			if strings.TrimRight(stripped[i], " ") != line {
				t.Errorf("%s: colour changes the text of line %d: %q, %q", name, i+1, stripped[i], line)
			}
		}
	}
}

func Example() {
	run := &results.Result{
		Scenario:     results.Scenario{Name: "nightly", Seed: 7},
		Environment:  map[string]string{results.EnvCPU: "AMD EPYC 9R14", results.EnvCores: "2", results.EnvOS: "linux", results.EnvArch: "amd64", results.EnvGo: "go1.26.8"},
		Elapsed:      12.5,
		Complete:     true,
		Expectations: []results.Expectation{{Expression: "reuse.ratio > 95%", Detail: "pull/pool=on: 0.91, want > 0.95", Value: 0.91}},
		Validity:     results.Validity{Valid: true, Reconciled: true},
	}
	if err := Render(os.Stdout, "table", run, Options{Width: 90}); err != nil {
		panic(err)
	}
	// Output:
	// originpull  nightly
	//   complete      after 12.5 s, seed 7, started 0001-01-01 00:00:00 UTC
	//   this machine  AMD EPYC 9R14, 2 cores, linux/amd64, go1.26.8
	//
	// 1. May these numbers be trusted
	//   FAILED         reuse.ratio > 95%
	//                  pull/pool=on: 0.91, want > 0.95
	//
	// FAILED: 0 of 1 expectation met; measurement valid
}
