package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/sim"
)

// oursAlone are the settings of a pool that are no CDN's.
var oursAlone = map[string]bool{
	"edge.pool.reuse": true, "edge.pool.kind": true, "edge.pool.maxIdle": true,
	"edge.pool.circuit.open": true, // means nothing without failures
}

// TestPresetsFitTheDocument: every path is a setting and every value one that
// the setting takes.
func TestPresetsFitTheDocument(t *testing.T) {
	for _, p := range edge.Presets() {
		for _, f := range p.Facts {
			hasPath, takesValue := presetValue(f).Fits()
			switch {
			case !hasPath:
				t.Errorf("%s: %s is no setting", p.Name, f.Path)
			case !takesValue && f.Value != "":
				t.Errorf("%s: %s does not take %q", p.Name, f.Path, f.Value)
			}
		}
		for _, path := range scenarios.Paths(false) {
			if _, ok := p.Fact(path); !ok && strings.HasPrefix(path, "edge.pool.") && !oursAlone[path] {
				t.Errorf("%s is silent on %s: write its value, or unknown", p.Name, path)
			}
		}
		for _, path := range scenarios.Dependences() {
			if _, ok := p.Fact(path); !ok {
				t.Errorf("%s is silent on %s, on which scenarios depend", p.Name, path)
			}
		}
	}
}

// TestEveryPresetIsUsable: what a preset leaves open can be set, and then it
// compiles, over either kind of workload.
func TestEveryPresetIsUsable(t *testing.T) {
	for _, p := range edge.Presets() {
		for mode, pool := range map[string]string{"requests": "{idleTimeout: 5s}", "handshakes": "{}"} {
			s, err := scenarios.Load(scenarios.Source{
				File: "x.yaml", Presets: presetTable(),
				Content: fmt.Appendf(nil, `
version: 1
edge: {preset: %s, protocol: h1, identity: own, pool: %s, tls: {version: "1.3", group: x25519, resumption: false, verify: true}}
workload: {mode: %s}
`, p.Name, pool, mode),
			})
			if err != nil {
				t.Errorf("%s, %s: %v", p.Name, mode, err)
				continue
			}
			plan, err := sim.Compile(s)
			if err != nil {
				t.Errorf("%s, %s: %v", p.Name, mode, err)
				continue
			}
			arm := plan.Experiments[0].Arms[0].Settings.Edge
			if f, _ := p.Fact("edge.retry.connectTimeout"); f.Value != "" && arm.Retry.ConnectTimeout.String() != f.Value {
				t.Errorf("%s: the plan has a connect timeout of %s instead of %s", p.Name, arm.Retry.ConnectTimeout, f.Value)
			}
		}
	}
}
