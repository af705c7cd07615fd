package sim

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/originpull/originpull/scenarios"
)

// TestMain lets the test binary be the worker processes of the runs that it
// tests: a run starts it as "worker ROLE".
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "worker" {
		if err := ServeWorker(context.Background(), os.Args[2], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	// The race detector makes every process sleep a second at its end.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func testConfig(t *testing.T) Config {
	t.Helper()
	return Config{Worker: []string{os.Args[0], "worker"}, Folder: t.TempDir()}
}

// compileText compiles a scenario that must be valid.
func compileText(t *testing.T, text string, set ...string) *Plan {
	t.Helper()
	s, err := scenarios.Load(scenarios.Source{File: "test.yaml", Content: []byte(text), Set: set})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func compileLibrary(t *testing.T, name string) *Plan {
	t.Helper()
	source, err := scenarios.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	return compileText(t, string(source.Content))
}

const handshakeScenario = `
version: 1
name: small
experiments:
  - name: h
    workload: {mode: handshakes, trials: 2, duration: 600ms, block: 5ms}
    compare:
      - {axis: edge.tls.version, values: ["1.2", "1.3"]}
      - axis: auth
        values:
          - {name: server, set: {origin.strategies: []}}
          - {name: mtls, set: {origin.strategies: [mtls]}}
    expect: ["handshake.failed == 0"]
    claims:
      - text: TLS 1.3 saves a round trip
        source: everybody
        measure: "handshake.rtts{edge.tls.version=1.3,auth=mtls} / handshake.rtts{edge.tls.version=1.2,auth=mtls} < 1"
`
