package sim

import (
	"bufio"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
)

const loadScenario = `
version: 1
name: load
experiments:
  - name: closed
    origin: {server: SERVER, certificate: {key: ed25519}, mtls: {pin: none, revocation: false}}
    workload: {mode: handshakes, concurrency: 8, trials: 1, duration: 400ms, block: 5ms}
    compare:
      - {axis: edge.tls.version, values: ["1.2", "1.3"]}
      - {axis: edge.tls.resumption, values: [false, true]}
  - name: open
    origin: {server: SERVER, certificate: {key: ed25519}, mtls: {pin: none, revocation: false}}
    workload: {mode: handshakes, arrivals: {model: constant, rate: 100/s}, duration: 200ms}
    compare:
      - {axis: edge.tls.resumption, values: [false, true]}
      - {axis: workload.arrivals.rate, values: [50/s, 100/s]}
`

// Handshakes n at once and at a rate are as exact as one after the other, at
// the built-in origin and at a real server.
func TestHandshakeLoad(t *testing.T) {
	for _, server := range []string{builtin, "nginx"} {
		t.Run(server, func(t *testing.T) {
			if driver, real := origin.DriverNamed(server); real {
				if _, err := driver.Find(t.Context()); err != nil {
					t.Skipf("not run: %v", err)
				}
			}
			result := mustRun(t, compileText(t, strings.ReplaceAll(loadScenario, "SERVER", server)))
			if !result.Validity.Reconciled || len(result.Validity.Tallies) != 12 {
				t.Errorf("validity %+v", result.Validity)
			}
			for i := range result.Arms {
				if a := &result.Arms[i]; a.Role == results.RoleArm {
					checkLoadArm(t, a, server == builtin)
				}
			}
			for rate, want := range map[string]float64{"50/s": 10, "100/s": 20} {
				a := result.Arm("open/edge.tls.resumption=true,workload.arrivals.rate=" + rate)
				if n := a.Metrics["handshake.resumed"].Value; n != want {
					t.Errorf("%s for 200 ms made %v handshakes, want %v", rate, n, want)
				}
				if v := a.Metrics["send.error.p99"]; v.N != int(want) {
					t.Errorf("send error of %d arrivals, want %v", v.N, want)
				}
			}
		})
	}
}

func checkLoadArm(t *testing.T, a *results.Arm, bytes bool) {
	t.Helper()
	m := a.Metrics
	resumed := a.Axes["edge.tls.resumption"] == "true"
	turns := 1.0
	if a.Axes["edge.tls.version"] == "1.2" && !resumed {
		turns = 2
	}
	exact := map[string]float64{"handshake.rtts": turns, "firstbyte.rtts": turns + 2}
	for name, want := range exact {
		if v := m[name]; v.Low != want || v.High != want || v.N == 0 {
			t.Errorf("%s: %s is %+v, want exactly %v", a.Name, name, v, want)
		}
	}
	for _, name := range []string{"handshake.bytes.sent", "handshake.bytes.received"} {
		if v := m[name]; bytes && (v.Low != v.High || v.N == 0) {
			t.Errorf("%s: %s is %+v, want always the same", a.Name, name, v)
		}
	}
	kind := map[bool]string{false: "handshake.full", true: "handshake.resumed"}
	if n := m[kind[resumed]].Value; n == 0 || n != m["requests.count"].Value || m[kind[!resumed]].Value != 0 {
		t.Errorf("%s: %v full and %v resumed of %v", a.Name, m["handshake.full"].Value, m["handshake.resumed"].Value, m["requests.count"].Value)
	}
	for _, name := range []string{"connect.p50", "handshake.p99", "firstbyte.p999"} {
		if v := m[name]; v.N != int(m["requests.count"].Value) || v.Value <= 0 {
			t.Errorf("%s: %s is %+v", a.Name, name, v)
		}
	}
	if processCPUAvailable() == nil && (m["handshake.cpu.edge"].Value <= 0 || m["handshake.cpu.origin"].Value <= 0) && !resumed {
		t.Errorf("%s: CPU %+v and %+v", a.Name, m["handshake.cpu.edge"], m["handshake.cpu.origin"])
	}
}

// An origin that answers nobody before eight have come shows that eight are
// there at once.
func TestConcurrencyIsConnectionsAtOnce(t *testing.T) {
	const viewers = 8
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() { answerTogether(t, listener, viewers) })
	plan := compileText(t, "version: 1\nname: h\nworkload: {mode: handshakes, concurrency: 8}\n")
	arm := plan.Experiments[0].Arms[1] // the baseline: no TLS
	if !arm.Plaintext {
		t.Fatalf("arm %s is no baseline", arm.Name)
	}
	start := Start{Protocol: ProtocolVersion, Arm: arm, Source: edgeAddress(), Origin: netip.MustParseAddrPort(listener.Addr().String())}
	answers, err := converse(t, RoleEdge, Command{Type: msgStart, Start: &start}, Command{Type: msgBlock, Block: &Block{}}, Command{Type: msgDrain})
	_ = listener.Close()
	served.Wait()
	if err != nil || len(answers) != 3 || answers[1].Done == nil || answers[1].Done.Count != viewers || answers[1].Done.Failed != 0 {
		t.Fatalf("answers %+v, %v", answers, err)
	}
}

// answerTogether reads a request on each of n connections, then answers all.
func answerTogether(t *testing.T, listener net.Listener, n int) {
	var conns []net.Conn
	for len(conns) < n {
		c, err := listener.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			t.Error(err)
		}
		conns = append(conns, c)
	}
	for _, c := range conns {
		if _, err := c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")); err != nil {
			t.Error(err)
		}
		_ = c.Close()
	}
}

// What handshakes mode cannot honour is what HandshakesOnly changes, and
// concurrency and arrivals are not among it.
func TestHandshakesKeepTheirLoad(t *testing.T) {
	plan := compileText(t, "version: 1\nname: h\nworkload: {mode: handshakes, concurrency: 7}\ncompare: [{axis: edge.tls.version, values: ['1.2', '1.3']}]\n")
	x := &plan.Experiments[0]
	if !x.Interleaved || x.Trials != 8 || x.Arms[0].Settings.Workload.Concurrency != 7 {
		t.Errorf("closed: %+v", x)
	}
	plan = compileText(t, "version: 1\nname: h\nworkload: {mode: handshakes, duration: 2s}\ncompare: [{axis: load, values: [{name: closed}, {name: open, set: {workload.arrivals.model: poisson, workload.arrivals.rate: 50/s}}]}]\n")
	x = &plan.Experiments[0]
	want := scenarios.Arrivals{Model: "poisson", Rate: 50}
	if x.Interleaved || x.Trials != 1 || x.Block != 2 || !reflect.DeepEqual(x.Arms[1].Settings.Workload.Arrivals, want) || x.Arms[0].Settings.Workload.Arrivals.Model != "closed" {
		t.Errorf("open: %+v", x)
	}
}
