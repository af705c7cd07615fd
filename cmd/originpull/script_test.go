package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/originpull/originpull/results"
)

// validResult checks that a file holds one document that `schema result`
// accepts and that the reader reads.
func validResult(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: valid-result FILE")
	}
	text := ts.ReadFile(args[0])
	schemaText, err := results.Schema()
	ts.Check(err)
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaText))
	ts.Check(err)
	compiler := jsonschema.NewCompiler()
	ts.Check(compiler.AddResource("result.json", schema))
	compiled, err := compiler.Compile("result.json")
	ts.Check(err)
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	ts.Check(err)
	ts.Check(compiled.Validate(document))
	_, err = results.Decode(strings.NewReader(text))
	ts.Check(err)
	var raw json.RawMessage
	decoder := json.NewDecoder(strings.NewReader(text))
	ts.Check(decoder.Decode(&raw))
	if decoder.Decode(&raw) != io.EOF {
		ts.Fatalf("%s holds more than one document", args[0])
	}
}

// waitFile waits until a pattern matches a file: that is how a script knows
// that a background run has come so far.
func waitFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfile GLOB")
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for {
		found, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		if len(found) > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			ts.Fatalf("%s did not appear", args[0])
		}
	}
}

// alone checks that no worker of this script's runs is left.
func alone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: alone")
	}
	if runtime.GOOS != "linux" {
		return
	}
	folder := ts.MkAbs(".")
	commands, err := filepath.Glob("/proc/[0-9]*/cwd")
	ts.Check(err)
	for _, link := range commands {
		where, err := os.Readlink(link)
		if err != nil {
			continue // it ended, or is not ours to see
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(link), "cmdline"))
		if err == nil && where == folder && bytes.Contains(line, []byte("\x00worker\x00")) {
			ts.Fatalf("a worker is left: %q", line)
		}
	}
}

// edit replaces a text in a file, everywhere.
func edit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not contain %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(text, args[1], args[2])), 0o644))
}

var shown = regexp.MustCompile(`(?m)(?:^|\./cmd/|^\s*\$ )originpull ([a-z]+)`)

// checkCommands checks that every originpull command that a text shows exists.
func checkCommands(t *testing.T, text string) {
	t.Helper()
	root := newRoot(streams{in: strings.NewReader(""), out: io.Discard, err: io.Discard})
	found := shown.FindAllStringSubmatch(text, -1)
	if len(found) == 0 {
		t.Fatal("the text shows no command")
	}
	for _, match := range found {
		if command, _, err := root.Find([]string{match[1]}); err != nil || command == root {
			t.Errorf("it shows `originpull %s`, which does not exist", match[1])
		}
	}
}
