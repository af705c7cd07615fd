package scenarios

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestLibrary(t *testing.T) {
	want := map[string]string{ // every experiment with its number of cells, or of cases
		"quickstart":           "handshake 4, pool-and-cache 3, bypass 21 cases",
		"handshake-cost":       "handshake 4, exchange 8",
		"handshake-resumption": "resumption 8",
		"handshake-keys":       "tls13 10, tls12 6",
		"handshake-latency":    "latency 36",
		"chain-size":           "chain 8, distance 12",
		"far-servers":          "nginx 4, haproxy 4, apache 4, caddy 6",
		"far-origin":           "pops 4",
		"find-capacity":        "capacity 4",
		"gate-exact":           "handshake 4, resumption 2, retry 1, pool-and-cache 3, bypass 19 cases",
		"gate-instructions":    "handshake 1, pooled 1",
		"gate-selftest":        "handshake 1",
		"handshake-quic":       "handshake 8, caddy 6",
		"handshake-servers":    "builtin 8, nginx 8, haproxy 8, apache 8, caddy 8",
		"pool-reuse":           "short 3, long 3",
		"noise":                "same 1, planted 3",
		"pool-theory":          "reuse 5",
		"pingora":              "pools 2",
		"pool-compare":         "pools 3",
		"keepalive-race":       "race 6",
		"cold-pools":           "pools 12",
		"cache-fanout":         "fanout 6",
		"cold-burst":           "one-point 2, ten-points 2",
		"two-origins":          "apart 2, pops 1, slow 2",
		"stale-hides-failure":  " 4",
		"cache-web":            "july 6, december 6",
		"cache-offload":        "capacity 6, policies 5, lifetime 2",
		"bypass-core":          "bypass 21 cases",
		"bypass-cost":          "builtin 11 cases, servers 8 cases",
		"bypass-random":        "bypass 1 cases",
		"bypass-full":          "builtin 84 cases, servers 83 cases",
	}
	entries := Library()
	if len(entries) != len(want) {
		t.Fatalf("library is %v", entries)
	}
	for _, entry := range entries {
		src, err := Read(entry.Name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Load(src)
		if err != nil {
			t.Fatal(err)
		}
		if s.Name != entry.Name || s.Title == "" || s.Title != entry.Title {
			t.Errorf("%s: name %q, title %q", entry.Name, s.Name, s.Title)
		}
		if got := summary(s); got != want[entry.Name] {
			t.Errorf("%s: %s, want %s", entry.Name, got, want[entry.Name])
		}
	}
}

func summary(s *Scenario) string {
	var parts []string
	for _, e := range s.Experiments {
		part := e.Name + " " + strconv.Itoa(len(e.Cells()))
		if e.Bypass != nil {
			part = e.Name + " " + strconv.Itoa(len(e.Bypass.Cases)) + " cases"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

func TestQuickstart(t *testing.T) {
	src, err := Read("quickstart")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Load(src)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		experiment, cell int
		path, value      string
	}{
		{0, 0, "edge.tls.version", "1.2"},
		{0, 0, "origin.strategies", "none"},
		{0, 3, "edge.tls.version", "1.3"},
		{0, 3, "origin.strategies", "mtls"},
		{0, 0, "workload.mode", "handshakes"},
		{0, 0, "workload.trials", "8"},
		{0, 0, "workload.duration", "16s"},
		{0, 0, "edge.tls.group", "x25519"},
		{1, 0, "edge.pool.reuse", "false"},
		{1, 1, "edge.pool.reuse", "true"},
		{1, 1, "edge.cache.capacity", "0B"},
		{1, 2, "edge.cache.capacity", "64MiB"},
		{1, 2, "workload.arrivals.rate", "400/s"},
		{1, 2, "workload.objects.trace", "web07"},
		{1, 2, "origin.strategies", "mtls"},
		{1, 2, "workload.warmup", "300ms"},
	} {
		got, ok := s.Experiments[want.experiment].Cells()[want.cell].Value(want.path)
		if !ok || got != want.value {
			t.Errorf("%s of cell %d is %q, want %q", want.path, want.cell, got, want.value)
		}
	}
}

func TestValue(t *testing.T) {
	s := Defaults()
	for path, want := range map[string]string{"origin.tickets": "true", "workload.objects.alpha": "0.9", "edge.pool.idleTimeout": "5s"} {
		if got, ok := s.Value(path); !ok || got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	for _, path := range []string{"", "edge", "edge.tls.", "edge.tls.version.x", "Edge", "experiments"} {
		if got, ok := s.Value(path); ok {
			t.Errorf("%s has the value %q", path, got)
		}
	}
	for _, path := range Paths(false) {
		if _, ok := s.Value(path); !ok {
			t.Errorf("%s has no value", path)
		}
	}
	if axes := Paths(true); slices.Contains(axes, "workload.mode") || !slices.Contains(axes, "edge.tls.version") {
		t.Errorf("axis paths are %v", axes)
	}
}

func TestOpen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, []byte("version: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if src, err := Open(file); err != nil || src.File != file || string(src.Content) != "version: 1\n" {
		t.Errorf("got %+v, %v", src, err)
	}
	if src, err := Open("quickstart"); err != nil || src.File != "library/quickstart.yaml" {
		t.Errorf("got %v, %v", src.File, err)
	}
	var names []string
	for _, entry := range Library() {
		names = append(names, entry.Name)
	}
	known := strings.Join(names, ", ")
	_, err := Open("quickstrat")
	if want := `library scenario "quickstrat" is not known; did you mean quickstart? Known: ` + known + `; a file is given with its path: ./quickstrat.yaml`; err == nil || err.Error() != want {
		t.Errorf("\ngot  %v\nwant %s", err, want)
	}
	for _, missing := range []string{"missing.yaml", "./missing", filepath.Join(t.TempDir(), "missing")} {
		if _, err := Open(missing); err == nil || !strings.Contains(err.Error(), "the library has "+known) {
			t.Errorf("%s: got %v", missing, err)
		}
	}
}
