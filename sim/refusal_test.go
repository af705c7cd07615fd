package sim

import (
	"testing"
)

const refusalScenario = `
version: 1
name: refusal
origin: {refusesAfter: 200ms, certificate: {key: ed25519}, response: {size: 10B, cacheControl: "max-age=0"}}
edge: {pool: {reuse: false}, cache: {capacity: 1MiB}}
workload: {mode: requests, objects: {model: one}, warmup: 0s, duration: 500ms, trials: 1, controls: false, arrivals: {model: constant, rate: 100/s}}
compare:
  - axis: stale
    values:
      - {name: none, set: {origin.response.cacheControl: "max-age=0"}}
      - {name: hour, set: {origin.response.cacheControl: "max-age=1, stale-if-error=3600"}}
`

// An origin that begins to refuse the edge in the middle of a block: viewers
// notice, unless what is stored may stand in.
func TestOriginComesToRefuse(t *testing.T) {
	result := mustRun(t, compileText(t, refusalScenario))
	if !result.Validity.Reconciled {
		t.Errorf("validity %+v", result.Validity)
	}
	none, hour := result.Arm("refusal/stale=none"), result.Arm("refusal/stale=hour")
	if none.Error != "" || hour.Error != "" {
		t.Fatalf("%q, %q", none.Error, hour.Error)
	}
	m := none.Metrics
	failed, refused := m["requests.failed"].Value, m["handshake.failed"].Value
	if m["requests.count"].Value != 50 || failed == 0 || failed == 50 || m["handshake.full"].Value+refused != 50 {
		t.Errorf("%v of %v failed, %v of %v handshakes", failed, m["requests.count"].Value, refused, m["handshake.full"].Value+refused)
	}
	if failed < refused { // more, when handshakes were over as the origin changed its mind
		t.Errorf("%v handshakes were refused, %v requests failed", refused, failed)
	}
	if v := m["failure.hidden"]; v.N != 1 || v.Value < 0 {
		t.Errorf("hidden for %+v", v)
	}
	m = hour.Metrics
	if m["requests.failed"].Value != 0 || m["failure.hidden"].N != 0 {
		t.Errorf("with stale-if-error: failed %v, hidden for %v", m["requests.failed"], m["failure.hidden"])
	}
}
