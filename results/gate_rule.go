package results

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Severity is what a verdict on a metric does to the gate as a whole.
type Severity string

// The severities.
const (
	Blocks  Severity = "block"  // a REGRESSION fails the gate
	Reports Severity = "report" // it is only shown
)

// GateRule says how much worse one metric may become. Margin and Tolerance
// are shares: 0.05 is 5 %.
type GateRule struct {
	Metric    string   `json:"metric"`
	Margin    float64  `json:"margin"`    // worse by no more than this is never a regression
	Tolerance float64  `json:"tolerance"` // a PASS is shown to be worse by less than this
	Better    string   `json:"better"`    // Lower or Higher
	Severity  Severity `json:"severity"`
}

// Validate reports every part of the rule that contradicts another.
func (r GateRule) Validate() error {
	var problems []error
	m, known := MetricNamed(r.Metric)
	if !known {
		return unknownMetric(r.Metric)
	}
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf(r.Metric+": "+format, args...))
	}
	if m.Kind == Exact {
		problem("is compared exactly and takes neither margin nor tolerance")
	}
	if !(r.Margin >= 0 && r.Margin < 10) || !(r.Tolerance > 0 && r.Tolerance < 10) {
		problem("margin %v and tolerance %v must be shares from 0 up", r.Margin, r.Tolerance)
	}
	if r.Margin >= r.Tolerance {
		problem("the margin of %s is not below the tolerance of %s, so that nothing could pass", share(r.Margin), share(r.Tolerance))
	}
	if r.Better != Lower && r.Better != Higher {
		problem("direction is %q, want %s or %s", r.Better, Lower, Higher)
	}
	if r.Severity != Blocks && r.Severity != Reports {
		problem("severity is %q, want %s or %s", r.Severity, Blocks, Reports)
	}
	return errors.Join(problems...)
}

func share(v float64) string { return fmt.Sprintf("%g %%", math.Round(v*1e6)/1e4) }

// DefaultMargin is how much worse is never called a regression.
const DefaultMargin = 0.01

// DefaultRule is the rule of a metric that the scenario has none for. It
// reports false for what a gate does not test with statistics: exact values,
// counts, and what has no better direction.
//
// CPU and in-run ratios block at 5 %. Wall-clock time is wider and only
// reported, because a shared machine moves it by itself.
func DefaultRule(metric string) (GateRule, bool) {
	m, known := MetricNamed(metric)
	rule := GateRule{Metric: metric, Margin: DefaultMargin, Better: m.Better, Severity: Reports}
	switch {
	case !known || m.Better == Neither || m.Kind == Exact || m.Kind == Count || derived(metric):
		return GateRule{}, false
	case m.Kind == CPU, m.Kind == Ratio:
		rule.Tolerance, rule.Severity = 0.05, Blocks
	case strings.HasSuffix(metric, ".p90"):
		rule.Tolerance = 0.25
	case strings.HasSuffix(metric, ".p99"), strings.HasSuffix(metric, ".p999"), strings.HasSuffix(metric, ".max"):
		rule.Tolerance = 0.5
	default:
		rule.Tolerance = 0.1
	}
	return rule, true
}

// derived marks what another metric says already, or what tells of the
// generator: in the family it would only cost the others power.
func derived(metric string) bool {
	return strings.HasPrefix(metric, "efficiency") || strings.HasPrefix(metric, "rate.") ||
		strings.HasPrefix(metric, "send.error") || metric == "reuse.deviation" || metric == "handshake.share"
}
