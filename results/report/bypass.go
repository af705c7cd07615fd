package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/originpull/originpull/results"
)

// bypassExperiments names the experiments that were to have bypass rows or
// have some, in order.
func bypassExperiments(r *results.Result) []string {
	var names []string
	for _, e := range r.Experiments {
		if e.Kind == results.KindBypass {
			names = append(names, e.Name)
		}
	}
	for i := range r.Bypass {
		if !slices.Contains(names, r.Bypass[i].Experiment) {
			names = append(names, r.Bypass[i].Experiment)
		}
	}
	return names
}

// whoElse prints the matrix of one experiment and what it rests on.
func whoElse(p *page, r *results.Result, experiment string) {
	var rows []*results.BypassRow
	for i := range r.Bypass {
		if r.Bypass[i].Experiment == experiment {
			rows = append(rows, &r.Bypass[i])
		}
	}
	if len(rows) == 0 {
		p.note(join([]string{named(experiment), "nothing was measured"}), yellow)
		return
	}
	if planned, _ := r.Experiment(experiment); planned.Target != "" {
		p.note(fmt.Sprintf("%s: who pulls without being the edge from %s; consent: %s", named(experiment), planned.Target, planned.Consent), plain)
	} else if experiment != "" {
		p.note(named(experiment)+": who pulls without being the edge, from origins that are configured correctly", plain)
	}
	targets := distinct(rows, target)
	for _, t := range targets {
		if len(targets) > 1 {
			p.note("against "+t, bold)
		}
		matrix(p, slices.DeleteFunc(slices.Clone(rows), func(b *results.BypassRow) bool { return target(b) != t || b.Mistake != "" }))
	}
	p.note("blocked tcp: no byte came back; tls: refused in the handshake; http: refused with a status. OPEN (by design): this strategy alone does not stop the attempt. Shown for TLS 1.2 and 1.3 together where they agree.", faint)
	prices(p, rows)
	states(p, rows)
	own := slices.DeleteFunc(slices.Clone(rows), func(b *results.BypassRow) bool { return b.State != "" })
	if len(own) == len(rows) || slices.ContainsFunc(own, (*results.BypassRow).Ran) {
		proof(p, own)
	}
	exceptions(p, slices.DeleteFunc(slices.Clone(rows), func(b *results.BypassRow) bool { return b.State == results.StateUnproven }))
	notRun(p, rows)
	planned, _ := r.Experiment(experiment)
	if missing := planned.Rows - len(rows); missing > 0 {
		p.item("not reached", 11, yellow, fmt.Sprintf("%s of %s planned rows: the run ended before", thousands(float64(missing)), thousands(float64(planned.Rows))))
	}
}

func target(b *results.BypassRow) string {
	return strings.Trim(b.Server+" over "+b.Protocol, " ")
}

// distinct returns the different keys of the rows in order of appearance.
func distinct(rows []*results.BypassRow, key func(*results.BypassRow) string) []string {
	var out []string
	for _, b := range rows {
		if k := key(b); !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	return out
}

// matrix prints a line per case and a column per strategy.
func matrix(p *page, rows []*results.BypassRow) {
	strategies := distinct(rows, func(b *results.BypassRow) string { return b.Strategy })
	g := grid{titles: append([]string{"", ""}, strategies...), left: true, wrapped: 1}
	for _, id := range distinct(rows, func(b *results.BypassRow) string { return b.Case }) {
		of := slices.DeleteFunc(slices.Clone(rows), func(b *results.BypassRow) bool { return b.Case != id })
		cells := []cell{{text: id}, {text: of[0].Title}}
		for _, s := range strategies {
			cells = append(cells, fold(slices.DeleteFunc(slices.Clone(of), func(b *results.BypassRow) bool { return b.Strategy != s })))
		}
		g.add(cells...)
	}
	g.print(p)
}

// fold puts the rows of several TLS versions into one cell, in one line when
// they agree.
func fold(rows []*results.BypassRow) cell {
	if len(rows) == 0 {
		return cell{text: nothing}
	}
	c := outcome(rows[0])
	lines := make([]string, len(rows))
	same := true
	for i, b := range rows {
		o := outcome(b)
		same = same && o.text == c.text
		lines[i] = strings.TrimSpace(b.TLS + " " + o.text)
		if severity(o.style) > severity(c.style) {
			c.style = o.style
		}
	}
	if !same {
		c.text = strings.Join(lines, "\n")
	}
	return c
}

func severity(s style) int { return slices.Index([]style{plain, green, yellow, red}, s) }

// outcome is one row in a word or two. An exclamation mark says that it is
// explained below.
func outcome(b *results.BypassRow) cell {
	c := cell{text: b.Measured, style: yellow}
	if b.State != "" {
		return stateOf(b)
	}
	switch {
	case !b.Ran() || b.Measured == results.VerdictNotRun:
		c.text = "not run"
	case b.Measured == results.VerdictBlocked:
		c = cell{strings.TrimSpace("blocked " + b.Stage), green}
	case b.Measured == results.VerdictCostly && b.Predicted == results.VerdictCostly:
		c.text = "COSTLY (by design)"
	case b.Measured == results.VerdictServed:
		c.style = green
	case b.Measured == results.VerdictDenied && b.Predicted == results.VerdictDenied:
		c.text = "denied (by design)"
	case b.Measured == results.VerdictBypassed && b.Predicted == results.VerdictBypassed:
		c.text = "OPEN (by design)"
	case b.Measured == results.VerdictBypassed:
		c.text = "BYPASSED"
	}
	if b.Ran() && !b.OK {
		c.text, c.style = c.text+"!", red
	}
	return c
}

// stateOf is a row on an origin that somebody else runs.
func stateOf(b *results.BypassRow) cell {
	switch {
	case b.State == results.StateShut:
		return cell{strings.TrimSpace("SHUT " + b.Stage), green}
	case b.State == results.StateOpen && b.OK:
		return cell{"OPEN (by design)", yellow}
	case b.State == results.StateOpen:
		return cell{"OPEN!", red}
	}
	return cell{"UNPROVEN", yellow}
}

// states says what a foreign origin's rows come to, and where the controls of
// their cases were proven.
func states(p *page, rows []*results.BypassRow) {
	counts, proven := map[string]int{}, map[string][]string{}
	var where, why []string
	unproven := map[string][]string{}
	for _, b := range rows {
		if b.State == "" {
			continue
		}
		counts[b.State]++
		if b.State == results.StateUnproven {
			if unproven[b.Detail] == nil {
				why = append(why, b.Detail)
			}
			unproven[b.Detail] = append(unproven[b.Detail], b.Case+" TLS "+b.TLS)
			continue
		}
		if !slices.Contains(where, b.ProvenOn) {
			where = append(where, b.ProvenOn)
		}
		if !slices.Contains(proven[b.ProvenOn], b.Case) {
			proven[b.ProvenOn] = append(proven[b.ProvenOn], b.Case)
		}
	}
	if len(counts) == 0 {
		return
	}
	p.item("states", 11, plain, fmt.Sprintf("%d OPEN, %d SHUT, %d UNPROVEN; OPEN and SHUT were seen between two pulls of the legitimate edge that were served",
		counts[results.StateOpen], counts[results.StateShut], counts[results.StateUnproven]))
	for _, reason := range why {
		p.item("UNPROVEN", 11, yellow, strings.Join(unproven[reason], ", ")+": "+reason)
	}
	for _, server := range where {
		cases := strings.Join(proven[server], ", ")
		if server == "" {
			p.item("control", 11, yellow, "not proven here: "+cases+". SHUT says that nothing came back, not that this test can fail")
			continue
		}
		p.item("control", 11, green, "proven on "+server+" of this machine, where one mistake lets the attempt through: "+cases)
	}
}

// proof says how much was asked and whether every test could have failed: a
// control is the same attempt against a policy with one deliberate mistake,
// and must get through.
func proof(p *page, rows []*results.BypassRow) {
	ran, asPredicted, controls, through := 0, 0, 0, 0
	for _, b := range rows {
		if !b.Ran() {
			continue
		}
		ran++
		if b.OK {
			asPredicted++
		}
		if b.Mistake != "" {
			controls++
			if letThrough(b) {
				through++
			}
		}
	}
	s := green
	if asPredicted != ran || ran == 0 {
		s = red
	}
	p.item(mark(s), 11, s, fmt.Sprintf("%s of %s that ran came out as predicted: %s against the correct policy, %s against a control, which is the same policy with one deliberate mistake",
		thousands(float64(asPredicted)), plural(ran, "row", "rows"), thousands(float64(ran-controls)), thousands(float64(controls))))
	if through, attempts := results.Bypassed(rows); attempts > 0 {
		s = green
		if through > 0 {
			s = red
		}
		p.item(mark(s), 11, s, bypassedOf(through, attempts))
	}
	unproven := withoutControl(rows)
	s = green
	if through != controls || len(unproven) > 0 {
		s = red
	}
	switch {
	case controls == 0:
		p.item(mark(red), 11, red, "no control ran: nothing shows that these tests can fail")
	case through == controls:
		p.item(mark(s), 11, s, "every control let the attempt through: each of these tests can fail")
	default:
		p.item(mark(s), 11, s, fmt.Sprintf("%d of %s did not let the attempt through: beside them a block proves nothing", controls-through, plural(controls, "control", "controls")))
	}
	if len(unproven) > 0 && controls > 0 {
		p.item("unproven", 11, red, "blocked, but no control of theirs ran: "+strings.Join(unproven, ", "))
	}
}

// bypassedOf says how many attempts got through and what that leaves open.
func bypassedOf(through, attempts int) string {
	return fmt.Sprintf("%s bypassed in %s that correct policies must block: of attempts drawn like these, at most %.2g %% get through (%.0f %% confidence, Clopper and Pearson)",
		thousands(float64(through)), plural(attempts, "attempt", "attempts"), 100*results.UpperBound(through, attempts), 100*results.BoundConfidence)
}

func mark(s style) string {
	if s == green {
		return "ok"
	}
	return "NOT OK"
}

// letThrough reports whether a control shows that its test can fail.
func letThrough(b *results.BypassRow) bool {
	return b.OK && b.Measured != results.VerdictBlocked && b.Measured != results.VerdictNotRun
}

// withoutControl names the blocked rows of a correct policy that no control
// stands beside.
func withoutControl(rows []*results.BypassRow) []string {
	key := func(b *results.BypassRow) string {
		return strings.Join([]string{b.Case, b.Strategy, b.TLS, b.Server, b.Protocol}, "\x00")
	}
	has := map[string]bool{}
	for _, b := range rows {
		if b.Mistake != "" && b.Ran() {
			has[key(b)] = true
		}
	}
	var out []string
	for _, b := range rows {
		if b.Mistake == "" && b.Ran() && b.Measured == results.VerdictBlocked && !has[key(b)] {
			out = append(out, b.Label())
		}
	}
	return out
}

// exceptions lists every row that is not ok.
func exceptions(p *page, rows []*results.BypassRow) {
	for _, b := range rows {
		if !b.Ran() || b.OK {
			continue
		}
		text := fmt.Sprintf("%s: predicted %s, measured %s", b.Label(), b.Predicted, b.Measured)
		if b.Stage != "" {
			text += ", reached " + b.Stage
		}
		if b.Status != 0 {
			text += fmt.Sprintf(", status %d", b.Status)
		}
		switch {
		case !b.Legs.Before:
			text += "; the legitimate edge failed before the attempt"
		case !b.Legs.After:
			text += "; the legitimate edge failed after the attempt"
		}
		if b.Reason != "" {
			text += "; the origin's reason: " + b.Reason
		}
		if b.ExpectedReason != "" && b.ExpectedReason != b.Reason && b.Proof != b.ExpectedReason {
			text += " (expected: " + b.ExpectedReason + ")"
		}
		if b.Detail != "" {
			text += "; " + b.Detail
		}
		p.item("NOT OK", 11, red, text)
	}
}

// notRun lists the cases that could not be run by the reason; they are neither
// passed nor failed.
func notRun(p *page, rows []*results.BypassRow) {
	counts, cases := map[string]int{}, map[string][]string{}
	var order []string
	for _, b := range rows {
		if b.Ran() {
			continue
		}
		if counts[b.Skipped] == 0 {
			order = append(order, b.Skipped)
		}
		counts[b.Skipped]++
		if !slices.Contains(cases[b.Skipped], b.Case) {
			cases[b.Skipped] = append(cases[b.Skipped], b.Case)
		}
	}
	for _, reason := range order {
		p.item("not run", 11, yellow, fmt.Sprintf("%s (%s): %s", strings.Join(cases[reason], ", "), plural(counts[reason], "row", "rows"), reason))
	}
}
