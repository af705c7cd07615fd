package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/originpull/originpull/results"
)

// TestHolesAreFound runs bypass-core in a build whose origin has a hole: it
// makes a mistake where the coordinator has asked for the correct policy.
// Exactly the rows that the hole opens are red, each is a finding, and the exit
// code is 3.
func TestHolesAreFound(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs all of 127.0.0.0/8")
	}
	if testing.Short() {
		t.Skip("runs bypass-core four times")
	}
	for _, test := range []struct {
		hole string
		red  []string // case, strategy, protocol, TLS version
	}{
		{"", nil},
		{"pin-in-verify-peer-certificate", []string{"D09 mtls h1 TLS 1.2", "D09 mtls h1 TLS 1.3", "D13 mtls h1 TLS 1.2", "D13 mtls h1 TLS 1.3"}},
		{"trust-proxy-header", []string{"A03 allowlist h1 TLS 1.2", "A03 allowlist h1 TLS 1.3"}},
		{"prefix-secret", []string{"B06 header h1 TLS 1.2", "B06 header h1 TLS 1.3", "B06 header h2 TLS 1.2", "B06 header h2 TLS 1.3", "B06 header h3 TLS 1.3"}},
	} {
		t.Run("hole "+test.hole, func(t *testing.T) {
			r, exit := runWithHole(t, test.hole)
			want := exitFailed
			if test.hole == "" {
				want = exitPass
			}
			if exit != want {
				t.Errorf("exit code %d, want %d", exit, want)
			}
			var red, found []string
			for i := range r.Bypass {
				if b := &r.Bypass[i]; b.Ran() && !b.OK {
					red = append(red, strings.TrimSpace(strings.Join([]string{b.Case, b.Strategy, b.Way(), b.Mistake}, " ")))
				}
			}
			for _, f := range r.Findings {
				for _, way := range f.Rows {
					found = append(found, strings.Join([]string{f.Case, f.Strategy, way}, " "))
				}
				if f.Evidence.Status != 200 || f.Evidence.Answer == "" || f.Evidence.Audit == "" || f.Fix == "" {
					t.Errorf("finding %+v", f)
				}
			}
			slices.Sort(red)
			slices.Sort(found)
			if !slices.Equal(red, test.red) || !slices.Equal(found, test.red) {
				t.Errorf("red %q, found %q, want %q", red, found, test.red)
			}
		})
	}
}

// runWithHole runs bypass-core with a mistake planted in its origins.
func runWithHole(t *testing.T, hole string) (*results.Result, int) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "originpull", "run", "bypass-core", "--out", "kept")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", plantVariable+"="+hole)
	var diagnostics bytes.Buffer
	cmd.Stderr = &diagnostics
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	file, err := os.Open(filepath.Join(dir, "kept", resultFile))
	if err != nil {
		t.Fatalf("%v: %s", err, diagnostics.String())
	}
	defer func() { _ = file.Close() }()
	r, err := results.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	return r, cmd.ProcessState.ExitCode()
}
