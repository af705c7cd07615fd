package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be the originpull command, for the scripts
// and for the workers that runs start.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"originpull": func() { os.Exit(Main()) }})
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
