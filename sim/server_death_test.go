package sim

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/results"
)

// A real server that dies in the middle of a run fails its arm with its own
// last words; the other arms go on, the run fails, and nothing stays behind.
func TestServerThatDiesFailsItsArmOnly(t *testing.T) {
	for _, test := range []struct {
		server string
		signal syscall.Signal
		exit   string
		said   string // "" is whatever it said, or that it said nothing
	}{
		// Its worker process goes on serving: only the drain tells.
		{"nginx", syscall.SIGKILL, "signal: killed", ""},
		{"nginx", syscall.SIGTERM, "exit status 0", "signal 15 (SIGTERM) received"},
		{"haproxy", syscall.SIGKILL, "signal: killed", ""},
		{"apache", syscall.SIGKILL, "signal: killed", ""},
		{"caddy", syscall.SIGABRT, "exit status 2", "rip "},
		{"caddy", syscall.SIGKILL, "signal: killed", ""},
	} {
		t.Run(test.server+" "+test.signal.String(), func(t *testing.T) {
			driver, _ := origin.DriverNamed(test.server)
			if _, err := driver.Find(t.Context()); err != nil {
				t.Skipf("not run: %v", err)
			}
			folder := reachable(t)
			t.Setenv("TMPDIR", folder)
			plan := compileText(t, strings.ReplaceAll(serverScenario, "SERVER", test.server))
			r, x := newTestRun(t, plan), &plan.Experiments[0]
			var err error
			if r.result, err = newResult(plan, r.started); err != nil {
				t.Fatal(err)
			}
			lab, err := newLab()
			if err != nil {
				t.Fatal(err)
			}
			const victim = 0
			var running []*origin.Running
			trials := r.trial(t.Context(), x, 1, lab, func(ctx context.Context, pairs []*pair) {
				for _, p := range pairs {
					if p.trial.err != nil {
						t.Fatal(p.trial.err)
					}
					running = append(running, p.origin.(*serverEnd).running)
				}
				for round := range 4 {
					if round == 2 {
						end(t, running[victim], test.signal)
					}
					for _, p := range pairs {
						p.block(ctx, Block{Seconds: 0.005})
					}
				}
			})
			arms := make([]collected, len(x.Arms))
			for i := range arms {
				arms[i] = collected{arm: &x.Arms[i], trials: trials[i : i+1]}
			}
			if err := r.collect(x, arms, 4); err != nil {
				t.Fatal(err)
			}
			for i, a := range r.result.Arms {
				if i != victim {
					if a.Error != "" || a.Metrics["requests.count"].Value == 0 || len(trials[i].blocks) != 4 {
						t.Errorf("%s: error %q, %d blocks", a.Name, a.Error, len(trials[i].blocks))
					}
					continue
				}
				how, said, _ := strings.Cut(a.Error, "; it said: ")
				if !strings.HasSuffix(how, a.Name+" ended early ("+test.exit+")") || said == "" || !strings.Contains(said, test.said) {
					t.Errorf("%s: error %q", a.Name, a.Error)
				}
			}
			if r.result.Complete = true; r.result.Conclude() != results.RunFailed {
				t.Errorf("it concludes %q", r.result.Conclude())
			}
			for _, server := range running {
				if pids, err := server.Pids(); err != nil || len(pids) != 0 {
					t.Errorf("processes %v are left, %v", pids, err)
				}
			}
			if left, err := filepath.Glob(filepath.Join(folder, "originpull-*")); err != nil || len(left) != 0 {
				t.Errorf("folders %v are left, %v", left, err)
			}
		})
	}
}

// reachable is a folder that a server run as nobody gets into: the parent of
// t.TempDir is closed to others.
func reachable(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, dir := range []string{folder, filepath.Dir(folder)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// end signals the process of a server that was started here, and waits.
func end(t *testing.T, server *origin.Running, signal os.Signal) {
	t.Helper()
	pids, err := server.Pids()
	if err != nil || len(pids) == 0 {
		t.Fatalf("pids %v, %v", pids, err)
	}
	process, err := os.FindProcess(pids[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	<-server.Exited()
}
