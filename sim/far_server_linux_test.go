package sim

import (
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/wire"
)

const farServerScenario = `
version: 1
name: far
origin: {server: SERVER, strategies: [allowlist, mtls], mtls: {pin: none, revocation: false}}
link: {kind: tun, rtt: 50ms}
workload: {mode: handshakes, duration: 100ms, concurrency: 2, realtime: true}
compare: [{axis: edge.tls.version, values: ["1.2", "1.3"]}]
`

// farServer skips where there is no such server or no tun link.
func farServer(t *testing.T, name string) {
	t.Helper()
	driver, _ := origin.DriverNamed(name)
	if _, err := driver.Find(t.Context()); err != nil {
		t.Skipf("not run: %v", err)
	}
	tun, _ := wire.KindOf("tun")
	if err := tun.Available(); err != nil {
		t.Skipf("no tun link here: %v", err)
	}
	t.Setenv("TMPDIR", reachable(t))
}

// TestServersBehindADistance: kernel TCP at both ends, and round trips as over
// any other link.
func TestServersBehindADistance(t *testing.T) {
	for _, server := range []string{"nginx", "haproxy", "apache", "caddy"} {
		t.Run(server, func(t *testing.T) {
			farServer(t, server)
			result := mustRun(t, compileText(t, strings.ReplaceAll(farServerScenario, "SERVER", server)))
			if !result.Validity.Reconciled || len(result.Arms) != 2 {
				t.Fatalf("validity %+v, %d arms", result.Validity, len(result.Arms))
			}
			for version, want := range map[string]float64{"1.2": 4, "1.3": 3} {
				a := result.Arm("far/edge.tls.version=" + version)
				if a.Error != "" || a.Metrics["handshake.failed"].Value > 0 {
					t.Errorf("%s: %s, %+v", a.Name, a.Error, a.Metrics)
				}
				if !strings.HasPrefix(a.Labels[results.LabelCongestion], "cubic") || a.Labels[results.LabelLink] != "tun, rtt 50ms" {
					t.Errorf("%s: labels %v", a.Name, a.Labels)
				}
				noCPU(t, a)
				rtts := a.Metrics[results.MetricFirstByteRTTs]
				if why := result.Validity.Links[a.Name]; why != "" {
					t.Logf("%s: %.2f round trips, not judged: %s", a.Name, rtts.Value, why)
				} else if math.Round(rtts.Value) != want {
					t.Errorf("%s: the first byte came after %+v round trips, want %v", a.Name, rtts, want)
				}
			}
			if left, err := filepath.Glob(filepath.Join(os.TempDir(), "originpull-*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// TestKilledHopLeavesNothing kills the process of a hop while its server is
// behind a tun link: server, namespaces and devices are gone, and the next run
// removes the server's folder.
func TestKilledHopLeavesNothing(t *testing.T) {
	farServer(t, "nginx")
	here := interfaceNames(t)
	plan := compileText(t, strings.ReplaceAll(farServerScenario, "SERVER", "nginx"))
	x := &plan.Experiments[0]
	x.Arms = x.Arms[:1]
	lab, err := newLab()
	if err != nil {
		t.Fatal(err)
	}
	var spaces []string
	trials := newTestRun(t, plan).trial(t.Context(), x, 1, lab, func(ctx context.Context, pairs []*pair) {
		p := pairs[0]
		p.block(ctx, Block{Seconds: 0.01, Discard: true})
		if p.trial.err != nil {
			t.Fatal(p.trial.err)
		}
		hop := p.edge.cmd.Process
		servers := childrenOf(t, hop.Pid)
		if len(servers) != 1 {
			t.Fatalf("the hop has the children %v, and should have one server", servers)
		}
		for _, of := range []string{fmt.Sprint(servers[0]), "self"} {
			space, err := os.Readlink("/proc/" + of + "/ns/net")
			if err != nil {
				t.Fatal(err)
			}
			spaces = append(spaces, space)
		}
		if spaces[0] == spaces[1] {
			t.Fatal("the server is in the network of this process")
		}
		if err := hop.Kill(); err != nil {
			t.Fatal(err)
		}
		<-p.edge.exited
		p.block(ctx, Block{Seconds: 0.01})
	})
	if trials[0].err == nil {
		t.Error("the arm of a killed hop did not fail")
	}
	await(t, "processes in the far namespace", func() bool { return !inSpace(t, spaces[0]) })
	if now := interfaceNames(t); !slices.Equal(now, here) {
		t.Errorf("there were the interfaces %v, and are %v", here, now)
	}
	pattern := filepath.Join(os.TempDir(), "originpull-nginx-*")
	left, err := filepath.Glob(pattern)
	if err != nil || len(left) != 1 {
		t.Errorf("a killed process removes nothing, but there are %v, %v", left, err)
	}
	mustRun(t, plan)
	if left, err := filepath.Glob(pattern); err != nil || len(left) > 0 {
		t.Errorf("the next run left %v, %v", left, err)
	}
}

func interfaceNames(t *testing.T) (names []string) {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		names = append(names, i.Name)
	}
	return names
}

// childrenOf lists the processes that a process has started and not waited for.
func childrenOf(t *testing.T, pid int) (children []int) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		for _, field := range strings.Fields(string(text)) {
			var child int
			if _, err := fmt.Sscan(field, &child); err != nil {
				t.Fatal(err)
			}
			children = append(children, child)
		}
	}
	return children
}

// inSpace reports whether a process is in a network namespace or holds it.
func inSpace(t *testing.T, space string) bool {
	t.Helper()
	for _, pattern := range []string{"/proc/[0-9]*/fd/*", "/proc/[0-9]*/task/*/ns/net"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(files, func(f string) bool { at, err := os.Readlink(f); return err == nil && at == space }) {
			return true
		}
	}
	return false
}

// await waits until nothing of what is left is.
func await(t *testing.T, what string, gone func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(10 * time.Second); !gone(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("there are still %s", what)
		}
	}
}
