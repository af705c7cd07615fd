package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/originpull/originpull/results"
)

// of returns the configuration with the worker of the arm's side of a gate.
func (c *Config) of(a *Arm) *Config {
	if c.BaseWorker == nil || a.Axes[results.GateAxis] != results.GateBase {
		return c
	}
	side := *c
	side.Worker = c.BaseWorker
	return &side
}

// probeTimeout is how long a program may take to say which protocol it speaks.
const probeTimeout = 10 * time.Second

// Probe asks a worker command whether it speaks this build's protocol. The
// error says what it speaks instead.
func Probe(ctx context.Context, worker []string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	cfg := Config{Worker: worker}
	p, err := cfg.startProcess(RoleEdge, "the worker", workerEnv())
	if err != nil {
		return err
	}
	// A start that no build accepts: every build answers with its protocol.
	answer, err := p.ask(ctx, Command{Type: msgStart, Start: &Start{Protocol: -1}})
	if stopped := p.stop(); err == nil {
		err = stopped
	}
	switch {
	case answer.Protocol == ProtocolVersion:
		return nil
	case answer.Protocol != 0:
		return fmt.Errorf("it speaks the worker protocol %d, this build %d: take a build whose protocol is the same", answer.Protocol, ProtocolVersion)
	}
	return fmt.Errorf("it does not speak the worker protocol %d: it is too old, or no originpull: %w", ProtocolVersion, err)
}
