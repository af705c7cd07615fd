package sim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
)

// Versus joins two plans, of one scenario or of two with the same experiments
// and arms, into one in which every arm stands twice, of base and of head, told
// apart by results.GateAxis. They then take turns within every trial, block by
// block: no fairer way exists to compare them. Expectations, claims and bypass
// experiments are left out, and so is the double: the trials themselves tell
// the noise. The seed is base's, so that both sides are asked the same.
//
// The error names everything that keeps them from being compared.
func Versus(base, head *Plan) (*Plan, error) {
	joined := *base
	joined.Expect, joined.Claims, joined.Experiments, joined.PlannedSeconds = nil, nil, nil, preparingSeconds
	var problems []error
	for i := range base.Experiments {
		b := &base.Experiments[i]
		if b.Kind == Bypass {
			continue
		}
		at := slices.IndexFunc(head.Experiments, func(x Experiment) bool { return x.Name == b.Name })
		if at < 0 {
			problems = append(problems, fmt.Errorf("experiment %q is in base alone", b.Name))
			continue
		}
		x, err := versus(b, &head.Experiments[at])
		if err != nil {
			problems = append(problems, fmt.Errorf("experiment %q: %w", b.Name, err))
			continue
		}
		joined.Experiments = append(joined.Experiments, x)
	}
	for _, h := range head.Experiments {
		if h.Kind != Bypass && !slices.ContainsFunc(base.Experiments, func(x Experiment) bool { return x.Name == h.Name }) {
			problems = append(problems, fmt.Errorf("experiment %q is in head alone", h.Name))
		}
	}
	var err error
	if joined.Traces, err = bothFiles(base.Traces, head.Traces, func(t *TracePlan) string { return t.Digest }); err != nil {
		problems = append(problems, err)
	}
	if joined.Includes, err = bothFiles(base.Includes, head.Includes, func(i *IncludePlan) string { return i.Digest }); err != nil {
		problems = append(problems, err)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return &joined, nil
}

// bothFiles are the files that the two sides name.
func bothFiles[F any](base, head map[string]F, digest func(F) string) (map[string]F, error) {
	if len(base) == 0 {
		return head, nil
	}
	both := maps.Clone(base)
	for _, name := range slices.Sorted(maps.Keys(head)) {
		if b, taken := base[name]; taken && digest(b) != digest(head[name]) {
			return nil, fmt.Errorf("base and head each have a file called %s, and they differ: give them names that tell them apart", name)
		}
		both[name] = head[name]
	}
	return both, nil
}

func versus(base, head *Experiment) (Experiment, error) {
	x := *base
	x.Expect, x.Claims, x.Arms, x.Pairs = nil, nil, nil, 0
	if base.Kind != head.Kind || base.Interleaved != head.Interleaved || base.Block != head.Block || base.Warmup != head.Warmup {
		return x, errors.New("its workload differs between base and head: mode, warm-up and block must be the same")
	}
	if base.finds() {
		return x, errors.New("it searches for a rate, and a gate measures both sides at the same one: remove workload.find and write workload.arrivals.rate")
	}
	for i := range base.Arms {
		b := &base.Arms[i]
		switch b.Role {
		case Double:
			continue
		case Baseline:
			x.Arms = append(x.Arms, *b)
			continue
		case Ordinary:
		}
		at := slices.IndexFunc(head.Arms, func(a Arm) bool { return a.Name == b.Name })
		if at < 0 {
			return x, fmt.Errorf("arm %s is in base alone", b.Name)
		}
		h := &head.Arms[at]
		if b.Settings.Origin.Server != h.Settings.Origin.Server {
			return x, fmt.Errorf("base has the server %s and head %s: two servers share no plain-TCP baseline, compare kept runs instead", b.Settings.Origin.Server, h.Settings.Origin.Server)
		}
		x.Arms = append(x.Arms, gateArm(b, results.GateBase), gateArm(h, results.GateHead))
	}
	if base.Kind == Handshakes && !slices.ContainsFunc(x.Arms, func(a Arm) bool { return a.Role == Baseline }) {
		return x, errors.New("it has no plain-TCP baseline, of which CPU is net: set workload.controls to true")
	}
	return x, nil
}

// gateArm is an arm of one side.
func gateArm(a *Arm, side string) Arm {
	out := *a
	out.Axes = maps.Clone(a.Axes)
	if out.Axes == nil {
		out.Axes = map[string]string{}
	}
	out.Axes[results.GateAxis] = side
	rest := strings.TrimPrefix(strings.TrimPrefix(a.Name, a.Experiment), "/")
	out.Name = strings.TrimSuffix(a.Experiment+"/"+results.GateAxis+"="+side+","+rest, ",")
	return out
}

// What a trial of a gate takes by itself, in seconds of blocks: all arms
// together, and each at the least. With less to an arm, an estimate of 5 % does
// not settle in thirty trials where tens of them have to.
const (
	gateTrial    = 1.5
	gateArmTrial = 0.25
)

// WithTrials returns the plan with that many trials, each of so many seconds
// of blocks in an interleaved experiment (0: as many as its arms need), and
// other draws than under another number.
func (p *Plan) WithTrials(trials int, perTrial float64, number int) *Plan {
	out := *p
	out.Seed += uint64(number) << 32
	out.PlannedSeconds = preparingSeconds
	out.Experiments = slices.Clone(p.Experiments)
	for i := range out.Experiments {
		x := &out.Experiments[i]
		x.Trials = trials
		if x.Interleaved {
			x.Seconds = perTrial
			if perTrial == 0 {
				x.Seconds = max(gateTrial, gateArmTrial*float64(len(x.Arms)))
			}
		}
		arms := float64(len(x.Arms))
		x.PlannedSeconds = float64(trials) * (x.Seconds + arms*(pairSeconds+x.Warmup))
		out.PlannedSeconds += x.PlannedSeconds
	}
	return &out
}

// exactCount is how many requests of an arm are compared exactly.
const exactCount = 300

// Exactly returns the plan with one short trial, for what is compared exactly.
// Where one viewer asks in a closed loop, every arm has as many requests, from
// its first: then connections, hits and what reaches the origin are exact too.
func (p *Plan) Exactly(seconds float64) *Plan {
	out := p.WithTrials(1, seconds, 0)
	for i := range out.Experiments {
		x := &out.Experiments[i]
		if x.Kind == Requests && !slices.ContainsFunc(x.Arms, func(a Arm) bool { return !a.oneViewer() }) {
			out.PlannedSeconds -= x.PlannedSeconds
			x.Count, x.PlannedSeconds = exactCount, float64(len(x.Arms))*(pairSeconds+exactSeconds)
			out.PlannedSeconds += x.PlannedSeconds
		}
	}
	return out
}

// exactSeconds is what so many requests take of one arm.
const exactSeconds = 0.2

// oneViewer reports whether the arm's n-th request is the same whatever the
// time: nobody else asks, and nobody is awaited by the clock.
func (a *Arm) oneViewer() bool {
	load := &a.Settings.Workload
	return load.Concurrency <= 1 && !load.Arrivals.Open() && !a.distant()
}

// OnlyBypass returns the plan with its bypass experiments alone, and whether
// there are any.
func (p *Plan) OnlyBypass() (*Plan, bool) {
	out := *p
	out.Expect, out.Claims, out.PlannedSeconds = nil, nil, preparingSeconds
	out.Experiments = slices.DeleteFunc(slices.Clone(p.Experiments), func(x Experiment) bool { return x.Kind != Bypass })
	for i := range out.Experiments {
		out.Experiments[i].Expect = nil
		out.PlannedSeconds += out.Experiments[i].PlannedSeconds
	}
	return &out, len(out.Experiments) > 0
}

// trialPercentiles adds what a gate compares of a trial's times: latency from
// the intended start.
func trialPercentiles(m map[string]float64, t *armTrial) {
	if t.edge == nil {
		return
	}
	h, err := results.DecodeHistogram(t.edge.Summary.Histograms["latency"])
	if err != nil {
		return // there is none, or collectArm will say what is wrong with it
	}
	for name, v := range results.Percentiles("latency", h) {
		if name == "latency.p50" || name == "latency.p90" || name == "latency.p99" {
			m[name] = v.Value
		}
	}
}

// gate checks the rules of the scenario's gate before anything starts.
func (c *compiler) gate(rules []scenarios.GateRule, outline results.Outline) []results.GateRuleText {
	var texts []results.GateRuleText
	var parsed []results.ScopedRule
	var paths []string
	for _, rule := range rules {
		text := results.GateRuleText{Metric: rule.Metric, Margin: rule.Margin, Tolerance: rule.Tolerance, Direction: rule.Direction, Severity: rule.Severity}
		scoped, err := results.ParseGateRule(text)
		if err != nil {
			c.problem(rule.Path, "%v", err)
			continue
		}
		texts, parsed, paths = append(texts, text), append(parsed, scoped), append(paths, rule.Path)
	}
	for i, err := range results.CheckGateRules(parsed, outline) {
		if err != nil {
			c.problem(paths[i], "%v", err)
		}
	}
	return texts
}

// GateRules returns the plan's rules, which Compile has checked.
func (p *Plan) GateRules() ([]results.ScopedRule, error) {
	var rules []results.ScopedRule
	for _, text := range p.Gate {
		rule, err := results.ParseGateRule(text)
		if err != nil {
			return nil, fmt.Errorf("the rule of %s: %w", text.Metric, err)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}
