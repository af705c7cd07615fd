package results

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ScopedRule is a rule of a scenario's gate list: a metric with selectors, in
// the grammar of expectations, and what differs from the defaults.
type ScopedRule struct {
	Text string // the operand as it was written
	Rule GateRule

	operand operand
	exact   bool
}

// GateRuleText is a rule as a scenario writes it; what is empty is the default
// of the metric.
type GateRuleText struct {
	Metric    string `json:"metric"`
	Margin    string `json:"margin,omitempty"`    // a share: 1% or 0.01
	Tolerance string `json:"tolerance,omitempty"` // a share
	Direction string `json:"direction,omitempty"` // Lower or Higher: which is better
	Severity  string `json:"severity,omitempty"`  // Blocks or Reports
}

// ParseGateRule reads a rule and fills in the defaults. The error names
// everything that contradicts the metric or another part of the rule.
func ParseGateRule(t GateRuleText) (ScopedRule, error) {
	p := &parser{text: t.Metric}
	o, err := p.operand()
	if p.space(); err == nil && p.rest() != "" {
		err = fmt.Errorf("nothing may follow the metric, found %s", p.found())
	}
	if err != nil {
		return ScopedRule{}, fmt.Errorf("metric: %w", err)
	}
	m, known := MetricNamed(o.metric)
	if !known {
		return ScopedRule{}, unknownMetric(o.metric)
	}
	if m.perExperiment {
		return ScopedRule{}, fmt.Errorf("%s needs no rule: every row of the bypass matrix is compared, and one that flips fails the gate", m.Name)
	}
	s := ScopedRule{Text: t.Metric, operand: o, exact: m.Kind == Exact}
	if s.exact {
		s.Rule = GateRule{Metric: m.Name, Severity: Blocks}
		if t.Margin+t.Tolerance+t.Direction != "" {
			return s, fmt.Errorf("%s is compared exactly and takes no margin, tolerance or direction; severity: %s shows a change without failing", m.Name, Reports)
		}
		return s, s.severity(t.Severity)
	}
	if s.Rule, known = DefaultRule(m.Name); !known {
		s.Rule = GateRule{Metric: m.Name, Margin: DefaultMargin, Tolerance: 0.05, Better: m.Better, Severity: Blocks}
	}
	if t.Direction != "" {
		s.Rule.Better = t.Direction
	}
	err = errors.Join(readShare("margin", t.Margin, &s.Rule.Margin), readShare("tolerance", t.Tolerance, &s.Rule.Tolerance), s.severity(t.Severity))
	if err == nil {
		err = s.Rule.Validate()
	}
	return s, err
}

func (s *ScopedRule) severity(text string) error {
	switch Severity(text) {
	case "":
	case Blocks, Reports:
		s.Rule.Severity = Severity(text)
	default:
		return fmt.Errorf("severity is %q, want %s or %s", text, Blocks, Reports)
	}
	return nil
}

// readShare reads 5% or 0.05; an empty text leaves the default.
func readShare(what, text string, into *float64) error {
	if text == "" {
		return nil
	}
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		return fmt.Errorf("%s is %q, want a share such as 5%% or 0.05", what, text)
	}
	if percent {
		v /= 100
	}
	*into = v
	return nil
}

// CheckGateRules reports rules that match no arm, and rules that contradict
// each other: two for one metric of one arm. Its errors are by rule.
func CheckGateRules(rules []ScopedRule, o Outline) []error {
	problems := make([]error, len(rules))
	for i := range rules {
		matched, err := rules[i].match(o)
		if err != nil {
			problems[i] = err
			continue
		}
		for j := range i {
			other, err := rules[j].match(o)
			if err != nil || rules[i].Rule.Metric != rules[j].Rule.Metric {
				continue
			}
			for arm := range matched {
				if other[arm] {
					problems[i] = fmt.Errorf("%s and %s are two rules for %s of %s: leave one of them", rules[j].Text, rules[i].Text, rules[i].Rule.Metric, arm)
				}
			}
		}
	}
	return problems
}

func (s *ScopedRule) match(o Outline) (map[string]bool, error) {
	matched, err := s.operand.match(o.Arms, "", false)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, i := range matched {
		names[o.Arms[i].Name] = true
	}
	return names, nil
}

// covers reports whether the rule is about a metric of an arm of a gate.
func (s *ScopedRule) covers(a *Arm, metric string) bool {
	ref := a.Ref()
	ref.Name = gateName(a)
	return s.Rule.Metric == metric && s.operand.accepts(ref)
}

// RulesOf finds the rule of a metric: the scenario's own, else the default.
func RulesOf(rules []ScopedRule) RuleOf {
	return func(a *Arm, metric string) (GateRule, bool) {
		for i := range rules {
			if rules[i].covers(a, metric) {
				return rules[i].Rule, true
			}
		}
		return DefaultRule(metric)
	}
}

// SeverityOf says whether a change of something exact blocks: it does unless
// a rule explains it.
func SeverityOf(rules []ScopedRule) func(a *Arm, metric string) Severity {
	return func(a *Arm, metric string) Severity {
		for i := range rules {
			if rules[i].covers(a, metric) {
				return rules[i].Rule.Severity
			}
		}
		return Blocks
	}
}
