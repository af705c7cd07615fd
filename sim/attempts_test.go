package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/sim/bypass"
)

// TestAttemptsKeepNoSecret looks for secrets and keys in everything that
// attempts leave behind, and in the arguments of every process while they run.
func TestAttemptsKeepNoSecret(t *testing.T) {
	material, err := bypass.NewMaterial(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	secrets := [][]byte{[]byte("PRIVATE KEY")}
	for _, secret := range material.Origin.Secrets {
		secrets = append(secrets, []byte(secret))
	}
	r := newTestRun(t, compileText(t, "version: 1\nname: h\nbypass: {cases: [A01]}\n"))
	starter := &originStarter{run: r, experiment: "secrets"}
	start := func(ctx context.Context, p origin.Policy, c pki.Credentials, env bypass.Environment) (bypass.Origin, func() error, error) {
		o, stop, err := starter.start(ctx, p, c, env)
		arguments, globErr := filepath.Glob("/proc/[0-9]*/cmdline")
		if globErr != nil {
			t.Error(globErr)
		}
		for _, name := range arguments {
			// A process that has ended has no arguments.
			if text, err := os.ReadFile(name); err == nil {
				noneOf(t, name, text, secrets)
			}
		}
		return o, stop, err
	}
	plan := bypass.Plan{Cases: []string{"A01", "B01", "B03", "B12", "C12"}, Strategies: []string{"header", "mtls"}, Servers: []string{"builtin", "nginx"}}
	rows, err := bypass.Runner{Start: start, Material: material}.Run(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	noneOf(t, "the rows", text, secrets)
	files := 0
	err = filepath.WalkDir(r.cfg.Folder, func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		text, err := os.ReadFile(name)
		noneOf(t, name, text, secrets)
		return err
	})
	if err != nil || files == 0 {
		t.Fatalf("looked at %d files: %v", files, err)
	}
	for _, row := range rows {
		if row.Skipped == "" && !row.OK {
			t.Errorf("not ok: %+v", row)
		}
	}
}

func noneOf(t *testing.T, name string, text []byte, secrets [][]byte) {
	t.Helper()
	for _, secret := range secrets {
		if bytes.Contains(text, secret) {
			t.Errorf("%s holds a secret", name)
		}
	}
}

// TestAttemptsOnNginx makes the attempts for which nginx has a second host, a
// side listener or a reload.
func TestAttemptsOnNginx(t *testing.T) {
	driver, _ := origin.DriverNamed("nginx")
	if _, err := driver.Find(t.Context()); err != nil {
		t.Skip(err)
	}
	starter := &originStarter{run: newTestRun(t, compileText(t, "version: 1\nname: h\nbypass: {cases: [A01]}\n")), experiment: "nginx"}
	plan := bypass.Plan{
		Cases:   []string{"A09", "A12", "A16", "B05", "B12", "C23", "D03", "D04", "D07", "D08", "D09", "D13"},
		Servers: []string{"nginx"},
	}
	rows, err := bypass.Run(t.Context(), plan, starter.start, nil)
	if err != nil {
		t.Fatal(err)
	}
	ran := map[string]bool{}
	for _, row := range rows {
		if row.Skipped == "" {
			ran[row.Case] = true
		}
		if !row.OK {
			t.Errorf("not ok: %+v", row)
		}
	}
	if len(ran) != len(plan.Cases) {
		t.Errorf("ran %v of %v", ran, plan.Cases)
	}
}
