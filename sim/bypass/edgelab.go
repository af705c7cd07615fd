package bypass

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/wire"
)

// EdgeStrategy stands in the rows of family E for what the edge does: it
// verifies its origin.
const EdgeStrategy = "edge"

// EdgeLab is what an attempt of family E may use: the edge under test, strict
// or with one fault, and rogue origins to put before it. It lives for one row.
type EdgeLab struct {
	Material *Material

	lab   *Lab               // for its edge configuration
	rules func(*edge.Config) // of a preset; nil: the strict ones
	fault func(*edge.Config)
}

// A rogue is who answers in the origin's place.
type rogue struct {
	certificate string // in the material's rogues; "" = without TLS
	never       bool   // does not ask for a client certificate
	handler     http.Handler
	edge        *atomic.Pointer[edge.Edge] // where the handler finds the edge that pulls; nil: it does not ask
}

// answerAsOrigin is the protected answer, from whoever gives it.
func answerAsOrigin(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set(origin.ProofHeader, origin.ProtectedContent)
	// The peer that went away needs no body.
	_, _ = io.WriteString(w, "rogue\n")
}

// serve starts a rogue on loopback; stop ends it and waits.
func (l *EdgeLab) serve(r rogue) (at netip.AddrPort, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return at, nil, fmt.Errorf("starting a rogue origin: %w", err)
	}
	at = netip.MustParseAddrPort(listener.Addr().String())
	if r.certificate != "" {
		cfg := &tls.Config{Certificates: []tls.Certificate{l.Material.rogues[r.certificate]}, ClientAuth: tls.RequestClientCert}
		if r.never {
			cfg.ClientAuth = tls.NoClientCert
		}
		listener = tls.NewListener(listener, l.lab.Profile.Server(cfg))
	}
	if r.handler == nil {
		r.handler = http.HandlerFunc(answerAsOrigin)
	}
	server := &http.Server{Handler: r.handler, ReadHeaderTimeout: l.lab.patience, ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	return at, func() {
		// It ends because it is told to, and the attempt is over.
		_, _ = server.Close(), <-ended
	}, nil
}

// pull has the edge pull from the rogue. A refusal is the edge's own.
func (l *EdgeLab) pull(ctx context.Context, name string, r rogue, change func(*edge.Config)) (Step, error) {
	at, stop, err := l.serve(r)
	if err != nil {
		return Step{}, err
	}
	defer stop()
	cfg := l.lab.edgeConfig()
	cfg.Target.Address, cfg.Behaviour = at, edge.Behaviour{}
	for _, alter := range []func(*edge.Config){change, l.rules, l.fault} {
		if alter != nil {
			alter(&cfg)
		}
	}
	e, err := edge.New(cfg)
	if err != nil {
		return Step{}, fmt.Errorf("making the edge: %w", err)
	}
	if r.edge != nil {
		r.edge.Store(e)
	}
	limited, cancel := context.WithTimeout(ctx, l.lab.patience)
	defer cancel()
	reply, err := e.Pull(limited, edge.Viewer{Path: protectedPath})
	step := Step{Name: name, Stage: wire.StageTLS}
	if err == nil {
		step.Stage, step.Status, step.Proof = wire.StageHTTP, reply.Status, reply.Header.Get(origin.ProofHeader)
	} else {
		step.Reason = err.Error()
	}
	if limited.Err() != nil {
		return step, fmt.Errorf("%s: %w", name, limited.Err())
	}
	return step, e.Close()
}

// measureEdge runs the three legs of a row of family E.
func (s *series) measureEdge(ctx context.Context, planned Planned) Row {
	a, row := registry[planned.Case], newRow(planned)
	l := &EdgeLab{Material: s.runner.Material, lab: &Lab{
		Profile:  wire.Profile{Version: planned.TLS, Group: Group},
		Material: s.runner.Material, secret: currentSecret, patience: s.runner.Patience,
	}}
	if planned.Server == EdgeServer {
		l.rules = asPreset(planned.Strategy)
	}
	leg := func(when string) error {
		step, err := l.pull(ctx, "the origin itself", rogue{certificate: rogueNone}, nil)
		if err == nil && !step.Protected() {
			err = errors.New(step.Reason)
		}
		if err != nil {
			row = row.failed(legVerdict(err), "%s the attempt the edge did not pull from its own origin: %v", when, err)
		}
		return err
	}
	if leg("before") != nil {
		return row
	}
	row.LegBefore = true
	l.fault = edgeFaults[planned.Mistake]
	outcome, err := a.Rogue(ctx, l)
	l.fault = nil
	if err != nil {
		row = row.failed(NotRun, "the attempt proves nothing: %v", err)
	} else {
		row = row.judgeEdge(a, outcome)
	}
	row.LegAfter = leg("after") == nil
	return row
}

// judgeEdge goes by what the edge answered and why it refused.
func (r Row) judgeEdge(a Attempt, o Outcome) Row {
	for _, step := range o.Steps {
		r.Stage, r.Status, r.Reason = step.Stage, step.Status, step.Reason
		switch {
		case step.Protected() || step.Leaked:
			r.Measured, r.Reason, r.Detail = a.gain(), "", "got through: "+step.Name
			if r = r.compare(); !r.OK && r.Mistake == "" {
				r.Evidence = &Evidence{Step: step.Name, Status: step.Status}
			}
			return r
		case a.Refusal != "" && !strings.Contains(step.Reason, a.Refusal):
			return r.failed(Blocked, "step %q was refused with %q, expected %q", step.Name, step.Reason, a.Refusal)
		}
		r.Detail = step.Name + ": the edge refused"
	}
	r.Measured = Blocked
	return r.compare()
}

// The faults that are some CDN's rule.
const (
	acceptAny       = "accept-any-origin-certificate"
	continueUnasked = "continue-unasked"
)

// edgeFaults are the controls of family E: an edge with one fault each.
var edgeFaults = map[string]func(*edge.Config){
	acceptAny:         func(c *edge.Config) { c.AcceptAnyOriginCertificate = true },
	continueUnasked:   func(c *edge.Config) { c.ContinueWithoutClientCertificate = true },
	"forward-loops":   func(c *edge.Config) { c.Loop = "" },
	"speak-plaintext": func(c *edge.Config) { c.Target.TLS = nil },
}

// Names of the certificates that rogue origins show.
const (
	rogueNone       = "none" // the origin's own
	rogueSelfSigned = "self-signed"
	rogueOther      = "other authority"
	rogueName       = "wrong name"
	rogueCommonName = "common name only"
	rogueExpired    = "expired"
	rogueUsage      = "client certificate"
	rogueRevoked    = "revoked"
)

// issueRogues makes what rogue origins show.
func (m *Material) issueRogues(lab *pki.Authority) error {
	m.rogues = map[string]tls.Certificate{}
	for name, flaw := range map[string]pki.Flaw{
		rogueNone: pki.NoFlaw, rogueSelfSigned: pki.SelfSigned, rogueOther: pki.OtherAuthority, rogueName: pki.WrongName,
		rogueExpired: pki.Expired, rogueUsage: pki.WrongUsage, rogueRevoked: pki.NoFlaw,
	} {
		issued, err := lab.Issue(pki.Request{Name: "origin, " + name, Usage: pki.ServerAuth, DNSNames: []string{Host}, Validity: validity, Flaw: flaw})
		if err != nil {
			return fmt.Errorf("issuing the certificate of a rogue origin: %w", err)
		}
		if name == rogueRevoked {
			if err := lab.Revoke(issued); err != nil {
				return fmt.Errorf("revoking the certificate of a rogue origin: %w", err)
			}
		}
		if m.rogues[name], err = issued.TLS(); err != nil {
			return err
		}
	}
	named, err := lab.Forge(pki.Forgery{Name: Host, Change: commonNameServer})
	if err != nil {
		return err
	}
	m.rogues[rogueCommonName], err = named.TLS()
	return err
}

// loopHops bounds a loop that nobody ends.
const loopHops = 8

// forwardingLoop puts an origin before the edge that asks the edge again.
func forwardingLoop(ctx context.Context, l *EdgeLab) (Outcome, error) {
	var looping atomic.Pointer[edge.Edge]
	var hops atomic.Int64
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := looping.Load()
		if hops.Add(1) > loopHops || e == nil {
			answerAsOrigin(w, r)
			return
		}
		reply, err := e.Pull(r.Context(), edge.Viewer{Path: protectedPath, Header: r.Header})
		if errors.Is(err, edge.ErrLoop) {
			w.WriteHeader(http.StatusLoopDetected)
			return
		}
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set(origin.ProofHeader, reply.Header.Get(origin.ProofHeader))
		w.WriteHeader(reply.Status)
	})
	step, err := l.pull(ctx, "pull into the loop", rogue{certificate: rogueNone, handler: handler, edge: &looping}, func(c *edge.Config) { c.Loop = "originpull-lab" })
	if step.Status == http.StatusLoopDetected {
		step.Reason = fmt.Sprint(step.Status)
	}
	return Outcome{Steps: []Step{step}}, err
}
