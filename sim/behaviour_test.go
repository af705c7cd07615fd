package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/scenarios"
)

func TestBehaviourIsTheScenarios(t *testing.T) {
	e := scenarios.Defaults().Edge
	b := behaviour(&e)
	if !b.ContinueWithoutClientCertificate || b.AcceptAnyOriginCertificate || b.Retry.Attempts != 1 || len(b.Refuses) != 0 {
		t.Errorf("by default %+v", b)
	}
	e.TLS.Unasked, e.TLS.Verify = "fail", false
	e.Refuses = []string{"grpc"}
	e.Retry = scenarios.Retry{Attempts: 3, On: []string{"connect", "response"}, ConnectTimeout: 10e9, ResponseTimeout: 20e9, Budget: 15e9}
	e.Status = scenarios.Status{Wait: 501, Refused: 502, Timeout: 503, Verify: 504, Alert: 505, Response: 506, Truncated: 507, Barred: 508}
	want := edge.Behaviour{
		AcceptAnyOriginCertificate: true,
		Refuses:                    []edge.RequestKind{edge.GRPC},
		Retry:                      edge.Retry{Attempts: 3, On: []edge.RetryWhen{edge.RetryConnect, edge.RetryResponse}, Budget: 15 * time.Second},
		Status: edge.Statuses{
			edge.PhaseWait: 501, edge.PhaseRefused: 502, edge.PhaseTimeout: 503, edge.PhaseVerify: 504,
			edge.PhaseAlert: 505, edge.PhaseResponse: 506, edge.PhaseTruncated: 507, edge.PhaseBarred: 508,
		},
	}
	if b = behaviour(&e); fmt.Sprint(b) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", b, want)
	}
	if p := poolConfig(&e); p.DialTimeout != 10*time.Second || p.ResponseTimeout != 20*time.Second {
		t.Errorf("pool %+v", p)
	}
	for _, phase := range edge.Phases() {
		if b.Status[phase] == 0 {
			t.Errorf("phase %s has no setting", phase)
		}
	}
}

// TestIdentities: each identity is a certificate with a name of its own, and
// an origin that pins lets in the one that its edge shows.
func TestIdentities(t *testing.T) {
	result := mustRun(t, compileText(t, `
version: 1
name: identities
edge: {pool: {reuse: false}}
workload: {mode: requests, duration: 100ms, warmup: 5ms}
compare:
  - {axis: edge.identity, values: [own, global, zone, hostname]}
  - {axis: origin.mtls.pin, values: [san, leaf]}
expect: ["requests.failed == 0", "handshake.failed == 0", "handshake.full > 0"]
`))
	for _, x := range result.Expectations {
		if !x.Pass {
			t.Errorf("%s: %s", x.Expression, x.Detail)
		}
	}
	if len(result.Expectations) != 3 || !result.Validity.Valid {
		t.Errorf("expectations %+v, validity %+v", result.Expectations, result.Validity)
	}
	l, err := newLab()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for identity, name := range edgeNames {
		arm := Arm{Settings: scenarios.Defaults()}
		arm.Settings.Edge.Identity = identity
		set, err := l.credentials(&arm)
		if err != nil {
			t.Fatal(err)
		}
		if got := set.client.DNSNames; len(got) != 1 || got[0] != name || slices.Contains(names, name) {
			t.Errorf("%s: the certificate names %v", identity, got)
		}
		names = append(names, name)
	}
}

// TestRecorderCountsEveryAttempt: what attempts that failed did at the origin
// is counted with the last.
func TestRecorderCountsEveryAttempt(t *testing.T) {
	arm := Arm{Plaintext: true}
	arm.Settings.Origin.Response.Status = 200
	r := newPullRecorder(arm)
	r.begin(Block{}, window{})
	now := time.Now()
	r.record(pulled{due: now, sent: now, end: now, reply: edge.Reply{
		Status: 200, Outcome: cache.Pass, Exchange: &pool.Exchange{},
		Earlier: []pool.Exchange{{Failed: pool.StageTCP}, {Failed: pool.StageHTTP}},
	}})
	counts := r.results.Summary().Counts
	if counts[countRequests] != 1 || counts[countOrigin] != 2 || counts[countFailed] != 0 {
		t.Errorf("counts %v", counts)
	}
}
