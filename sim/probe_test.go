package sim

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/originpull/originpull/results"
)

func TestProbe(t *testing.T) {
	if err := Probe(t.Context(), testConfig(t).Worker); err != nil {
		t.Error(err)
	}
	if err := Probe(t.Context(), []string{filepath.Join(t.TempDir(), "nothing")}); err == nil {
		t.Error("a program that is not there speaks the protocol")
	}
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	for want, script := range map[string]string{
		"it speaks the worker protocol 7":         "#!/bin/sh\nread line\necho '{\"type\":\"error\",\"error\":\"no\",\"protocol\":7}'\ncat > /dev/null\n",
		"it does not speak the worker protocol 1": "#!/bin/sh\necho Usage: cat >&2\nexit 2\n",
	} {
		file := filepath.Join(t.TempDir(), "worker")
		if err := os.WriteFile(file, []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := Probe(t.Context(), []string{file}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Arms of base, and those alone, get the worker of base.
func TestBaseWorker(t *testing.T) {
	cfg := &Config{Worker: []string{"head"}, BaseWorker: []string{"base"}}
	for side, want := range map[string]string{results.GateBase: "base", results.GateHead: "head", "": "head"} {
		if got := cfg.of(&Arm{Axes: map[string]string{results.GateAxis: side}}).Worker[0]; got != want {
			t.Errorf("side %q starts %s, want %s", side, got, want)
		}
	}
	if got := (&Config{Worker: []string{"head"}}).of(&Arm{Axes: map[string]string{results.GateAxis: results.GateBase}}).Worker[0]; got != "head" {
		t.Errorf("without builds base starts %s", got)
	}
}
