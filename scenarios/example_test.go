package scenarios_test

import (
	"fmt"

	"github.com/originpull/originpull/scenarios"
)

func Example() {
	src, err := scenarios.Read("quickstart")
	if err != nil {
		fmt.Println(err)
		return
	}
	src.Set = []string{"workload.warmup=200ms"}
	scenario, err := scenarios.Load(src)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, experiment := range scenario.Experiments[:2] {
		for _, cell := range experiment.Cells() {
			fmt.Println(experiment.Name, cell.Axes, cell.Workload.Warmup)
		}
	}
	// Output:
	// handshake [{edge.tls.version 1.2} {auth server}] 200ms
	// handshake [{edge.tls.version 1.2} {auth mtls}] 200ms
	// handshake [{edge.tls.version 1.3} {auth server}] 200ms
	// handshake [{edge.tls.version 1.3} {auth mtls}] 200ms
	// pool-and-cache [{edge cold}] 200ms
	// pool-and-cache [{edge pool}] 200ms
	// pool-and-cache [{edge pool-cache}] 200ms
}

func ExampleLoad() {
	_, err := scenarios.Load(scenarios.Source{File: "mine.yaml", Content: []byte(`version: 1
name: mine
origin: {header: {nam: X-Edge}}
workload: {duration: -3s}
`)})
	fmt.Println(err)
	// Output:
	// mine.yaml:3: origin.header.nam: is an unknown key; did you mean name? Known here: name
	// mine.yaml:4: workload.duration: -3s is less than 10ms; choose a value from 10ms to 1h
}
