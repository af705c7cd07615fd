// Package originpull_test holds what must be true of the whole module.
package originpull_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/originpull/originpull"

// layers is the import table of ARCHITECTURE.md: which rooms of the house a
// room may import. A room that is not listed may not exist.
var layers = map[string][]string{
	"cmd/originpull": {"sim", "sim/bypass", "sim/consent", "results", "results/report", "edge", "edge/cache", "edge/pool", "edge/proxy", "origin", "wire", "pki", "scenarios"},
	"sim":            {"sim/bypass", "sim/consent", "results", "edge", "edge/cache", "edge/pool", "origin", "wire", "pki", "scenarios"},
	"sim/consent":    {"wire"},
	"sim/bypass":     {"edge", "edge/pool", "origin", "wire", "pki"},
	"results/report": {"results"},
	"results":        {},
	"edge":           {"edge/cache", "edge/pool", "wire"},
	"edge/proxy":     {"edge", "edge/cache", "edge/pool"},
	"edge/cache":     {},
	"edge/pool":      {"wire"},
	"origin":         {"wire", "pki"},
	"wire":           {},
	"pki":            {},
	"scenarios":      {},
	"bench/gates":    {"sim", "results"},
	"bench/peers":    {"sim", "results", "edge/pool", "wire", "pki", "scenarios"},
}

// testLayers adds what only the tests of a room may import.
var testLayers = map[string][]string{
	"edge":       {"pki"},
	"edge/pool":  {"pki"},
	"edge/proxy": {"pki", "wire"},
}

func TestImportsGoDownwardsOnly(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			base := entry.Name()
			if name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		files++
		checkImports(t, filepath.ToSlash(name))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Fatal("no Go file found: the test looks in the wrong place")
	}
}

func checkImports(t *testing.T, name string) {
	t.Helper()
	room := path.Dir(name)
	if room == "." {
		return
	}
	allowed, known := layers[room]
	if !known {
		t.Errorf("%s: room %q is not in the table of ARCHITECTURE.md", name, room)
		return
	}
	isTest := strings.HasSuffix(name, "_test.go")
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		below, ours := strings.CutPrefix(imported, module+"/")
		if !ours || below == room {
			continue
		}
		if slices.Contains(allowed, below) || isTest && slices.Contains(testLayers[room], below) {
			continue
		}
		t.Errorf("%s: %s may not import %s", name, room, below)
	}
}
