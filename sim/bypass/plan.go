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
	Strategies []string `json:"strategies,omitempty"` // none: every registered strategy
	TLS        []string `json:"tls,omitempty"`        // "1.2", "1.3"; none: both
}

// Planned is a row before it runs: an attempt against one policy, and what
// should come of it.
type Planned struct {
	Case      string       `json:"case"`
	Title     string       `json:"title"`
	Strategy  string       `json:"strategy"`
	Mistake   string       `json:"mistake"` // "" = the correct policy
	TLS       string       `json:"tls"`
	Predicted Verdict      `json:"predicted"`
	Stage     wire.Stage   `json:"stage,omitempty"`   // where the refusal is expected
	Missing   origin.Proof `json:"missing"`           // required and not held; none when bypassed
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
	for _, id := range plan.Cases {
		attempt := registry[id]
		for _, strategy := range plan.Strategies {
			for _, mistake := range []string{"", attempt.Control(strategy)} {
				for _, version := range plan.TLS {
					row, err := predict(attempt, strategy, mistake, version)
					if err != nil {
						return nil, err
					}
					rows = append(rows, row)
				}
			}
		}
	}
	return rows, nil
}

// predict holds what the attempt can prove against what the policy asks.
func predict(a Attempt, strategy, mistake, version string) (Planned, error) {
	row := Planned{Case: a.ID, Title: a.Title, Strategy: strategy, Mistake: mistake, TLS: version}
	if row.Skipped = a.unmet(version); row.Skipped != "" {
		row.Predicted = NotRun
		return row, nil
	}
	p, err := policy(strategy, mistake)
	if err != nil {
		return row, fmt.Errorf("predicting %s against %s: %w", a.ID, strategy, err)
	}
	row.Missing = p.Requires(a.Path).Without(a.Holds)
	if row.Missing == 0 {
		row.Predicted = Bypassed
		return row, nil
	}
	row.Predicted, row.Stage = Blocked, expectedStage(a, row.Missing)
	return row, nil
}

var knownTLS = []string{"1.2", "1.3"}

// complete writes the defaults out.
func (p Plan) complete() Plan {
	if len(p.Cases) == 0 {
		p.Cases = knownCases()
	}
	if len(p.Strategies) == 0 {
		p.Strategies = knownStrategies()
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
		check("strategy", p.Strategies, knownStrategies()),
		check("TLS version", p.TLS, knownTLS),
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

func knownStrategies() []string {
	names := make([]string, 0, 3)
	for _, s := range origin.Strategies() {
		names = append(names, s.Name)
	}
	return names
}
