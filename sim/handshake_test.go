package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/wire"
)

// everyHandshake is every kind of TCP handshake there is, with a key whose
// signatures have one length.
const everyHandshake = `
version: 1
name: rows
origin: {certificate: {key: ed25519}}
workload: {mode: handshakes, trials: 2, block: 5ms, duration: 800ms}
experiments:
  - name: h
    compare:
      - {axis: edge.tls.version, values: ["1.2", "1.3"]}
      - {axis: edge.tls.resumption, values: [false, true]}
      - axis: auth
        values:
          - {name: server, set: {origin.strategies: []}}
          - {name: mtls, set: {origin.strategies: [mtls]}}
  - name: retry
    edge: {tls: {group: p256, helloRetry: true}}
    compare:
      - {axis: edge.tls.resumption, values: [false, true]}
      - axis: auth
        values:
          - {name: server, set: {origin.strategies: []}}
          - {name: mtls, set: {origin.strategies: [mtls]}}
`

// TestEveryHandshakeIsExact holds turns, first bytes, kinds and bytes of every
// row, in a real run with processes.
func TestEveryHandshakeIsExact(t *testing.T) {
	result := mustRun(t, compileText(t, everyHandshake))
	if v := result.Validity; !v.Valid || !v.Reconciled || len(noAA(v.Warnings)) > 0 {
		t.Errorf("validity %+v", v)
	}
	for _, tally := range result.Validity.Tallies {
		if tally.EdgeBytes != tally.OriginBytes || (tally.EdgeBytes == 0) != strings.HasSuffix(tally.Arm, "/plain-tcp") {
			t.Errorf("the two ends counted other bytes: %+v", tally)
		}
	}
	for _, resumed := range []bool{false, true} {
		for _, auth := range []string{"server", "mtls"} {
			rest := fmt.Sprintf("edge.tls.resumption=%t,auth=%s", resumed, auth)
			for name, turns := range map[string]float64{
				"h/edge.tls.version=1.2," + rest: map[bool]float64{false: 2, true: 1}[resumed],
				"h/edge.tls.version=1.3," + rest: 1,
				"retry/" + rest:                  2,
			} {
				checkExact(t, result, name, turns, resumed)
			}
		}
	}
	checkBigger(t, result)
}

// noAA drops what is said about noise, which a test's machine has.
func noAA(warnings []string) []string {
	var rest []string
	for _, w := range warnings {
		if !strings.Contains(w, "the same arm twice") {
			rest = append(rest, w)
		}
	}
	return rest
}

func checkExact(t *testing.T, result *results.Result, name string, turns float64, resumed bool) {
	t.Helper()
	a := result.Arm(name)
	if a == nil {
		t.Fatalf("no arm %s", name)
	}
	m := a.Metrics
	for metric, want := range map[string]float64{"handshake.rtts": turns, "firstbyte.rtts": turns + 2} {
		if v := m[metric]; v.Low != want || v.High != want || v.N == 0 {
			t.Errorf("%s: %s is %+v, want exactly %v", name, metric, v, want)
		}
	}
	for _, metric := range []string{"handshake.bytes.sent", "handshake.bytes.received"} {
		if v := m[metric]; v.Low != v.High || v.Low < 200 {
			t.Errorf("%s: %s is %+v, want always the same", name, metric, v)
		}
	}
	none, all := "handshake.resumed", "handshake.full"
	if resumed {
		none, all = all, none
	}
	if m[none].Value != 0 || m[all].Value == 0 || m[all].Value != m["requests.count"].Value {
		t.Errorf("%s: %v full and %v resumed of %v", name, m["handshake.full"].Value, m["handshake.resumed"].Value, m["requests.count"].Value)
	}
	for _, metric := range []string{"connect.p50", "handshake.p50", "firstbyte.p50"} {
		if v := m[metric]; v.N != int(m[all].Value) || v.Value <= 0 {
			t.Errorf("%s: %s is %+v, want %v samples", name, metric, v, m[all].Value)
		}
	}
	retry := strings.HasPrefix(name, "retry/")
	if (a.Labels[results.LabelHelloRetry] == "true") != retry || retry && a.Labels["group"] != "p256" {
		t.Errorf("%s: labels %v", name, a.Labels)
	}
	if processCPUAvailable() != nil {
		return
	}
	floorless := resumed && strings.Contains(name, "version=1.2")
	if _, have := a.Trials[0].Metrics["efficiency.edge"]; have && floorless {
		t.Errorf("%s: efficiency of a handshake without primitives", name)
	}
	if v, have := m["efficiency.origin"]; !floorless && (!have || v.Value != m["efficiency"].Value) {
		t.Errorf("%s: efficiency %+v and %+v", name, v, m["efficiency"])
	}
}

// checkBigger: the ticket of a mutual handshake carries the client's chain.
func checkBigger(t *testing.T, result *results.Result) {
	t.Helper()
	for _, version := range []string{"1.2", "1.3"} {
		for _, metric := range []string{"handshake.bytes.sent", "handshake.bytes.received"} {
			bytes := func(resumed bool) float64 {
				return result.Arm(fmt.Sprintf("h/edge.tls.version=%s,edge.tls.resumption=%t,auth=mtls", version, resumed)).Metrics[metric].Value
			}
			if bytes(true) <= bytes(false) {
				t.Errorf("TLS %s: %s is %v resumed and %v full", version, metric, bytes(true), bytes(false))
			}
		}
	}
}

// RSA signatures have one length too; ECDSA's are DER, and a mutual handshake
// has two of them.
func TestBytesByKeyType(t *testing.T) {
	result := mustRun(t, compileText(t, `
version: 1
name: keys
workload: {mode: handshakes, trials: 1, block: 5ms, duration: 400ms}
compare: [{axis: origin.certificate.key, values: [rsa-2048, ecdsa-p256, ecdsa-p384]}]
`))
	const derSlack = 6
	for key, slack := range map[string]float64{"rsa-2048": 0, "ecdsa-p256": derSlack, "ecdsa-p384": derSlack} {
		a := result.Arm("keys/origin.certificate.key=" + key)
		for _, metric := range []string{"handshake.bytes.sent", "handshake.bytes.received"} {
			if v := a.Metrics[metric]; v.High-v.Low > slack || v.N == 0 {
				t.Errorf("%s: %s is %+v, want a spread of at most %v", key, metric, v, slack)
			}
		}
		if !strings.HasPrefix(a.Labels["key"], key) {
			t.Errorf("%s: labels %v", key, a.Labels)
		}
	}
}

// A padded chain is what the handshake grows by, each way, to the byte but for
// the framing of records.
func TestChainBytesAreSent(t *testing.T) {
	result := mustRun(t, compileText(t, `
version: 1
name: chain
origin: {certificate: {key: ed25519, chain: 2}}
workload: {mode: handshakes, trials: 1, block: 5ms, duration: 400ms}
compare: [{axis: origin.certificate.bytes, values: [4KiB, 12KiB, 64KiB]}]
`))
	if got := result.Arm("chain/origin.certificate.bytes=12KiB").Labels; got[results.LabelChainBytes] != "12KiB" || got["key"] != "ed25519, chain of 2" {
		t.Errorf("labels %v", got)
	}
	bytes := func(size, metric string) float64 {
		return result.Arm("chain/origin.certificate.bytes=" + size).Metrics["handshake.bytes."+metric].Value
	}
	for _, metric := range []string{"sent", "received"} {
		if got := bytes("12KiB", metric) - bytes("4KiB", metric); got != 8<<10 {
			t.Errorf("8 KiB more of certificates are %v bytes more %s", got, metric)
		}
		const record = 5 + 1 + 16 // header, type and tag of one more record for every 16 KiB
		if got := bytes("64KiB", metric) - bytes("4KiB", metric); got < 60<<10 || got > 60<<10+4*record {
			t.Errorf("60 KiB more of certificates are %v bytes more %s", got, metric)
		}
	}
}

// An arm that resumes, at an origin that gives no tickets, is a run that
// measured something else. The loader refuses it; here the plan is spoilt.
func TestResumedArmWithFullHandshakesIsInvalid(t *testing.T) {
	plan := compileText(t, "version: 1\nname: h\nedge: {tls: {resumption: true}}\nworkload: {mode: handshakes, trials: 1, duration: 400ms}\n")
	for i := range plan.Experiments[0].Arms {
		plan.Experiments[0].Arms[i].Settings.Origin.Tickets = false
	}
	result := mustRun(t, plan)
	if v := result.Validity; v.Valid || !strings.Contains(strings.Join(v.Warnings, "\n"), "h: asked for resumed handshakes, but ") {
		t.Errorf("validity %+v", v)
	}
	m := result.Arm("h").Metrics
	if _, have := m["handshake.rtts"]; have || m["handshake.full"].Value == 0 {
		t.Errorf("full handshakes give figures of resumed ones: %+v", m)
	}
}

func TestKindsAreCheckedBothWays(t *testing.T) {
	for _, c := range []struct {
		resumption    bool
		full, resumed int64
		want          string
	}{
		{true, 0, 9, ""},
		{true, 1, 9, "x: asked for resumed handshakes, but 1 of 10 were full"},
		{false, 9, 0, ""},
		{false, 9, 1, "x: asked for full handshakes, but 1 of 10 were resumed"},
	} {
		result, err := newResult(&Plan{}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r := &run{result: result}
		arm := Arm{Name: "x", Settings: scenarios.Defaults()}
		arm.Settings.Edge.TLS.Resumption = c.resumption
		collected := collected{arm: &arm, merged: results.Summary{Counts: map[string]int64{countHandshakeFull: c.full, countHandshakeResumed: c.resumed}}}
		r.checkKind(&Experiment{Kind: Handshakes}, &collected)
		v := result.Validity
		if v.Valid != (c.want == "") || !strings.Contains(strings.Join(v.Warnings, "\n"), c.want) {
			t.Errorf("%+v: %+v", c, v)
		}
		if r.checkKind(&Experiment{Kind: Requests}, &collected); len(result.Validity.Warnings) > 1 {
			t.Error("an experiment of requests may mix kinds")
		}
	}
}

func TestNegotiatedRetry(t *testing.T) {
	for _, c := range []struct {
		asked, got bool
		want       string
	}{
		{false, false, ""},
		{true, true, ""},
		{true, false, "asked for a HelloRetryRequest, the origin made none"},
		{false, true, "did not ask for"},
	} {
		arm := Arm{Settings: scenarios.Defaults()}
		arm.Settings.Edge.TLS.HelloRetry = c.asked
		r := newPullRecorder(arm)
		r.negotiated(0, &wire.Trace{Version: "1.3", Group: "x25519", HelloRetry: c.got})
		_, err := r.end()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("asked %v, got %v: %v", c.asked, c.got, err)
		}
	}
}

// TestNegotiatedProtocol: the label is what ALPN agreed on, and anything but
// what was asked for ends the arm.
func TestNegotiatedProtocol(t *testing.T) {
	for _, c := range []struct{ asked, alpn, label, want string }{
		{"h1", "", "h1", ""},
		{"h1", "http/1.1", "h1", ""},
		{"h2", "h2", "h2", ""},
		{"h3", "h3", "h3", ""},
		{"h2", "", "h1", "asked for h2, negotiated h1"},
		{"h1", "h2", "h2", "asked for h1, negotiated h2"},
	} {
		arm := Arm{Settings: scenarios.Defaults()}
		arm.Settings.Edge.Protocol = c.asked
		r := newPullRecorder(arm)
		r.negotiated(0, &wire.Trace{Version: "1.3", Group: "x25519", ALPN: c.alpn})
		_, err := r.end()
		if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want || r.labels()["protocol"] != c.label {
			t.Errorf("%+v: label %q, error %v", c, r.labels()["protocol"], err)
		}
	}
}

func TestEndsThatDisagreeAreNamed(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*pool.Stats, *origin.Counts)
		want   string
	}{
		{"agree", func(*pool.Stats, *origin.Counts) {}, ""},
		{"kind", func(_ *pool.Stats, o *origin.Counts) { o.Full, o.Resumed = 1, 2 }, "the edge counted 2 full handshakes, the origin 1"},
		{"sent", func(p *pool.Stats, _ *origin.Counts) { p.HandshakeSent++ }, "the edge counted 101 bytes of handshakes from edge to origin, the origin 100"},
		{"received", func(_ *pool.Stats, o *origin.Counts) { o.HandshakeSent-- }, "the edge counted 200 bytes of handshakes from origin to edge, the origin 199"},
		{"after a failure", func(p *pool.Stats, _ *origin.Counts) { p.HandshakeSent++; p.HandshakesFailed = 1 }, ""},
	} {
		result, err := newResult(&Plan{}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		p := pool.Stats{HandshakesFull: 2, HandshakesResumed: 1, HandshakeSent: 100, HandshakeReceived: 200}
		o := origin.Counts{Full: 2, Resumed: 1, HandshakeReceived: 100, HandshakeSent: 200}
		c.change(&p, &o)
		trial := armTrial{index: 1, edge: &EdgeSummary{}, origin: &o}
		trial.edge.Total.Pool = p
		(&run{result: result}).compareEnds(&Arm{Name: "x", Settings: scenarios.Defaults()}, &trial)
		got := strings.Join(result.Validity.Warnings, "\n")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
