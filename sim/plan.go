package sim

import (
	"slices"
	"strings"

	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
)

// ProtocolVersion is the version of the plan and of the messages between the
// coordinator and its workers. A worker refuses any other.
const ProtocolVersion = 1

// Kind is what an experiment does.
type Kind string

// The kinds of experiment.
const (
	Handshakes Kind = "handshakes" // connect, handshake, one small request, close; n at once, or at a rate
	Requests   Kind = "requests"   // viewers through cache and pool
	Bypass     Kind = "bypass"     // attempts to pull without being the edge
)

// Role is what an arm is for.
type Role string

// The roles of arms. Baseline and double are added by Compile to every
// experiment that reports CPU; expectations see them only by role=.
const (
	Ordinary Role = "arm"
	Baseline Role = "baseline" // the same exchange over plain TCP
	Double   Role = "aa"       // an ordinary arm once more, under another name
)

// Plan is everything a run will do: resolved, seeded, every default written
// out. It is plain JSON; credentials are named in it and never held.
type Plan struct {
	Protocol       int                     `json:"protocol"`
	Scenario       string                  `json:"scenario"`
	Title          string                  `json:"title,omitempty"`
	File           string                  `json:"file,omitempty"` // of the scenario, as it was named; of an absolute path its last part
	Digest         string                  `json:"digest"`
	Seed           uint64                  `json:"seed"`
	Experiments    []Experiment            `json:"experiments"`
	Includes       map[string]*IncludePlan `json:"includes,omitempty"` // of the user's own, by the name that origin.include has in arms
	Traces         map[string]*TracePlan   `json:"traces,omitempty"`   // of the user's own, by the name that workload.objects.trace has in arms
	Expect         []string                `json:"expect,omitempty"`
	Claims         []Claim                 `json:"claims,omitempty"`
	Gate           []results.GateRuleText  `json:"gate,omitempty"`
	PlannedSeconds float64                 `json:"plannedSeconds"` // what the run should take, preparation included
}

// Experiment is one question: arms that are measured together.
type Experiment struct {
	Name           string      `json:"name"`
	Kind           Kind        `json:"kind"`
	Trials         int         `json:"trials"`           // fresh edge and origin processes for every arm, each time
	Block          float64     `json:"block"`            // seconds granted to one arm at a time
	Interleaved    bool        `json:"interleaved"`      // short blocks in turn, for CPU; else each arm has one long block
	Warmup         float64     `json:"warmup"`           // seconds, measured and thrown away
	Seconds        float64     `json:"seconds"`          // of blocks in one trial, all arms together
	Pairs          int         `json:"pairs,omitempty"`  // blocks of every arm in all trials; 0: as many as there is time for
	Count          int64       `json:"count,omitempty"`  // requests of every arm, without a warm-up, in place of a time; 0: by time
	Arms           []Arm       `json:"arms,omitempty"`   // none in a bypass experiment
	Bypass         *BypassPlan `json:"bypass,omitempty"` // only in a bypass experiment
	Expect         []string    `json:"expect,omitempty"`
	Line           int         `json:"line,omitempty"` // where it stands in the scenario's file; 0: on the command line
	Claims         []Claim     `json:"claims,omitempty"`
	PlannedSeconds float64     `json:"plannedSeconds"`
}

// Claim is what somebody says, and the expectation that would bear it out.
type Claim struct {
	Text    string `json:"text"`
	Source  string `json:"source"`
	Measure string `json:"measure"`
}

// BypassPlan names the attempts and the policies they meet.
type BypassPlan struct {
	Cases      []string `json:"cases"`
	Strategies []string `json:"strategies"`
	TLS        []string `json:"tls"`
	Servers    []string `json:"servers,omitempty"` // none: the built-in origin
}

// Arm is one configuration of edge and origin.
type Arm struct {
	Name       string             `json:"name"` // experiment/axis=value,…
	Experiment string             `json:"experiment"`
	Role       Role               `json:"role"`
	Doubles    string             `json:"doubles,omitempty"` // the arm that a double repeats
	Axes       map[string]string  `json:"axes,omitempty"`
	Settings   scenarios.Settings `json:"settings"`
	Plaintext  bool               `json:"plaintext,omitempty"` // no TLS on the hop: the baseline
	Policy     origin.Policy      `json:"policy"`
	Policies   []origin.Policy    `json:"policies,omitempty"` // of each of several origins, in place of policy
	// Of an arm that is the part of another's that one of several origins has: the
	// origin's name, and below what path its objects are.
	Part  string `json:"part,omitempty"`
	Below string `json:"below,omitempty"`
}

// overQUIC: the edge speaks HTTP/3 to the origin.
func (a *Arm) overQUIC() bool {
	return !a.Plaintext && a.Settings.Edge.Protocol == string(pool.H3)
}

// axisNames returns the axes of the arm in a stable order.
func (a *Arm) axisNames() []string {
	names := make([]string, 0, len(a.Axes))
	for name := range a.Axes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// differsOnlyIn returns the one axis on which the two arms differ, or "".
func (a *Arm) differsOnlyIn(b *Arm) string {
	found := ""
	for _, name := range a.axisNames() {
		if a.Axes[name] == b.Axes[name] {
			continue
		}
		if found != "" {
			return ""
		}
		found = name
	}
	return found
}

// fileStem turns an arm's name into something every file system accepts.
func fileStem(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(".-_=+", r):
			return r
		}
		return '_'
	}, name)
}
