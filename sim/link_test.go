package sim

import (
	"context"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/wire"
)

// TestHopIsMeasuredInRoundTrips runs every protocol over a distance. A busy
// machine makes it slower; nothing makes it faster than the distance.
func TestHopIsMeasuredInRoundTrips(t *testing.T) {
	result := mustRun(t, compileText(t, `
version: 1
name: far
link: {rtt: 20ms}
workload: {mode: handshakes, duration: 100ms, concurrency: 2}
compare:
  - axis: handshake
    values:
      - {name: tls12, set: {edge.tls.version: "1.2"}}
      - {name: tls12-resumed, set: {edge.tls.version: "1.2", edge.tls.resumption: true}}
      - {name: tls13, set: {}}
      - {name: h3, set: {edge.protocol: h3}}
      - {name: h3-resumed, set: {edge.protocol: h3, edge.tls.resumption: true}}
      - {name: loopback, set: {link.rtt: 0s, origin.strategies: [allowlist]}}
`))
	if !result.Validity.Reconciled || len(result.Pairs) > 0 || len(result.Arms) != 6 {
		t.Fatalf("validity %+v, %d pairs, %d arms", result.Validity, len(result.Pairs), len(result.Arms))
	}
	for name, least := range map[string]float64{"tls12": 4, "tls12-resumed": 3, "tls13": 3, "h3": 2, "h3-resumed": 2} {
		a := result.Arm("far/handshake=" + name)
		first := a.Metrics[results.MetricFirstByteRTTs]
		// The realised round trip is a median too, and its machine may have been busier.
		if a.Error != "" || first.N == 0 || first.Value < least*0.6 || first.Kind != results.Time {
			t.Errorf("%s: %s, firstbyte.rtts %+v", name, a.Error, first)
		}
		if v := a.Metrics[results.MetricLinkRealised]; v.Value < 20 || a.Metrics[results.MetricLinkNominal].Value != 20 {
			t.Errorf("%s: realised %+v", name, v)
		}
		if v := a.Metrics["firstbyte.p50"]; v.Value < least*20 {
			t.Errorf("%s: the first byte came after %+v", name, v)
		}
		if a.Labels[results.LabelLink] != "netstack, rtt 20ms" {
			t.Errorf("%s: labels %v", name, a.Labels)
		}
		noCPU(t, a)
	}
	near := result.Arm("far/handshake=loopback")
	if v := near.Metrics[results.MetricFirstByteRTTs]; v.Low != 3 || v.High != 3 || near.Labels[results.LabelLink] != "" {
		t.Errorf("loopback counts turns: %+v, %v", v, near.Labels)
	}
	noCPU(t, near)
}

func noCPU(t *testing.T, a *results.Arm) {
	t.Helper()
	for name, v := range a.Metrics {
		if v.Kind == results.CPU || strings.HasPrefix(name, "efficiency") {
			t.Errorf("%s has %s %+v", a.Name, name, v)
		}
	}
}

// TestHopCarriesRequests: a pool over a distance, let in by an address that
// this machine does not have.
func TestHopCarriesRequests(t *testing.T) {
	result := mustRun(t, compileText(t, `
version: 1
name: far
origin: {strategies: [allowlist, mtls]}
link: {rtt: 10ms, loss: 0.01, rate: 100Mbit/s}
workload: {duration: 300ms, warmup: 20ms, objects: {model: one}}
compare: [{axis: edge.pool.reuse, values: [true, false]}]
`))
	if !result.Validity.Reconciled {
		t.Fatalf("%+v", result.Validity)
	}
	kept, fresh := result.Arm("far/edge.pool.reuse=true"), result.Arm("far/edge.pool.reuse=false")
	for _, a := range []*results.Arm{kept, fresh} {
		if a.Error != "" || a.Metrics["requests.count"].Value == 0 || a.Metrics["requests.failed"].Value > 0 {
			t.Errorf("%s: %s, %+v", a.Name, a.Error, a.Metrics)
		}
		noCPU(t, a)
	}
	if kept.Metrics["latency.p50"].Value < 10 || fresh.Metrics["latency.p50"].Value < 30 {
		t.Errorf("latency %+v, %+v", kept.Metrics["latency.p50"], fresh.Metrics["latency.p50"])
	}
}

func TestLinkIsRefusedWhereItWasWritten(t *testing.T) {
	s, err := scenarios.Load(scenarios.Source{File: "x.yaml", Content: []byte(`
version: 1
workload: {mode: handshakes}
link:
  kind: model
  mtu: 100
experiments:
  - name: a
    edge: {protocol: h3}
  - name: b
    compare:
      - {axis: link.loss, values: [0, 0.01]}
      - axis: server
        values:
          - {name: nginx, set: {origin.server: nginx}}
  - name: c
    link: {kind: direct, rtt: 50ms, mtu: 1500}
    edge: {plant: {cpu: 0.5}}
  - name: d
    link: {kind: tun}
    origin: {server: nginx}
    edge: {pops: [{name: near, rtt: 10ms}, {name: far, rtt: 60ms}]}
`)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Compile(s)
	problems, ok := errors.AsType[scenarios.Problems](err)
	if !ok {
		t.Fatal(err)
	}
	for _, want := range []string{
		"x.yaml:6: experiments[0].link.mtu: 100 bytes are not between 1280 and 65535",
		"x.yaml:5: experiments[0].link.kind: a model link carries no datagrams: h3 needs direct, netstack or tun",
		"x.yaml:12: experiments[1].compare[0].values[1]: a model link has none: use netstack or tun",
		"x.yaml:15: experiments[1].compare[1].values[0].set.origin.server: nginx speaks the kernel's TCP, which a model link has not: use link.kind: tun, or server: builtin",
		"x.yaml:21: experiments[3].origin.server: nginx is at the end of one link, and points of presence with distances of their own have one each: use server: builtin, or a number of edge.pops",
		"x.yaml:17: experiments[2].link.rtt: a direct link has none: use netstack or model or tun",
	} {
		if !slices.ContainsFunc(problems, func(p scenarios.Problem) bool { return p.Error() == want }) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}

// TestDistantPlanIsTrue: blocks are long enough for their distance, arms are
// measured together, and neither baseline nor double stands beside them.
func TestDistantPlanIsTrue(t *testing.T) {
	plan := compileText(t, `
version: 1
workload: {mode: handshakes, duration: 1s}
compare: [{axis: link.rtt, values: [10ms, 100ms, 200ms, 400ms, 20ms]}]
`)
	x := &plan.Experiments[0]
	if len(x.Arms) != 5 || x.Interleaved || x.Trials != 1 {
		t.Fatalf("%+v", x)
	}
	var lengths []float64
	for i := range x.Arms {
		lengths = append(lengths, x.blockOf(&x.Arms[i]))
	}
	if want := []float64{1, 3, 6, 12, 1}; !slices.Equal(lengths, want) {
		t.Errorf("blocks of %v, want %v", lengths, want)
	}
	// Short ones alone, the others together: the longest of them has 15 round
	// trips more than its block.
	if want := 1 + 0.01*15 + 12 + 0.4*15 + 1 + 0.02*15; x.Seconds < want-1e-9 || x.Seconds > want+1e-9 {
		t.Errorf("%v seconds, want %v", x.Seconds, want)
	}
}

// TestPopsHaveDistancesOfTheirOwn: each has a path, and figures of its own.
func TestPopsHaveDistancesOfTheirOwn(t *testing.T) {
	result := mustRun(t, compileText(t, `
version: 1
name: pops
origin: {strategies: [allowlist, mtls]}
edge: {pops: [{name: near, rtt: 10ms}, {name: far, rtt: 60ms}], pool: {reuse: false}}
workload: {duration: 1s, warmup: 20ms, objects: {model: one}}
`))
	a := &result.Arms[0]
	if a.Error != "" || !result.Validity.Reconciled || len(a.Pops) != 2 {
		t.Fatalf("%s, %+v, %+v", a.Error, result.Validity, a.Pops)
	}
	samples := 0
	for i, rtt := range []float64{10, 60} {
		pop := a.Pops[i]
		if m := pop.Metrics; m[results.MetricLinkNominal].Value != rtt || m[results.MetricLinkRealised].Value < rtt || m["latency.p50"].Value < 3*rtt || m["firstbyte.p50"].Value < 3*rtt {
			t.Errorf("%s: %+v", pop.Name, m)
		}
		samples += pop.Metrics["latency.p50"].N
	}
	if want := int(a.Metrics["requests.count"].Value); samples != want || a.Metrics["latency.p50"].N != want {
		t.Errorf("%d pulls at points of presence, %d in all", samples, want)
	}
	if _, have := a.Metrics[results.MetricLinkRealised]; have {
		t.Error("there are two links, and one figure of them")
	}
}

// TestLateBlocksAreMeasuredAgain: what a block found on a link that was late is
// gone, so many times and no more; the arms say so, and the run.
func TestLateBlocksAreMeasuredAgain(t *testing.T) {
	for _, test := range []struct {
		late  int // blocks
		again int
		valid bool
	}{{0, 0, true}, {2, 2, true}, {lateHandshakes, lateHandshakes, true}, {lateHandshakes + 1, lateHandshakes, false}} {
		blocks := 0
		p := lateHop(t, func(b Block) string {
			if b.Discard {
				t.Errorf("warm-up was asked of")
			}
			if blocks++; b.Again != (blocks > 1) {
				t.Errorf("block %d: %+v", blocks, b)
			}
			if blocks <= test.late {
				return "late"
			}
			return ""
		})
		p.block(t.Context(), Block{Seconds: 0.001})
		if p.trial.err != nil || p.trial.again != test.again || blocks != test.again+1 {
			t.Errorf("%d late: %v, %d again, %d blocks", test.late, p.trial.err, p.trial.again, blocks)
		}
	}
}

// lateHop is a pair on a distance whose worker says of each block what late
// returns.
func lateHop(t *testing.T, late func(Block) string) *pair {
	t.Helper()
	commands, in := io.Pipe()
	p := &process{name: "a hop", in: in, answers: make(chan Answer)}
	var worker sync.WaitGroup
	worker.Go(func() {
		for lines := newLineReader(commands); ; {
			var c Command
			if err := lines.next(&c); err != nil {
				return
			}
			p.answers <- Answer{Type: msgBlockDone, Done: &BlockDone{Count: 1, Late: late(*c.Block)}}
		}
	})
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		worker.Wait()
	})
	var arm Arm
	arm.Settings.Link.Kind, arm.Settings.Workload.Mode = "netstack", string(Handshakes)
	return &pair{arm: &arm, edge: p, origin: &hopEnd{}}
}

// TestAgainForgets: what stands is the last block, at both ends of the figures.
func TestAgainForgets(t *testing.T) {
	plan := compileText(t, `
version: 1
link: {rtt: 5ms}
workload: {mode: handshakes, duration: 20ms}
`)
	r, x := newTestRun(t, plan), &plan.Experiments[0]
	lab, err := newLab()
	if err != nil {
		t.Fatal(err)
	}
	var forgotten int64
	trials := r.trial(t.Context(), x, 1, lab, func(ctx context.Context, pairs []*pair) {
		p := pairs[0]
		for forgotten < 20 {
			first, err := grant(ctx, p.edge, Command{Type: msgBlock, Block: &Block{Seconds: 0.1}}, 1)
			if err != nil {
				t.Fatal(err)
			}
			forgotten += first.Done.Count
		}
		second, err := grant(ctx, p.edge, Command{Type: msgBlock, Block: &Block{Seconds: 0.02, Again: true}}, 1)
		if err != nil || second.Done.Count == 0 || second.Done.Count >= forgotten {
			t.Fatalf("%+v after %d, %v", second.Done, forgotten, err)
		}
		p.costs = append(p.costs, blockCost{count: second.Done.Count})
	})
	got := trials[0]
	if got.err != nil {
		t.Fatal(got.err)
	}
	if n := got.edge.Summary.Counts[countRequests]; n != got.blocks[0].count {
		t.Errorf("%d requests are recorded, %d were in the block that stands", n, got.blocks[0].count)
	}
	if made := got.edge.Total.Pool.Connects; made <= got.blocks[0].count || made != got.origin.Ended() {
		t.Errorf("%d connections were made, %d ended", made, got.origin.Ended())
	}
	// No connection does with fewer packets: three to open, two flights of the
	// handshake, the request, the response, two to close. A busy machine sends
	// some again, so there is no such bound from above.
	if packets, least := got.links[0].Packets, 9*forgotten; packets == 0 || packets >= least {
		t.Errorf("%d packets for %d connections: %d would be those of the %d that are forgotten",
			packets, got.blocks[0].count, least, forgotten)
	}
}

// TestBatches: short distances are measured alone, longer ones together.
func TestBatches(t *testing.T) {
	x := &Experiment{Kind: Handshakes}
	for _, rtt := range []time.Duration{10, 50, 50, 20, 50, 50, 50, 50, 150, 0} {
		var a Arm
		a.Settings.Link.Kind, a.Settings.Link.RTT = "netstack", scenarios.Duration(rtt*time.Millisecond)
		x.Arms = append(x.Arms, a)
	}
	sizes := func() (n []int) {
		for _, b := range x.batches() {
			n = append(n, len(b))
		}
		return n
	}
	if got, want := sizes(), []int{1, 2, 1, 4, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("handshakes in batches of %v, want %v", got, want)
	}
	x.Kind = Requests
	if got := sizes(); len(got) != len(x.Arms) {
		t.Errorf("requests in batches of %v", got)
	}
}

// TestLateLinksVoidTheirArms: which, why, and how often others were measured
// again stands in the result.
func TestLateLinksVoidTheirArms(t *testing.T) {
	arm := func(name string, again int, link LinkSummary) collected {
		return collected{arm: &Arm{Name: name}, trials: []armTrial{{again: again, links: []LinkSummary{link}}}}
	}
	r := &run{result: &results.Result{Validity: results.Validity{Valid: true}}}
	r.judgeLinks(&Experiment{Name: "x"}, []collected{
		arm("x/a", 0, LinkSummary{}),
		arm("x/b", 2, LinkSummary{}),
		arm("x/c", 4, LinkSummary{Reasons: []string{"it was late", "and busy"}}),
		arm("x/d", 0, LinkSummary{Warnings: []string{"it is short"}}),
	})
	want := results.Validity{
		Links: map[string]string{"x/c": "it was late"},
		Warnings: []string{
			"x: the link was late, and 6 blocks of 2 of 4 arms were measured again in place of what they had found: the machine was busy with something else",
			"x: the link cannot be trusted in 1 of 4 arms, and latency of the run is not valid; the first is x/c: it was late",
			"x: a doubt in 1 of 4 arms; the first is x/d: it is short",
		},
	}
	if !reflect.DeepEqual(r.result.Validity, want) {
		t.Errorf("%+v\nwant %+v", r.result.Validity, want)
	}
}

// TestLackingLinkIsNeverPassed: an experiment on a kind that is not here is not
// run, says what to use, and the run is not valid.
func TestLackingLinkIsNeverPassed(t *testing.T) {
	tun, _ := wire.KindOf("tun")
	if tun.Available() == nil {
		t.Skip("this machine has every kind of link")
	}
	plan := compileText(t, "version: 1\nname: far\nlink: {kind: tun, rtt: 50ms}\nworkload: {mode: handshakes}\n")
	result := mustRun(t, plan)
	why := NotHere(t.Context(), plan)
	if len(why) != 1 || !strings.Contains(why[0], "use netstack") || result.Validity.Valid || result.Conclude() != results.Inconclusive {
		t.Errorf("%q, %+v, %s", why, result.Validity, result.Conclude())
	}
}

// TestAttemptsHaveNoLink: one that is asked for is refused, never ignored.
func TestAttemptsHaveNoLink(t *testing.T) {
	for settings, want := range map[string]string{
		"link: {rtt: 50ms}":                          "netstack link",
		"link: {kind: tun}":                          "tun link",
		"edge: {pops: [{name: syd, rtt: 280ms}]}":    "netstack link",
		"link: {kind: direct}":                       "",
		"origin: {audit: refused}\nlink: {seed: 12}": "",
	} {
		s, err := scenarios.Load(scenarios.Source{File: "x.yaml", Content: []byte("version: 1\n" + settings + "\nbypass: {cases: [A01], strategies: [mtls]}\n")})
		if err != nil {
			t.Fatal(err)
		}
		_, err = Compile(s)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), "there is no "+want+" for them")) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}
