package sim

import (
	"os"
	"strings"
	"testing"

	"github.com/originpull/originpull/results"
)

// TestHopGoesFirstAlone: a hop that asks for it goes before others, and the
// session that the run was started in stays as it was.
func TestHopGoesFirstAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may go before others")
	}
	before, err := os.ReadFile(autogroup)
	if err != nil {
		t.Skipf("no autogroups here: %v", err)
	}
	result := mustRun(t, compileText(t, `
version: 1
name: first
link: {rtt: 5ms}
workload: {mode: handshakes, duration: 20ms, realtime: true}
`))
	if got := result.Arms[0].Labels[results.EnvRealtime]; got != "nice -19" {
		t.Errorf("realtime: %q", got)
	}
	after, err := os.ReadFile(autogroup)
	if err != nil || string(after) != string(before) {
		t.Errorf("the session of the run was %s and is %s, %v", strings.TrimSpace(string(before)), strings.TrimSpace(string(after)), err)
	}
}
