package results

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Comparison sets stored results side by side. It judges nothing that time
// enters into: two runs are two states of a machine, and only a gate, which
// measures both in turn, can tell which of them is slower.
type Comparison struct {
	Rows  []ComparedRow // by arm in the order of the first result, then by metric in the registry's
	Notes []string      // what speaks against comparing
}

// ComparedRow is one metric of one arm, or one in-run ratio of two arms.
type ComparedRow struct {
	Arm    string // a pair is written a ÷ b
	Metric string
	Kind   Kind
	Values []Value // one per result; N = 0: not measured
	Change Change
}

// Change is what stored results say about a row.
type Change string

// The changes. Absolute times and CPU are never judged.
const (
	NotJudged Change = ""
	Same      Change = "same"
	Differs   Change = "differs" // exact values that are not equal, or in-run ratios whose intervals do not meet
)

// Headlines are the metrics that Compare shows when none are asked for.
func Headlines() []string {
	var names []string
	for _, m := range metrics {
		if m.Kind == Exact && !m.perExperiment || m.Kind == CPU || slices.Contains(timedHeadlines, m.Name) {
			names = append(names, m.Name)
		}
	}
	return names
}

var timedHeadlines = []string{
	MetricEfficiencyEdge, MetricEfficiencyOrigin, "latency.p50", "latency.p99", "reuse.ratio", "cache.hit.ratio", "origin.offload", "handshake.per1000",
}

// Compare sets the named metrics (nil: the Headlines) of two or more results
// side by side. The error says why they cannot be: an unknown metric, no arm
// or attempt in common, a histogram of another geometry.
func Compare(all []*Result, names []string) (*Comparison, error) {
	if len(all) < 2 {
		return nil, errors.New("comparing needs at least two results")
	}
	if len(names) == 0 {
		names = Headlines()
	}
	for _, name := range names {
		if _, known := MetricNamed(name); !known {
			return nil, unknownMetric(name)
		}
	}
	for i, r := range all {
		if err := r.CheckHistograms(); err != nil {
			return nil, fmt.Errorf("result %d: %w", i+1, err)
		}
	}
	c := &Comparison{Notes: differences(all)}
	for _, name := range common(all, func(r *Result) []string {
		var arms []string
		for i := range r.Arms {
			arms = append(arms, r.Arms[i].Name)
		}
		return arms
	}) {
		c.addArm(all, name, names)
	}
	c.addPairs(all, names)
	c.addAttempts(all)
	if len(c.Rows) == 0 {
		return nil, errors.New("these results have no arm or bypass row in common: they are of different scenarios")
	}
	return c, nil
}

// common lists what every result has, in the order of the first.
func common(all []*Result, of func(*Result) []string) []string {
	names := of(all[0])
	for _, r := range all[1:] {
		theirs := of(r)
		names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(theirs, name) })
	}
	return names
}

func (c *Comparison) addArm(all []*Result, arm string, names []string) {
	for _, name := range names {
		m, _ := MetricNamed(name)
		row := ComparedRow{Arm: arm, Metric: name, Kind: m.Kind}
		measured := 0
		for _, r := range all {
			v := r.Arm(arm).Metrics[name]
			row.Values = append(row.Values, v)
			measured += min(1, v.N)
		}
		if measured == 0 {
			continue
		}
		if m.Kind == Exact && measured == len(all) {
			row.Change = Same
			for _, v := range row.Values[1:] {
				if !sameExact(m, row.Values[0], v) {
					row.Change = Differs
				}
			}
		}
		c.Rows = append(c.Rows, row)
	}
}

// addPairs sets the ratios that each run measured in itself side by side:
// those survive another machine, as far as their intervals say.
func (c *Comparison) addPairs(all []*Result, names []string) {
	key := func(p *Pair) string { return p.A + " ÷ " + p.B + "\x00" + p.Metric }
	for _, k := range common(all, func(r *Result) []string {
		var keys []string
		for i := range r.Pairs {
			if p := &r.Pairs[i]; p.Role == PairAxis && slices.Contains(names, p.Metric) {
				keys = append(keys, key(p))
			}
		}
		return keys
	}) {
		arm, metric, _ := strings.Cut(k, "\x00")
		row := ComparedRow{Arm: arm, Metric: metric, Kind: Ratio, Change: Same}
		for _, r := range all {
			i := slices.IndexFunc(r.Pairs, func(p Pair) bool { return key(&p) == k })
			p := &r.Pairs[i]
			row.Values = append(row.Values, Value{Value: p.Ratio, Low: p.Low, High: p.High, N: len(p.Estimates), Kind: Ratio})
		}
		for _, v := range row.Values[1:] {
			first := row.Values[0]
			switch {
			case !v.HasInterval() || !first.HasInterval():
				row.Change = NotJudged
			case v.Low > first.High || v.High < first.Low:
				row.Change = Differs
			}
		}
		c.Rows = append(c.Rows, row)
	}
}

// addAttempts counts what came out otherwise than in the first result; each
// flip is a row of its own.
func (c *Comparison) addAttempts(all []*Result) {
	verdicts := make([]map[string]string, len(all))
	var keys []string
	for i, r := range all {
		verdicts[i] = map[string]string{}
		for j := range r.Bypass {
			b := &r.Bypass[j]
			if i == 0 {
				keys = append(keys, rowKey(b))
			}
			verdicts[i][rowKey(b)] = b.Measured
		}
	}
	for _, key := range keys {
		seen := map[string]bool{}
		words := make([]string, len(all))
		for i := range all {
			words[i] = verdicts[i][key]
			seen[words[i]] = true
		}
		if len(seen) > 1 && !seen[""] {
			c.Rows = append(c.Rows, ComparedRow{Arm: key, Metric: strings.Join(words, " → "), Kind: Exact, Change: Differs})
		}
	}
}

// rowKey names a row of the bypass matrix in every run of its scenario.
func rowKey(b *BypassRow) string {
	return strings.Join([]string{b.Experiment, b.Case, b.Strategy, b.Server, b.Mistake, b.TLS, b.Protocol}, " ")
}

// DERSlack is how many bytes a handshake of the same kind may vary: each
// ECDSA signature in it is two integers whose DER has 0 to 2 bytes more or
// less, and a handshake with mTLS has up to four signatures.
const DERSlack = 8

// sameExact compares two exact values: equal, or for the bytes of a handshake
// equal but for the length of signatures.
func sameExact(m Metric, a, b Value) bool {
	slack := 0.0
	if m.Unit == "B" {
		slack = DERSlack
	}
	near := func(x, y float64) bool { return max(x-y, y-x) <= slack }
	if slack == 0 && a.HasInterval() && b.HasInterval() {
		return near(a.Low, b.Low) && near(a.High, b.High)
	}
	return near(a.Value, b.Value)
}

// differences says what else than the code under test is not the same.
func differences(all []*Result) []string {
	var notes []string
	for what, of := range map[string]func(*Result) string{
		"scenario digest": func(r *Result) string { return r.Scenario.Digest },
		"CPU model":       func(r *Result) string { return r.Environment[EnvCPU] },
		"Go version":      func(r *Result) string { return r.Environment[EnvGo] },
	} {
		values := map[string]bool{}
		for _, r := range all {
			values[of(r)] = true
		}
		if len(values) > 1 {
			notes = append(notes, fmt.Sprintf("the %s differs: %s", what, strings.Join(slices.Sorted(maps.Keys(values)), ", ")))
		}
	}
	slices.Sort(notes)
	for i, r := range all {
		if c := r.Conclude(); c == RunFailed || c == Inconclusive {
			notes = append(notes, fmt.Sprintf("result %d: %s", i+1, c))
		}
	}
	return notes
}

// CheckHistograms decodes every histogram, which refuses those of another
// geometry. Decode does not, because most readers need none.
func (r *Result) CheckHistograms() error {
	var problems []error
	for i := range r.Arms {
		a := &r.Arms[i]
		for _, name := range slices.Sorted(maps.Keys(a.Histograms)) {
			if _, err := DecodeHistogram(a.Histograms[name]); err != nil {
				problems = append(problems, fmt.Errorf("%s: %s: %w", a.Name, name, err))
			}
		}
	}
	return errors.Join(problems...)
}
