package sim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/sim/consent"
)

// Config is where and how a plan is run.
type Config struct {
	// Worker is the command that starts a worker process; the role is
	// appended to it. Required.
	Worker []string
	// BaseWorker starts the workers of arms on the base side of a gate of two
	// builds: see Versus. nil is Worker.
	BaseWorker []string
	// Folder is an existing folder for what a run keeps beside its result:
	// audit logs. Required.
	Folder string
	// Consents are those of the owners of external origins, by experiment: without
	// one its attempts are not made.
	Consents map[string]consent.Consent
	// Intrusive: on external origins attempts of that class are made too.
	Intrusive bool
	// Progress is called from the goroutine of Run while it works; nil is
	// silence.
	Progress func(Progress)
}

// Progress is where a run is.
type Progress struct {
	Experiment         string
	Arm                string // "" while no single arm is measured
	Arms               int    // how many take turns; 0 in a bypass experiment
	Step               string // of a search: the rate under way, or what came of the last; "" elsewhere
	Trial, Trials      int    // 1-based; rows of the matrix in a bypass experiment
	Elapsed, Remaining time.Duration
}

// Run does what the plan says. It always returns a result: with complete set
// to false and what was measured kept when the context ends or an arm fails.
// The error is for what stopped the whole run.
func Run(ctx context.Context, plan *Plan, cfg Config) (*results.Result, error) {
	if plan.Protocol != ProtocolVersion {
		return nil, fmt.Errorf("the plan has version %d, this build runs %d: compile the scenario again", plan.Protocol, ProtocolVersion)
	}
	if len(cfg.Worker) == 0 || cfg.Folder == "" {
		return nil, errors.New("a run needs a worker command and a folder")
	}
	if err := os.MkdirAll(auditFolder(cfg), 0o755); err != nil {
		return nil, fmt.Errorf("preparing the run: %w", err)
	}
	r := &run{plan: plan, cfg: cfg, started: time.Now(), remaining: seconds(plan.PlannedSeconds), servers: found{}}
	result, err := newResult(plan, r.started)
	if err != nil {
		return nil, err
	}
	r.result = result
	for i := range plan.Experiments {
		if err = r.experiment(ctx, &plan.Experiments[i]); err != nil {
			break
		}
	}
	r.finish(ctx, err)
	return r.result, err
}

// run is one run under way.
type run struct {
	plan      *Plan
	cfg       Config
	result    *results.Result
	started   time.Time
	remaining time.Duration // planned for the experiments that have not ended
	servers   found
	speed     *speed // nil: not looked for
}

func (r *run) experiment(ctx context.Context, x *Experiment) error {
	var err error
	if x.Kind == Bypass {
		err = r.bypassExperiment(ctx, x)
	} else {
		err = r.costExperiment(ctx, x)
	}
	r.remaining -= seconds(x.PlannedSeconds)
	if err != nil {
		return fmt.Errorf("experiment %q: %w", x.Name, err)
	}
	return nil
}

// progress reports where the run is; done is the fraction of the experiment
// that is behind it.
func (r *run) progress(x *Experiment, p Progress, done float64) {
	if r.cfg.Progress == nil {
		return
	}
	p.Experiment = x.Name
	p.Elapsed = time.Since(r.started)
	p.Remaining = max(0, r.remaining-time.Duration(done*float64(seconds(x.PlannedSeconds))))
	r.cfg.Progress(p)
}
