package sim

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/originpull/originpull/results"
)

// newResult starts the document of a run.
func newResult(plan *Plan, started time.Time) (*results.Result, error) {
	raw, err := json.Marshal(plan)
	if err != nil {
		return nil, fmt.Errorf("writing the plan down: %w", err)
	}
	return &results.Result{
		Schema:       results.SchemaName,
		Scenario:     results.Scenario{Name: plan.Scenario, Title: plan.Title, File: plan.File, Digest: plan.Digest, Seed: plan.Seed},
		Plan:         raw,
		Build:        buildFacts(),
		Environment:  environment(),
		Started:      started.UTC().Truncate(time.Millisecond),
		Experiments:  []results.Experiment{},
		Arms:         []results.Arm{},
		Pairs:        []results.Pair{},
		Bypass:       []results.BypassRow{},
		Expectations: []results.Expectation{},
		Validity: results.Validity{
			Valid: true, Reconciled: true,
			AA: map[string]map[string]results.Estimate{}, Generator: map[string]results.Generator{}, Warnings: []string{},
		},
	}, nil
}

// finish settles what only the whole run can say.
func (r *run) finish(ctx context.Context, err error) {
	v := &r.result.Validity
	r.result.Complete = err == nil && ctx.Err() == nil
	if ctx.Err() != nil {
		v.Warnings = append(v.Warnings, "the run was interrupted: what stands here was measured before")
	}
	if runtime.GOOS != "linux" {
		v.Warnings = append(v.Warnings, "CPU figures are absent: the CPU clocks of other processes are read on Linux only")
	}
	if len(v.Tallies) == 0 {
		v.Reconciled = false // nothing was compared
	}
	if !v.Reconciled && len(v.Tallies)+len(r.result.Arms) > 0 {
		v.Valid = false
	}
	r.result.Elapsed = time.Since(r.started).Seconds()
	for i := range r.plan.Experiments {
		x := &r.plan.Experiments[i]
		e, begun := r.result.Experiment(x.Name)
		if !begun {
			r.notAsked(x, "the run ended before it")
			continue
		}
		if e.Skipped != "" {
			r.notAsked(x, e.Skipped)
			continue
		}
		r.expect(x.Expect, x.Name)
		r.judge(x.Claims, x.Name)
	}
	r.expect(r.plan.Expect, "")
	r.judge(r.plan.Claims, "")
}

// notAsked keeps the rules and claims of an experiment that could not run here: neither
// met nor failed.
func (r *run) notAsked(x *Experiment, why string) {
	for _, text := range x.Expect {
		r.result.Expectations = append(r.result.Expectations, results.Expectation{
			Expression: text, Experiment: x.Name, Inconclusive: true, Detail: "not run: " + why,
		})
	}
	for _, c := range x.Claims {
		r.result.Claims = append(r.result.Claims, results.Claim{
			Text: c.Text, Source: c.Source, Expression: c.Measure, Experiment: x.Name, Verdict: results.ClaimNotResolved, Detail: "not run: " + why,
		})
	}
}

func (r *run) expect(rules []string, experiment string) {
	for _, text := range rules {
		expression, err := results.ParseExpression(text)
		if err != nil { // Compile has parsed it before
			r.result.Expectations = append(r.result.Expectations, results.Expectation{Expression: text, Experiment: experiment, Detail: err.Error()})
			continue
		}
		e := expression.Evaluate(r.result, experiment)
		e.Expression = text // as the user wrote it
		r.result.Expectations = append(r.result.Expectations, e)
	}
}

// judge puts what was measured beside what is claimed.
func (r *run) judge(claims []Claim, experiment string) {
	for _, c := range claims {
		expression, err := results.ParseExpression(c.Measure)
		if err != nil { // Compile has parsed it before
			continue
		}
		judged := expression.Judge(r.result, experiment)
		judged.Text, judged.Source, judged.Expression = c.Text, c.Source, c.Measure
		r.result.Claims = append(r.result.Claims, judged)
	}
}

// environment names this machine, so that a figure is never read as if it
// came from another.
func environment() map[string]string {
	env := map[string]string{
		results.EnvOS:       runtime.GOOS,
		results.EnvArch:     runtime.GOARCH,
		results.EnvGo:       runtime.Version(),
		results.EnvCores:    strconv.Itoa(runtime.NumCPU()),
		results.EnvMaxProcs: "1",
	}
	for name, value := range workerSettings {
		env[strings.ToLower(name)] = value
	}
	if model := cpuModel(); model != "" {
		env[results.EnvCPU] = model
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		env[results.EnvKernel] = strings.TrimSpace(string(release))
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		env[results.EnvLoad], _, _ = strings.Cut(string(load), " ")
	}
	return env
}

// cpuModel reads the processor's name where Linux says it, or returns "".
func cpuModel() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, value, found := strings.Cut(lines.Text(), ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// buildFacts names this build of originpull.
func buildFacts() map[string]string {
	facts := map[string]string{"protocol": strconv.Itoa(ProtocolVersion)}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return facts
	}
	facts[results.BuildVersion] = build.Main.Version
	for _, setting := range build.Settings {
		switch setting.Key {
		case "vcs.revision":
			facts[results.BuildRevision] = setting.Value
		case "vcs.modified":
			facts["modified"] = setting.Value
		}
	}
	return facts
}
