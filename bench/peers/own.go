package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/sim"
)

// own is originpull: the edge worker that ships, as a run starts it.
var own = &contender{name: "originpull", own: func(ctx context.Context, l *lab, w load) (time.Duration, error) {
	return ownLoad(ctx, l, scenario(w, "x25519"))
}}

// ownP256 is the same with a P-256 key share, which Go computes faster.
var ownP256 = &contender{name: "originpull, P-256 share", own: func(ctx context.Context, l *lab, w load) (time.Duration, error) {
	return ownLoad(ctx, l, scenario(w, "p256"))
}}

// ownCredulous is the same where it takes any certificate of the server, as
// every peer does.
var ownCredulous = &contender{name: "originpull, not verifying", own: func(ctx context.Context, l *lab, w load) (time.Duration, error) {
	s := scenario(w, "x25519")
	s.text = strings.Replace(s.text, "tls: {version", "tls: {verify: false, version", 1)
	return ownLoad(ctx, l, s)
}}

// setting is an originpull scenario and the port it is for.
type setting struct {
	load load
	text string
}

const scenarioText = `version: 1
name: peers
origin: {strategies: [%s], mtls: {pin: none}, response: {size: 1KiB}}
edge:
  tls: {version: "%s", group: %s, resumption: false}
  pool: {reuse: %t, idleTimeout: 0s}
  cache: {capacity: 0B}
workload: {mode: requests, concurrency: %d, arrivals: {%s}, objects: {model: one}}
`

func scenario(w load, group string) setting { return scenarioWith(w, group, "model: closed") }

func scenarioWith(w load, group, arrivals string) setting {
	strategy := ""
	if w.mtls {
		strategy = "mtls"
	}
	return setting{w, fmt.Sprintf(scenarioText, strategy, w.tls, group, w.reuse, concurrency, arrivals)}
}

func ownLoad(ctx context.Context, l *lab, s setting) (time.Duration, error) {
	session, err := startSession(ctx, l, s, nil)
	if err != nil {
		return 0, err
	}
	blockErr := session.block(l.options.seconds, false)
	_, err = session.end()
	if err := errors.Join(blockErr, err); err != nil {
		return 0, err
	}
	return cpuOf(session.cmd), nil
}

// session is one edge worker.
type session struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *json.Decoder
	load load
}

// startSession starts a worker behind the commands of prefix, such as chrt.
func startSession(ctx context.Context, l *lab, s setting, prefix []string) (*session, error) {
	start, err := startMessage(l, s)
	if err != nil {
		return nil, err
	}
	binary, err := filepath.Abs(l.options.binary)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(binary); err != nil {
		return nil, fmt.Errorf("originpull is not built: use make build: %w", err)
	}
	args := append(append([]string{}, prefix...), "taskset", "-c", fmt.Sprint(generatorCore), binary, "worker", sim.RoleEdge)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1") // as a run starts it
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting originpull: %w", err)
	}
	made := &session{cmd: cmd, in: in, out: json.NewDecoder(out), load: s.load}
	if _, err := made.ask(sim.Command{Type: "start", Start: &start}); err != nil {
		_, endErr := made.end()
		return nil, errors.Join(err, endErr)
	}
	return made, nil
}

func startMessage(l *lab, s setting) (sim.Start, error) {
	document, err := scenarios.Load(scenarios.Source{File: "peers.yaml", Content: []byte(s.text)})
	if err != nil {
		return sim.Start{}, fmt.Errorf("the scenario of originpull: %w", err)
	}
	plan, err := sim.Compile(document)
	if err != nil {
		return sim.Start{}, fmt.Errorf("the scenario of originpull: %w", err)
	}
	// As in the protocol of a run: the names of the edge's certificate and of
	// the origin's roots, and the address that edges dial from.
	credentials := pki.Credentials{Roots: map[string]string{"origin": l.roots}}
	if s.load.mtls {
		credentials.Certificates = map[string]pki.KeyPair{"edge": l.client}
	}
	return sim.Start{
		Protocol: sim.ProtocolVersion, Seed: 1, Arm: plan.Experiments[0].Arms[0], Credentials: credentials,
		Origin: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(l.ports[s.load.port()])),
		Source: netip.AddrFrom4([4]byte{127, 0, 1, 1}),
	}, nil
}

func (s *session) ask(c sim.Command) (sim.Answer, error) {
	var a sim.Answer
	if err := json.NewEncoder(s.in).Encode(c); err != nil {
		return a, fmt.Errorf("asking originpull: %w", err)
	}
	if err := s.out.Decode(&a); err != nil {
		return a, fmt.Errorf("originpull's answer to %s: %w", c.Type, err)
	}
	if a.Error != "" {
		return a, fmt.Errorf("originpull: %s", a.Error)
	}
	return a, nil
}

// block lets viewers come for so many seconds; one that failed is an error.
func (s *session) block(seconds int, discard bool) error {
	a, err := s.ask(sim.Command{Type: "block", Block: &sim.Block{Seconds: float64(seconds), Discard: discard}})
	if err != nil {
		return err
	}
	if a.Done == nil || a.Done.Failed > 0 || a.Done.Count == 0 {
		return fmt.Errorf("originpull: the block was %+v", a.Done)
	}
	return nil
}

// end drains the worker, checks that it recorded everything, and waits.
func (s *session) end() (sim.EdgeSummary, error) {
	a, err := s.ask(sim.Command{Type: "drain"})
	_ = s.in.Close()
	err = errors.Join(err, s.cmd.Wait())
	if err != nil {
		return sim.EdgeSummary{}, err
	}
	if a.Edge == nil {
		return sim.EdgeSummary{}, errors.New("originpull: a drain without a summary")
	}
	return *a.Edge, checkSummary(*a.Edge, s.load)
}

// checkSummary holds originpull to having recorded what it did.
func checkSummary(e sim.EdgeSummary, w load) error {
	total := e.Total.Pool
	if total.HandshakesFailed > 0 || total.HandshakesResumed > 0 || total.HandshakesFull != total.Connects {
		return fmt.Errorf("originpull: not all of its handshakes were full ones: %+v", total)
	}
	if !w.reuse && total.Requests != total.Connects {
		return fmt.Errorf("originpull: %d requests on %d connections", total.Requests, total.Connects)
	}
	if e.Summary.Counts["requests"] > 0 && (e.Summary.Histograms["latency"] == "" || e.Summary.Histograms["send.error"] == "") {
		return errors.New("originpull: its histograms are missing")
	}
	return nil
}
