package sim_test

import (
	"context"
	"fmt"
	"os"

	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/sim"
)

// From a scenario to a result. The workers are this program again: a program
// that runs plans must be able to be one (see ServeWorker).
func Example() {
	scenario, err := scenarios.Load(scenarios.Source{File: "two.yaml", Content: []byte(`
version: 1
name: two
workload: {mode: handshakes, duration: 400ms, trials: 1}
compare: [{axis: edge.tls.version, values: ["1.2", "1.3"]}]
expect: ["handshake.rtts{edge.tls.version=1.3} < handshake.rtts{edge.tls.version=1.2}"]
`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := sim.Compile(scenario)
	if err != nil {
		fmt.Println(err)
		return
	}
	folder, err := os.MkdirTemp("", "originpull")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	result, err := sim.Run(context.Background(), plan, sim.Config{Worker: []string{os.Args[0], "worker"}, Folder: folder})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, arm := range result.Arms[:2] {
		fmt.Println(arm.Name, arm.Metrics["handshake.rtts"].Value)
	}
	for _, e := range result.Expectations {
		fmt.Println(e.Expression, e.Pass)
	}
	// Output:
	// two/edge.tls.version=1.2 2
	// two/edge.tls.version=1.3 1
	// handshake.rtts{edge.tls.version=1.3} < handshake.rtts{edge.tls.version=1.2} true
}
