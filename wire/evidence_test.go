package wire

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// evidence is a folder for what docs/links.md holds of the tests' figures. With
// it tests take the time that these need, and a busy machine is no excuse.
var evidence = flag.String("evidence", "", "take as long as the figures need, and write them into this folder (make links-evidence)")

// testify keeps text as a part of the page; parts stand in the order of their
// names.
func testify(t *testing.T, name, format string, args ...any) {
	t.Helper()
	text := fmt.Sprintf(format, args...)
	t.Log(text)
	if *evidence == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(*evidence, name+".md"), []byte(text+"\n"), 0o644); err != nil {
		t.Error(err)
	}
}

// chances is how often a busy machine is measured before it is given up.
func chances() int {
	if *evidence != "" {
		return 15
	}
	return 3
}

// unjudged skips a test of a link that cannot be believed, as long as nobody
// wants evidence.
func unjudged(t *testing.T, trust Trust) {
	t.Helper()
	if trust.Valid {
		return
	}
	if *evidence != "" {
		t.Fatalf("no evidence from this machine now: %v", trust.Reasons)
	}
	t.Skipf("not judged: %v", trust.Reasons)
}
