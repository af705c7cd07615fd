package sim

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/sim/bypass"
)

// What starting things takes, for the planned seconds only (measured with
// room to spare on two cores).
const (
	pairSeconds      = 0.06 // an edge and an origin process, started and drained
	serverSeconds    = 0.1  // an origin with a policy of its own
	attemptSeconds   = 0.02 // one row: two legitimate pulls and an attempt
	preparingSeconds = 0.5  // certificates
	requestSeconds   = 4e-5 // a request through cache and pool, one after another
)

// Compile resolves a scenario into a plan: arms, roles, policies, planned
// seconds. It finds the problems that need the registries (unknown case,
// server, metric); the error is scenarios.Problems, all of them at once.
func Compile(s *scenarios.Scenario) (*Plan, error) {
	c := compiler{scenario: s, servers: found{}, speed: findSpeed(context.Background())}
	plan := &Plan{Protocol: ProtocolVersion, Scenario: s.Name, Title: s.Title, File: fileName(s.File), Digest: s.Digest, Seed: s.Seed}
	for i := range s.Experiments {
		x := c.experiment(&s.Experiments[i])
		x.Line = c.line(&s.Experiments[i])
		plan.Experiments = append(plan.Experiments, x)
	}
	c.traces(plan)
	c.includes(plan)
	outline := c.outline(plan)
	for i := range plan.Experiments {
		x := &plan.Experiments[i]
		x.Expect = c.rules(s.Experiments[i].Expect, outline, x.Name)
		x.Claims = c.claims(s.Experiments[i].Claims, outline, x.Name)
		plan.PlannedSeconds += x.PlannedSeconds
	}
	plan.Expect = c.rules(s.Expect, outline, "")
	plan.Claims = c.claims(s.Claims, outline, "")
	outline.Arms = slices.DeleteFunc(outline.Arms, func(a results.ArmRef) bool { return a.Origin != "" }) // a gate compares whole arms
	plan.Gate = c.gate(s.Gate, outline)
	plan.PlannedSeconds += preparingSeconds
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return plan, nil
}

type compiler struct {
	scenario *scenarios.Scenario
	problems scenarios.Problems
	servers  found
	speed    *speed // what is planned of it
}

func (c *compiler) problem(path, format string, args ...any) {
	c.problems = append(c.problems, c.scenario.Problem(path, fmt.Sprintf(format, args...)))
}

func (c *compiler) experiment(e *scenarios.Experiment) Experiment {
	x := Experiment{Name: e.Name, Trials: e.Workload.Trials, Warmup: time.Duration(e.Workload.Warmup).Seconds()}
	if x.Name == "" {
		x.Name = c.scenario.Name
	}
	switch {
	case e.Bypass != nil:
		c.bypass(&x, e)
		return x
	case e.Workload.Mode == string(Handshakes):
		x.Kind = Handshakes
	default:
		x.Kind = Requests
	}
	c.link(e)
	c.origins(e)
	c.find(e)
	c.arms(&x, e)
	takeTurns(&x, e)
	turns := float64(x.Trials * len(x.Arms))
	if x.Kind == Handshakes && !x.distant() {
		x.PlannedSeconds = c.servers.speedSeconds(x.Arms, c.speed)
	}
	x.PlannedSeconds += keySeconds(x.Arms) + (pairSeconds+x.Warmup)*turns + x.Seconds*float64(x.Trials)
	return x
}

// takeTurns decides how the arms take turns: often, where that can be; else each
// has one long block. A short one cannot hold a schedule of arrivals, nor show
// latency under load.
func takeTurns(x *Experiment, e *scenarios.Experiment) {
	duration := time.Duration(e.Workload.Duration).Seconds()
	if x.Kind == Handshakes {
		// There is no pool or cache to fill, only code and keys to touch once.
		x.Warmup = time.Duration(e.Workload.Block).Seconds()
	}
	paced := slices.ContainsFunc(x.Arms, func(a Arm) bool { return a.Settings.Workload.Arrivals.Open() })
	if x.Interleaved = x.Kind == Handshakes && !paced && !x.distant(); x.Interleaved {
		x.Block = time.Duration(e.Workload.Block).Seconds()
		x.Seconds = duration / float64(x.Trials)
		if x.Pairs = e.Workload.Pairs; x.Pairs > 0 {
			x.Seconds = x.Block * float64(x.Pairs*len(x.Arms)) / float64(x.Trials)
		}
		return
	}
	if x.finds() {
		find := e.Workload.Find
		x.Block = time.Duration(find.Step).Seconds()
		x.Seconds = float64(len(x.Arms)) * searchSeconds(find, x.Warmup)
		return
	}
	x.Block = duration
	x.Seconds = duration * float64(len(x.Arms))
	if n := e.Workload.Requests + e.Workload.WarmupRequests; e.Workload.Requests > 0 {
		x.Warmup, x.Seconds = 0, min(duration, requestSeconds*float64(n))*float64(len(x.Arms))
	}
	if x.distant() {
		x.Seconds = x.distantSeconds()
	}
}

// rsaSeconds is what making one key takes on average; those of other types
// take nothing.
var rsaSeconds = map[string]float64{string(pki.RSA2048): 0.3, string(pki.RSA3072): 1}

// keySeconds is how long the lab makes keys: for every kind of certificates
// those of the authorities and of both ends.
func keySeconds(arms []Arm) (total float64) {
	type keys struct {
		scenarios.Certificate
		part string // each of several origins has its own
	}
	seen := map[keys]bool{}
	for i := range arms {
		for _, part := range arms[i].each() {
			kind := keys{part.Settings.Origin.Certificate, part.Part}
			if !seen[kind] {
				total += rsaSeconds[kind.Key] * float64(kind.Chain+2)
			}
			seen[kind] = true
		}
	}
	return total
}

func (c *compiler) arms(x *Experiment, e *scenarios.Experiment) {
	base := fmt.Sprintf("experiments[%d]", e.Index)
	for _, cell := range e.Cells() {
		arm := Arm{Experiment: x.Name, Role: Ordinary, Axes: map[string]string{}, Settings: cell.Settings}
		names := make([]string, 0, len(cell.Axes))
		for _, axis := range cell.Axes {
			arm.Axes[axis.Axis] = axis.Value
			names = append(names, axis.Axis+"="+axis.Value)
		}
		arm.Name = x.Name
		if len(names) > 0 {
			arm.Name += "/" + strings.Join(names, ",")
		}
		if x.Kind == Handshakes {
			arm.Settings = arm.Settings.HandshakesOnly()
		}
		c.policy(base, &arm)
		x.Arms = append(x.Arms, arm)
	}
	c.server(base, x.Arms)
	if e.Workload.Controls && !x.distant() && !x.finds() { // controls are of CPU
		x.Arms = withControls(x.Name, x.Arms)
	}
}

// policy fills the arm's policies from their strategies.
func (c *compiler) policy(base string, arm *Arm) {
	for _, part := range arm.each() {
		policy, err := origin.NewPolicy(part.host(), part.Settings.Origin.Strategies, policySettings(&part))
		if err != nil {
			c.problem(base+".origin.strategies", "%v", err)
		}
		if part.Part == "" {
			arm.Policy = policy
		} else {
			arm.Policies = append(arm.Policies, policy)
		}
	}
}

// server refuses what the experiment's server cannot do, by name. A server
// that is not installed is no problem of the scenario: the experiment is then
// not run.
func (c *compiler) server(base string, arms []Arm) {
	path := base + ".origin.server"
	for i := range arms {
		if !slices.Equal(arms[i].servers(), arms[0].servers()) {
			c.problem(path, "the arms of one experiment share a server, because they share its plain-TCP baseline: write an experiment for each server")
			return
		}
		for j, part := range arms[i].each() {
			if part.Part != "" {
				path = arms[i].Settings.Origins[j].Doc + ".origin.server"
			}
			if part.Settings.Origin.Server == builtin {
				continue
			}
			s := c.servers.server(context.Background(), part.Settings.Origin.Server)
			if s.err != nil {
				return
			}
			if err := s.driver.Check(s.installed, serverSetup(&Start{Arm: part})); err != nil {
				c.problem(path, "%v", err)
				return
			}
		}
	}
}

// withControls adds what makes the figures of the others believable: the
// same exchange over plain TCP, and one arm twice. Both copy the last arm in
// document order, as a rule the one with everything switched on.
func withControls(experiment string, arms []Arm) []Arm {
	if len(arms) == 0 {
		return arms
	}
	last := arms[len(arms)-1]
	plain := last
	plain.Name, plain.Role = experiment+"/plain-tcp", Baseline
	plain.Axes = nil
	plain.withoutTLS()
	double := last
	double.Name, double.Role, double.Doubles = experiment+"/aa", Double, last.Name
	double.Axes = maps.Clone(last.Axes)
	return append(arms, plain, double)
}

func (c *compiler) bypass(x *Experiment, e *scenarios.Experiment) {
	x.Kind, x.Trials, x.Warmup = Bypass, 1, 0
	x.Bypass = &BypassPlan{Cases: e.Bypass.Cases, Strategies: e.Bypass.Strategies, TLS: e.Bypass.TLS, Servers: e.Bypass.Servers}
	base := fmt.Sprintf("experiments[%d].bypass", e.Index)
	known := true
	for i, id := range e.Bypass.Cases {
		if _, ok := bypass.AttemptNamed(id); !ok {
			known = false
			c.problem(fmt.Sprintf("%s.cases[%d]", base, i), "unknown case %q: originpull list cases names them", id)
		}
	}
	if !known {
		return
	}
	c.bypassSettings(e)
	rows, err := bypass.Rows(x.bypassPlan())
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			c.problem(base, "%s", line)
		}
		return
	}
	x.PlannedSeconds = attemptSeconds*float64(len(rows)) + serverSeconds*float64(policies(rows))
}

// bypassSettings refuses what attempts do not go by: they meet reference
// policies, and a setting that seems to change them must not be ignored.
func (c *compiler) bypassSettings(e *scenarios.Experiment) {
	reference := scenarios.Defaults()
	for _, path := range []string{
		"origin.server", "origin.include", "origin.mtls.pin", "origin.mtls.revocation", "origin.header.name", "origin.tickets", "edge.tls.group", "edge.protocol", "edge.identity",
		"origin.plant.cpu", "edge.plant.cpu",
	} {
		want, _ := reference.Value(path)
		if got, _ := e.Value(path); got != want {
			c.problem(fmt.Sprintf("experiments[%d].%s", e.Index, path),
				"bypass attempts meet the built-in origin's reference policies, which have %s, not %s: leave it out of this experiment", want, got)
		}
	}
	if e.Link.Distant() {
		c.problem(fmt.Sprintf("experiments[%d].link", e.Index),
			"bypass attempts go over loopback, and there is no %s link for them: write link: {kind: direct, rtt: 0s} in this experiment, without distances of edge.pops", e.Link.Kind)
	}
}

// bypassPlan is the plan in the attempts' own terms.
func (x *Experiment) bypassPlan() bypass.Plan {
	return bypass.Plan{Cases: x.Bypass.Cases, Strategies: x.Bypass.Strategies, TLS: x.Bypass.TLS, Servers: x.Bypass.Servers}
}

// policies counts the distinct policies, each a server start.
func policies(rows []bypass.Planned) int {
	distinct := map[[3]string]bool{}
	for _, row := range rows {
		if row.Server == bypass.EdgeServer {
			continue // it meets no origin
		}
		distinct[[3]string{row.Server, row.Strategy, row.Mistake}] = true
	}
	return len(distinct)
}

// outline is what expectations may refer to.
func (c *compiler) outline(plan *Plan) results.Outline {
	var o results.Outline
	for _, x := range plan.Experiments {
		if x.Kind == Bypass {
			o.Bypass = append(o.Bypass, x.Name)
		}
		for i := range x.Arms {
			a := &x.Arms[i]
			ref := results.ArmRef{Name: a.Name, Experiment: a.Experiment, Role: results.Role(a.Role), Axes: a.Axes}
			o.Arms = append(o.Arms, ref)
			for _, part := range a.parts() {
				ref.Origin = part.Part
				o.Arms = append(o.Arms, ref)
			}
		}
	}
	return o
}

// rules parses and checks expectations before anything starts.
func (c *compiler) rules(rules []scenarios.Rule, outline results.Outline, experiment string) []string {
	var texts []string
	for _, rule := range rules {
		expression, err := results.ParseExpression(rule.Text)
		if err == nil {
			err = expression.Check(outline, experiment)
		}
		if err != nil {
			c.problem(rule.Path, "%v", err)
			continue
		}
		texts = append(texts, rule.Text)
	}
	return texts
}

// claims checks what claims measure as if they were expectations.
func (c *compiler) claims(claims []scenarios.Claim, outline results.Outline, experiment string) []Claim {
	var out []Claim
	for _, claim := range claims {
		measure := scenarios.Rule{Text: claim.Measure, Path: claim.Path + ".measure"}
		if len(c.rules([]scenarios.Rule{measure}, outline, experiment)) > 0 {
			out = append(out, Claim{Text: claim.Text, Source: claim.Source, Measure: claim.Measure})
		}
	}
	return out
}
