package bypass

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/wire"
)

// Plan says which attempts meet which policies. It is plain JSON.
type Plan struct {
	Cases      []string `json:"cases,omitempty"`      // IDs; none: every registered attempt
	Strategies []string `json:"strategies,omitempty"` // of Strategies; none: allowlist, header and mtls
	TLS        []string `json:"tls,omitempty"`        // "1.2", "1.3"; none: both
	Servers    []string `json:"servers,omitempty"`    // of Servers; none: the built-in origin
	Protocols  []string `json:"protocols,omitempty"`  // h1, h2, h3; none: all that a case is made over

	// Find looks for a real server; nil: with origin.Driver.Find.
	Find func(origin.Driver) (origin.Installed, error) `json:"-"`
}

// Planned is a row before it runs: an attempt against one policy, and what
// should come of it.
type Planned struct {
	Case      string       `json:"case"`
	Title     string       `json:"title"`
	Server    string       `json:"server,omitempty"` // "" = the built-in origin
	Strategy  string       `json:"strategy"`
	Mistake   string       `json:"mistake"` // "" = the correct policy
	TLS       string       `json:"tls"`
	Protocol  string       `json:"protocol"` // h1, h2 or h3
	Predicted Verdict      `json:"predicted"`
	Stage     wire.Stage   `json:"stage,omitempty"`   // where the refusal is expected
	Missing   origin.Proof `json:"missing"`           // required and not held; none when bypassed
	Limit     string       `json:"limit,omitempty"`   // why a real server does not ask for what it should
	Skipped   string       `json:"skipped,omitempty"` // why the row cannot run
}

// Rows predicts every row of the plan, in the order case, strategy, correct
// before control, TLS version. It runs nothing. The error names every
// unknown case, strategy and TLS version together with the known ones.
func Rows(plan Plan) ([]Planned, error) {
	plan = plan.complete()
	if err := plan.validate(); err != nil {
		return nil, err
	}
	var rows []Planned
	for _, name := range plan.Servers {
		if name == Builtin {
			continue
		}
		met, err := plan.serverRows(name)
		if err != nil {
			return nil, err
		}
		rows = append(rows, met...)
	}
	if !slices.Contains(plan.Servers, Builtin) {
		return rows, nil
	}
	onServers := rows
	rows = nil
	for _, id := range plan.Cases {
		if a := registry[id]; a.Rogue != nil {
			rows = append(append(rows, plan.edgeRows(a)...), plan.presetRows(a)...)
			continue
		}
		for _, strategy := range plan.Strategies {
			met, err := plan.rows(registry[id], strategy)
			if err != nil {
				return nil, err
			}
			rows = append(rows, met...)
		}
	}
	return append(rows, onServers...), nil
}

// noneAlone stands for the control of a combination that takes two mistakes.
const noneAlone = "(none alone)"

// rows predicts the rows of one case under one strategy.
func (p Plan) rows(a Attempt, strategy string) ([]Planned, error) {
	v, err := variantNamed(strategy)
	if err != nil {
		return nil, err
	}
	if !a.concerns(v) {
		return nil, nil
	}
	controls, err := v.controls(a)
	if err != nil {
		return nil, err
	}
	if len(controls) == 0 && !a.Legitimate {
		controls = []string{noneAlone}
	}
	var rows []Planned
	for _, protocol := range p.protocols(a, v) {
		for _, mistake := range append([]string{""}, controls...) {
			for _, version := range p.TLS {
				if protocol == overH3 && version == "1.2" && !a.overQUIC() {
					continue // QUIC has no TLS 1.2
				}
				row := Planned{Case: a.ID, Title: a.Title, Strategy: v.name, Mistake: mistake, TLS: version, Protocol: protocol}
				if row, err = predict(row, a, v); err != nil {
					return nil, err
				}
				rows = append(rows, row)
			}
		}
	}
	return rows, nil
}

// edgeRows predicts the rows of an attempt on the edge, which no strategy of
// an origin has to do with.
func (p Plan) edgeRows(a Attempt) []Planned {
	faults := []string{""}
	if a.EdgeFault != "" {
		faults = append(faults, a.EdgeFault)
	}
	var rows []Planned
	for _, fault := range faults {
		for _, version := range p.TLS {
			row := Planned{Case: a.ID, Title: a.Title, Strategy: EdgeStrategy, Mistake: fault, TLS: version, Protocol: overH1, Predicted: a.gain()}
			if fault == "" && !a.OpenByDesign && !a.Legitimate {
				row.Predicted, row.Stage = Blocked, wire.StageTLS
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// concerns says whether the attempt means anything under the variant.
func (a Attempt) concerns(v variant) bool {
	if a.Profiles && v.profile == "" {
		return false
	}
	if len(a.Concerns) == 0 {
		return true
	}
	return slices.ContainsFunc(v.strategies, func(s string) bool { return slices.Contains(a.Concerns, s) })
}

// predict holds what the attempt can prove against what the policy asks.
func predict(row Planned, a Attempt, v variant) (Planned, error) {
	mistake := row.Mistake
	row.Skipped = a.unmet(row.Protocol, row.TLS)
	if row.Skipped == "" && a.SecondLeaf && v.pin == origin.PinLeaf {
		row.Skipped = "it begins with another certificate in the edge's name, and here one certificate is pinned"
	}
	if row.Skipped == "" && mistake == noneAlone {
		row.Skipped = "no single mistake opens this combination: each of its parts is proven alone"
	}
	if row.Skipped != "" {
		row.Predicted = NotRun
		return row, nil
	}
	p, err := v.policy(mistake)
	if err != nil {
		return row, fmt.Errorf("predicting %s against %s: %w", a.ID, v.name, err)
	}
	row.Missing = p.Requires(a.path(row.Protocol)).Without(v.holds(a))
	if known, ok := origin.MistakeNamed(mistake); ok {
		row.Missing |= known.Locks
	}
	if row.Missing == 0 {
		row.Predicted = a.gain()
		return row, nil
	}
	row.Predicted, row.Stage = Blocked, expectedStage(a, row.Missing)
	if a.Legitimate {
		row.Predicted = Denied
	}
	return row, nil
}

var knownTLS = []string{"1.2", "1.3"}

// complete writes the defaults out.
func (p Plan) complete() Plan {
	if len(p.Cases) == 0 {
		p.Cases = knownCases()
	}
	if len(p.Strategies) == 0 {
		p.Strategies = singleStrategies()
	}
	if len(p.Servers) == 0 {
		p.Servers = []string{Builtin}
	}
	if len(p.TLS) == 0 {
		p.TLS = knownTLS
	}
	return p
}

// validate reports every entry that is unknown or named twice.
func (p Plan) validate() error {
	return errors.Join(
		check("bypass case", p.Cases, knownCases()),
		check("strategy", p.Strategies, Strategies()),
		check("TLS version", p.TLS, knownTLS),
		check("server", p.Servers, Servers()),
		check("protocol", p.Protocols, everyProtocol),
	)
}

func check(kind string, named, known []string) error {
	var problems []error
	for i, name := range named {
		switch {
		case !slices.Contains(known, name):
			problems = append(problems, fmt.Errorf("unknown %s %q; known: %s", kind, name, strings.Join(known, ", ")))
		case slices.Contains(named[:i], name):
			problems = append(problems, fmt.Errorf("%s %q is named twice", kind, name))
		}
	}
	return errors.Join(problems...)
}

func knownCases() []string {
	ids := make([]string, 0, len(registry))
	for _, a := range Attempts() {
		ids = append(ids, a.ID)
	}
	return ids
}

func singleStrategies() []string {
	names := make([]string, 0, 3)
	for _, s := range origin.Strategies() {
		names = append(names, s.Name)
	}
	return names
}
