package sim

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/sim/bypass"
)

// bypassExperiment makes the attempts, each against an origin worker of its
// policy, and keeps what was measured even when the run is interrupted.
func (r *run) bypassExperiment(ctx context.Context, x *Experiment) error {
	planned, err := bypass.Rows(x.bypassPlan())
	if err != nil {
		return err
	}
	r.result.Experiments = append(r.result.Experiments, results.Experiment{
		Name: x.Name, Kind: string(x.Kind), Line: x.Line, Trials: 1, Rows: len(planned), PlannedSeconds: x.PlannedSeconds,
	})
	starter := &originStarter{run: r, experiment: x.Name}
	r.progress(x, Progress{Trials: len(planned)}, 0)
	runner := bypass.Runner{Start: starter.start, Seed: r.plan.Seed, Progress: func(done, total int) {
		r.progress(x, Progress{Trial: done, Trials: total}, float64(done)/float64(total))
	}}
	rows, err := runner.Run(ctx, x.bypassPlan())
	for i := range rows {
		r.result.Bypass = append(r.result.Bypass, bypassRow(x.Name, &rows[i]))
	}
	addFindings(r.result, x.Name, rows)
	if err != nil && ctx.Err() == nil {
		// An origin that died has cost its rows, which say so; the others count.
		v := &r.result.Validity
		v.Warnings = append(v.Warnings, fmt.Sprintf("%s: %v", x.Name, err))
		return nil
	}
	return err
}

// bypassRow is a row in the document's terms.
func bypassRow(experiment string, row *bypass.Row) results.BypassRow {
	return results.BypassRow{
		Price: bypassPrice(row.Price), Attempts: row.Attempts,
		Experiment: experiment, Case: row.Case, Title: row.Title, Strategy: row.Strategy, Server: row.Server,
		Mistake: row.Mistake, TLS: row.TLS, Protocol: row.Protocol,
		Predicted: string(row.Predicted), Measured: string(row.Measured), Stage: string(row.Stage),
		Reason: row.Reason, Proof: row.Proof, Status: row.Status,
		Legs: results.Legs{Before: row.LegBefore, After: row.LegAfter}, Skipped: row.Skipped, Detail: row.Detail, OK: row.OK,
	}
}

// bypassPrice is a price in the document's terms: seconds.
func bypassPrice(p *bypass.Price) *results.BypassPrice {
	if p == nil {
		return nil
	}
	return &results.BypassPrice{
		Attempts: p.Attempts, CPU: p.CPU.Seconds(), ResumedCPU: p.ResumedCPU.Seconds(),
		BytesSent: p.Sent, BytesReceived: p.Received, Held: p.Held, Calm: p.Calm, Busy: p.Busy,
	}
}

// originStarter starts an origin worker for each distinct policy.
type originStarter struct {
	run        *run
	experiment string
	started    atomic.Int64
}

func (s *originStarter) start(ctx context.Context, p origin.Policy, c pki.Credentials, env bypass.Environment) (bypass.Origin, func() error, error) {
	name := fmt.Sprintf("%s-%02d-%s", s.experiment, s.started.Add(1), policyName(p))
	if env.Server != "" {
		return startForAttempts(ctx, p, c, env)
	}
	roots, err := s.publicRoots(env)
	if err != nil {
		return nil, nil, err
	}
	proc, err := s.run.cfg.startProcess(RoleOrigin, "the origin of "+name, []string{"SSL_CERT_FILE=" + roots, "SSL_CERT_DIR=" + filepath.Dir(roots)})
	if err != nil {
		return nil, nil, err
	}
	stop := func() error {
		early := proc.stop()
		return errors.Join(early, proc.exit)
	}
	audit := filepath.Join(auditFolder(s.run.cfg), fileStem(name)+".jsonl")
	arm := Arm{Name: name, Experiment: s.experiment, Policy: p, Settings: scenarios.Defaults()}
	arm.Settings.Edge.TLS.Group = bypass.Group
	addresses, err := builtinEnd{proc}.listenAll(ctx, &Start{
		Protocol: ProtocolVersion, Seed: s.run.plan.Seed, Arm: arm, Credentials: c, Certificate: bypass.ServerCertificate, Audit: audit, QUIC: true,
	})
	if err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return &workerOrigin{process: proc, addresses: addresses, journal: origin.OpenJournal(audit)}, stop, nil
}

// startForAttempts starts a real server under the policy.
func startForAttempts(ctx context.Context, p origin.Policy, c pki.Credentials, env bypass.Environment) (bypass.Origin, func() error, error) {
	driver, known := origin.DriverNamed(env.Server)
	if !known {
		return nil, nil, fmt.Errorf("no driver for server %q", env.Server)
	}
	running, err := driver.Start(ctx, origin.Setup{
		Config: origin.Config{
			Policy: p, Credentials: c, Certificate: bypass.ServerCertificate, Group: bypass.Group, Tickets: true,
			Response: origin.Response{Size: serverObject},
		},
		Weaker: true, Sides: true, PublicRoots: env.PublicRoots,
	})
	if err != nil {
		return nil, nil, err
	}
	stop := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
		defer cancel()
		return running.Stop(ctx)
	}
	return serverOrigin{running}, stop, nil
}

// serverObject is the size of what real servers protect, in bytes.
const serverObject = 1 << 10

// serverOrigin is a real server as attempts see it.
type serverOrigin struct{ running *origin.Running }

// CPU is what the server's processes have used: see bypass.Metered.
func (o serverOrigin) CPU() (time.Duration, error) { return sumCPU(o.running.Pids) }

func (o serverOrigin) Address() netip.AddrPort         { return o.running.Address() }
func (o serverOrigin) Side(name string) netip.AddrPort { return o.running.Side(name) }

func (o serverOrigin) Reload(ctx context.Context, p origin.Policy, c pki.Credentials) error {
	return o.running.Reload(ctx, p, c)
}

func (o serverOrigin) Audit(ctx context.Context, peer netip.AddrPort) (origin.Entry, error) {
	return o.running.Await(ctx, peer)
}

// publicRoots writes the lab's public authority where the origin's process
// looks for the system's roots: an origin that trusts those by mistake then
// trusts a certificate that the lab can issue.
func (s *originStarter) publicRoots(env bypass.Environment) (string, error) {
	folder := filepath.Join(s.run.cfg.Folder, "public-roots")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("preparing the lab's public roots: %w", err)
	}
	file := filepath.Join(folder, "roots.pem")
	if err := os.WriteFile(file, env.PublicRoots, 0o644); err != nil {
		return "", fmt.Errorf("preparing the lab's public roots: %w", err)
	}
	return file, nil
}

// policyName names a policy for people and files.
func policyName(p origin.Policy) string {
	name := "none"
	if len(p.Strategies) > 0 {
		name = p.Strategies[0]
		for _, s := range p.Strategies[1:] {
			name += "+" + s
		}
	}
	if p.Mistake != "" {
		name += "-" + p.Mistake
	}
	return name
}

// workerOrigin is an origin worker as attempts see it.
type workerOrigin struct {
	process   *process
	addresses []netip.AddrPort // as originWorker lists them
	journal   *origin.Journal
}

// CPU is what the origin's process has used: see bypass.Metered.
func (o *workerOrigin) CPU() (time.Duration, error) { return sumCPU(o.process.pids) }

func (o *workerOrigin) Address() netip.AddrPort { return o.addresses[0] }

func (o *workerOrigin) Side(name string) netip.AddrPort {
	at := map[string]int{bypass.SidePlain: 1, bypass.SideV6: 2}[name]
	if at == 0 || at >= len(o.addresses) {
		return netip.AddrPort{}
	}
	return o.addresses[at]
}

func (o *workerOrigin) Reload(ctx context.Context, p origin.Policy, c pki.Credentials) error {
	_, err := o.process.ask(ctx, Command{Type: msgReload, Reload: &Reload{Policy: p, Credentials: c}})
	return err
}

func (o *workerOrigin) Audit(ctx context.Context, peer netip.AddrPort) (origin.Entry, error) {
	return o.journal.Await(ctx, peer)
}

// auditFolder is where origins log every decision.
func auditFolder(cfg Config) string { return filepath.Join(cfg.Folder, "audit") }

// auditFile is the audit log of an arm's origins, all trials in one.
func auditFile(cfg Config, arm *Arm) string {
	if arm.Settings.Origin.Audit == "off" {
		return ""
	}
	return filepath.Join(auditFolder(cfg), fileStem(arm.Name)+".jsonl")
}
