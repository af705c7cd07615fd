package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be the originpull command, for the scripts
// and for the workers that runs start.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"originpull": func() { os.Exit(underTest()) }})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			// The race detector makes every process sleep a second at its end.
			e.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"valid-result": validResult,
			"waitfile":     waitFile,
			"alone":        alone,
			"edit":         edit,

			"client-certificate": clientCertificate,
			"listening":          listening,
			"waitfor":            waitFor,
			"get":                get,
			"terminate":          terminate,
			"hangup":             hangup,
		},
		RequireExplicitExec: true,
	})
}

// The README's pasted report must not promise commands that are gone.
func TestReadmeCommandsExist(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	checkCommands(t, string(text))
}

// The second interrupt ends the run at once, and says so.
func TestAbandon(t *testing.T) {
	again := make(chan os.Signal, 1)
	again <- os.Interrupt
	var said strings.Builder
	code := exitPass
	abandon(again, &said, func(c int) { code = c })
	if code != exitRunFailed || !strings.Contains(said.String(), "originpull: interrupted again: the run is abandoned") || strings.Count(said.String(), "\n") != 2 {
		t.Errorf("exit code %d after %q", code, said.String())
	}
}

func TestCounted(t *testing.T) {
	for n, want := range map[int]string{0: "0 arms", 1: "1 arm", 2: "2 arms"} {
		if got := counted(n, "arm"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What is no terminal has no width, whatever the environment says.
func TestWidthIsThatOfATerminal(t *testing.T) {
	t.Setenv("COLUMNS", "133")
	if got := terminalWidth(&strings.Builder{}); got != 0 {
		t.Errorf("a string is %d columns wide", got)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "report"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if got := terminalWidth(file); got != 0 {
		t.Errorf("a file is %d columns wide", got)
	}
}
