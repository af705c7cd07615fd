package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/originpull/originpull/results"
)

// cost prints what one handshake of each arm costs.
func cost(p *page, r *results.Result, e group) {
	if !measured(p, r, e) {
		return
	}
	g := grid{titles: []string{
		"", "handshake\nreturns", "first\nbyte", "bytes\nsent", "bytes\nreceived", "edge\nCPU", "origin\nCPU", "hand-\nshakes",
	}}
	efficient := slices.ContainsFunc(e.arms, func(a *results.Arm) bool { return efficiency(a) != nothing })
	if efficient {
		g.titles = append(g.titles, "effi-\nciency")
	}
	row := func(a *results.Arm, cells ...cell) {
		if efficient {
			cells = append(cells, cell{text: efficiency(a)})
		}
		g.add(cells...)
	}
	subtracted := false
	for _, a := range e.arms {
		name := cell{armWords(r, a), plain}
		if a.Error != "" {
			g.addSpan(name, "FAILED: "+a.Error, red)
			continue
		}
		if a.Role == results.RoleBaseline {
			subtracted = true
			row(a, name, cell{text: "no TLS"}, cell{text: show(a, results.MetricFirstByteRTTs)}, cell{text: nothing}, cell{text: nothing},
				cell{text: bracket(show(a, results.MetricHandshakeEdge))}, cell{text: bracket(show(a, results.MetricHandshakeOrigin))}, cell{text: "none"})
			continue
		}
		row(a, name, cell{text: show(a, results.MetricHandshakeRTTs)}, cell{text: show(a, results.MetricFirstByteRTTs)},
			cell{text: show(a, results.MetricBytesSent)}, cell{text: show(a, results.MetricBytesReceived)},
			cell{text: show(a, results.MetricHandshakeEdge)}, cell{text: show(a, results.MetricHandshakeOrigin)}, cell{text: handshakes(a)})
	}
	g.print(p)
	text := "rtt: round trips. The handshake returns: TCP's own round trip not counted. First byte of the reply: TCP's counted. Bytes are what the edge sends and receives in one handshake, CPU is for one handshake."
	if subtracted {
		text += " What plain TCP costs (in brackets) is subtracted from the CPU of the others."
	}
	if efficient {
		text += " Efficiency, of edge/origin: what signing, verifying, key shares and their secrets take by themselves, measured in the same run, over that CPU."
	}
	p.note(text, faint)
	if text := negotiated(r, e); text != "" {
		p.note(text, faint)
	}
	paced(p, r, e)
	links(p, e, r)
	ratios(p, r, e)
}

// paced prints how handshakes at a rate went: connecting, shaking hands and
// the first byte apart.
func paced(p *page, r *results.Result, e group) {
	g := grid{titles: []string{"Handshakes at a rate", "answered", "connect\n(p50)", "handshake\n(p50)", "\n(p99)", "first byte\n(p50)", "\n(p99)", "sent late\nby (p99)"}}
	shown := false
	for _, a := range e.arms {
		if _, has := a.Metrics["rate.achieved"]; has && a.Error == "" {
			shown = true
			fill(&g, r, a, []string{"rate.achieved", "connect.p50", "handshake.p50", "handshake.p99", "firstbyte.p50", "firstbyte.p99", "send.error.p99"})
		}
	}
	if !shown {
		return
	}
	p.blank()
	g.print(p)
	p.note("First byte: from the begin of connecting to the first byte of the reply. All histograms, full and resumed handshakes apart, are in the result document.", faint)
}

// efficiency prints both ends' shares of primitives, or nothing.
func efficiency(a *results.Arm) string {
	var parts []string
	for _, metric := range []string{results.MetricEfficiencyEdge, results.MetricEfficiencyOrigin} {
		v, has := a.Metrics[metric]
		if !has || v.N <= 0 {
			return nothing
		}
		parts = append(parts, strconv.FormatFloat(100*v.Value, 'f', 0, 64))
	}
	return strings.Join(parts, "/") + " %"
}

// negotiated says which version, group and cipher the arms of an experiment
// really came to, and which arms where they differ.
func negotiated(r *results.Result, e group) string {
	arms := map[string][]string{}
	var order []string
	for _, a := range e.arms {
		if a.Role != results.RoleArm || a.Labels[results.LabelCipher] == "" {
			continue
		}
		text := join([]string{"TLS " + a.Labels[results.LabelTLSVersion], a.Labels[results.LabelGroup], a.Labels[results.LabelCipher]})
		if a.Labels[results.LabelHelloRetry] == "true" {
			text += ", after a HelloRetryRequest"
		}
		if len(arms[text]) == 0 {
			order = append(order, text)
		}
		arms[text] = append(arms[text], armWords(r, a))
	}
	for i, text := range order {
		switch {
		case len(order) == 1:
		case len(arms[text]) <= 2:
			order[i] = text + " (" + strings.Join(arms[text], "; ") + ")"
		default:
			order[i] = text + " (" + plural(len(arms[text]), "arm", "arms") + ")"
		}
	}
	if len(order) == 0 {
		return ""
	}
	return "Negotiated: " + strings.Join(order, ". ") + "."
}

func bracket(text string) string {
	if text == nothing {
		return text
	}
	return "(" + text + ")"
}

// handshakes counts them; full, resumed and failed ones are told apart.
func handshakes(a *results.Arm) string {
	full, resumed, failed := value(a, "handshake.full"), value(a, "handshake.resumed"), value(a, "handshake.failed")
	if resumed == 0 && failed == 0 {
		return thousands(full)
	}
	var parts []string
	for _, part := range []struct {
		n    float64
		word string
	}{{full, "full"}, {resumed, "resumed"}, {failed, "failed"}} {
		if part.n > 0 {
			parts = append(parts, thousands(part.n)+" "+part.word)
		}
	}
	return strings.Join(parts, "\n")
}

// measured prints how an experiment was measured and reports whether it has
// anything to show: an interrupted run has experiments that never started.
func measured(p *page, r *results.Result, e group) bool {
	for _, a := range e.arms {
		if a.Error != "" || len(a.Metrics) > 0 {
			p.note(method(e), plain)
			if severalServers(r) {
				p.note("Origin: "+counterpart(r, e.arms), plain)
			}
			if text := labels(e.arms, results.LabelArrivals); text != "" {
				p.note("Arrivals: "+text+".", plain)
			}
			return true
		}
	}
	p.note(join([]string{named(e.experiment.Name), "nothing was measured"}), yellow)
	return false
}

func named(experiment string) string {
	if experiment == "" {
		return ""
	}
	return fmt.Sprintf("Experiment %q", experiment)
}

// method says how the arms of an experiment were measured.
func method(e group) string {
	x := e.experiment
	parts := []string{named(x.Name)}
	if done, planned := trials(e); planned > 0 {
		text := plural(planned, "trial", "trials")
		if done < planned {
			text = fmt.Sprintf("only %d of %s complete", done, text)
		}
		parts = append(parts, text+", each with fresh processes")
	}
	switch {
	case slices.ContainsFunc(e.arms, func(a *results.Arm) bool { return len(a.Trials) > 0 && a.Trials[0].Search != nil }):
		parts = append(parts, "each arm at the highest rate that kept its objective, for "+seconds(x.Block))
	case x.Block > 0 && x.Rounds == 1:
		parts = append(parts, "one block of "+seconds(x.Block)+" for each arm")
	case x.Block > 0:
		parts = append(parts, "arms taking turns in blocks of "+seconds(x.Block))
	}
	return join(parts)
}

// trials counts the trials that every arm that did not fail completed, and
// the planned ones.
func trials(e group) (done, planned int) {
	planned = e.experiment.Trials
	done = -1
	for _, a := range e.arms {
		complete := 0
		for _, t := range a.Trials {
			if t.Complete {
				complete++
			}
		}
		if planned == 0 || len(a.Trials) > planned {
			planned = max(planned, len(a.Trials))
		}
		if a.Error == "" && (done < 0 || complete < done) {
			done = complete
		}
	}
	return max(done, 0), planned
}

// ratios prints the pairs of an experiment, a column for each metric.
func ratios(p *page, r *results.Result, e group) {
	metrics, rows := pairsOf(r, e.experiment.Name)
	if len(rows) == 0 {
		return
	}
	p.blank()
	if !slices.ContainsFunc(rows, anyInterval) {
		p.note("CPU is not compared as ratios here: an interval needs at least two trials (workload.trials).", faint)
		return
	}
	g := grid{titles: append([]string{"Ratios within one run"}, columnTitles(metrics)...)}
	for _, pairs := range rows {
		cells := []cell{{text: pairWords(r, pairs[0])}}
		for _, metric := range metrics {
			c := cell{text: nothing}
			if at := slices.IndexFunc(pairs, func(x *results.Pair) bool { return x.Metric == metric }); at >= 0 {
				c = ratio(pairs[at])
			}
			cells = append(cells, c)
		}
		g.add(cells...)
	}
	g.print(p)
	p.note("In brackets the 95 % interval. Not resolved: the two differ by no more than noise, of which the same arm measured twice is the yardstick.", faint)
}

// anyInterval reports whether one of the pairs has an interval.
func anyInterval(pairs []*results.Pair) bool {
	return slices.ContainsFunc(pairs, func(x *results.Pair) bool { return x.Estimate().HasInterval() })
}

// pairsOf returns the metrics of an experiment's pairs in order of appearance
// and the pairs of each two arms together, A/A last.
func pairsOf(r *results.Result, experiment string) (metrics []string, rows [][]*results.Pair) {
	for i := range r.Pairs {
		x := &r.Pairs[i]
		if a := r.Arm(x.A); a == nil || a.Experiment != experiment {
			continue
		}
		if !slices.Contains(metrics, x.Metric) {
			metrics = append(metrics, x.Metric)
		}
		at := slices.IndexFunc(rows, func(row []*results.Pair) bool { return row[0].A == x.A && row[0].B == x.B })
		if at < 0 {
			at, rows = len(rows), append(rows, nil)
		}
		rows[at] = append(rows[at], x)
	}
	slices.SortStableFunc(rows, func(a, b []*results.Pair) int {
		return strings.Compare(b[0].Role, a[0].Role) // "axis" before "aa"
	})
	return metrics, rows
}

// metricWords shortens the names that make columns.
var metricWords = map[string]string{
	results.MetricHandshakeEdge:   "CPU of edge",
	results.MetricHandshakeOrigin: "CPU of origin",
	results.MetricRequestEdge:     "CPU of edge",
	results.MetricRequestOrigin:   "CPU of origin",
}

func columnTitles(metrics []string) []string {
	out := make([]string, len(metrics))
	for i, m := range metrics {
		out[i] = metricWords[m]
		if out[i] == "" {
			out[i] = m
		}
	}
	return out
}

// ratio prints a pair; a ratio that is not resolved is not printed, so that
// nobody quotes it.
func ratio(x *results.Pair) cell {
	e := x.Estimate()
	interval := fmt.Sprintf("[%.2f – %.2f]", e.Low, e.High)
	switch {
	case !e.HasInterval():
		return cell{"not resolved (" + plural(e.N, "trial", "trials") + ")", yellow}
	case x.Role == results.PairAA:
		return cell{fmt.Sprintf("%.2f × %s", e.Ratio, interval), faint}
	case !x.Resolved:
		return cell{"not resolved " + interval, yellow}
	}
	return cell{fmt.Sprintf("%.2f × %s", e.Ratio, interval), bold}
}
