package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/originpull/originpull/results"
)

const trustLabel = 13

// trust prints what speaks for and against the numbers above.
func trust(p *page, r *results.Result) {
	plants(p, r)
	aa(p, r)
	generator(p, r)
	reconciliation(p, r)
	for i := range r.Arms {
		if a := &r.Arms[i]; a.Error != "" {
			p.item("failed arm", trustLabel, red, a.Name+": "+a.Error)
		}
	}
	for _, w := range r.Validity.Warnings {
		if told(r, w) {
			continue
		}
		p.item("warning", trustLabel, yellow, w)
	}
	for _, e := range r.Expectations {
		label, s := "expected", green
		switch {
		case e.Inconclusive:
			label, s = "INCONCLUSIVE", yellow
		case !e.Pass:
			label, s = "FAILED", red
		}
		rule := e.Expression
		if e.Experiment != "" {
			rule = e.Experiment + ": " + rule
		}
		if e.Pass {
			p.item(label, trustLabel, s, rule+"  holds ("+e.Detail+")")
			continue
		}
		p.item(label, trustLabel, s, rule)
		p.item("", trustLabel, plain, e.Detail)
	}
}

// told reports whether a warning is about a generator that was late or did not
// meet its rate: its arm stands beside "generator" or "rate" already.
func told(r *results.Result, warning string) bool {
	for arm, g := range r.Validity.Generator {
		text, of := strings.CutPrefix(warning, arm+": ")
		if of && (g.Late && strings.HasPrefix(text, "the generator was late") || !g.RateMet && strings.HasSuffix(text, "the rate was not met")) {
			return true
		}
	}
	return false
}

// plants names the arms whose CPU is partly burnt on purpose.
func plants(p *page, r *results.Result) {
	var names []string
	for i := range r.Arms {
		if a := &r.Arms[i]; planted(a) != "" {
			names = append(names, a.Name+planted(a))
		}
	}
	if len(names) > 0 {
		p.item("planted", trustLabel, yellow, "CPU was burnt on purpose, a check of the harness and no cost of anything, in: "+strings.Join(names, "; "))
	}
}

// aa prints how far apart one arm and its double came out.
func aa(p *page, r *results.Result) {
	for _, experiment := range slices.Sorted(maps.Keys(r.Validity.AA)) {
		var parts []string
		for _, metric := range slices.Sorted(maps.Keys(r.Validity.AA[experiment])) {
			e := r.Validity.AA[experiment][metric]
			text := fmt.Sprintf("%s %.2f ×", columnTitles([]string{metric})[0], e.Ratio)
			if e.HasInterval() {
				text += fmt.Sprintf(" [%.2f – %.2f]", e.Low, e.High)
			}
			parts = append(parts, text)
		}
		where := ""
		if experiment != "" {
			where = experiment + ": "
		}
		p.item("noise (A/A)", trustLabel, plain, where+"the same arm twice gave "+strings.Join(parts, ", ")+"; 1.00 would be perfect")
	}
}

// generator says whether the load came when it was due.
func generator(p *page, r *results.Result) {
	if len(r.Validity.Generator) == 0 {
		return
	}
	worst, late := 0.0, []string{}
	var missed []string
	for _, arm := range slices.Sorted(maps.Keys(r.Validity.Generator)) {
		g := r.Validity.Generator[arm]
		worst = max(worst, g.SendErrorP99)
		if g.Late {
			late = append(late, arm)
		}
		if !g.RateMet {
			missed = append(missed, fmt.Sprintf("%s (%s of %s requests sent in their block)", arm, thousands(float64(g.Sent)), thousands(float64(g.Scheduled))))
		}
	}
	switch {
	case len(late) == 0 && len(missed) > 0:
		p.item("generator", trustLabel, yellow, fmt.Sprintf("NOT at its rate, though 99 of 100 requests that it sent were within %s of when they were due, in the worst arm", measure(worst, "ms")))
	case len(late) == 0:
		p.item("generator", trustLabel, green, fmt.Sprintf("on time: 99 of 100 requests were sent within %s of when they were due, in the worst arm", measure(worst, "ms")))
	default:
		p.item("generator", trustLabel, yellow, fmt.Sprintf("LATE by up to %s at p99, latency is not valid in: %s", measure(worst, "ms"), strings.Join(late, "; ")))
	}
	if len(missed) > 0 {
		p.item("rate", trustLabel, yellow, "not met in: "+strings.Join(missed, "; "))
	}
}

// reconciliation sets the connections of both ends side by side.
func reconciliation(p *page, r *results.Result) {
	var connects, ended, unsure, edgeBytes, originBytes int64
	var wrong []string
	for _, t := range r.Validity.Tallies {
		connects += t.Connects
		ended += t.Handshakes
		unsure += t.GivenUp + t.Unheard
		edgeBytes += t.EdgeBytes
		originBytes += t.OriginBytes
		who := t.Arm
		if t.Origin != "" {
			who += ", origin " + t.Origin
		}
		if t.Agrees() && t.Accepted > 0 && t.Accepted != t.Handshakes {
			wrong = append(wrong, fmt.Sprintf("%s (the origin accepted %s and saw %s end)", who, thousands(float64(t.Accepted)), thousands(float64(t.Handshakes))))
		}
		if !t.Agrees() {
			wrong = append(wrong, fmt.Sprintf("%s (%s and %s)", who, thousands(float64(t.Connects)), thousands(float64(t.Handshakes))))
		}
	}
	switch {
	case !r.Validity.Reconciled && len(wrong) > 0:
		p.item("reconciled", trustLabel, red, "NO: connections made by the edge and handshakes seen by the origin differ in "+strings.Join(wrong, "; "))
	case !r.Validity.Reconciled && len(r.Arms) == 0: // bypass rows prove themselves
	case !r.Validity.Reconciled:
		p.item("reconciled", trustLabel, red, "NO: the two ends of the run were not compared")
	case len(r.Validity.Tallies) > 0:
		text := fmt.Sprintf("yes: the edges made %s connections and the origins saw %s of them end as a handshake or as plain TCP", thousands(float64(connects)), thousands(float64(ended)))
		if unsure > 0 {
			text += fmt.Sprintf("; of %s that the edges gave up unanswered nobody can tell whether the origins saw them", plural(int(unsure), "attempt", "attempts"))
		}
		if edgeBytes > 0 && edgeBytes == originBytes {
			text += fmt.Sprintf("; both ends counted %s bytes of handshakes", thousands(float64(edgeBytes)))
		}
		p.item("reconciled", trustLabel, green, text)
	}
}

// verdict is the last line: what the run comes to, and why.
func verdict(p *page, r *results.Result) {
	conclusion := strings.ToUpper(string(r.Conclude()))
	s := map[results.Conclusion]style{results.Passed: green, results.Inconclusive: yellow}[r.Conclude()]
	if s == plain {
		s = red
	}
	for i, l := range wrap(conclusion+": "+strings.Join(grounds(r), "; "), p.width) {
		if i == 0 {
			p.line(p.paint(conclusion, s) + p.paint(strings.TrimPrefix(l, conclusion), plain))
			continue
		}
		p.line(p.paint(l, plain))
	}
}

// grounds lists what the conclusion rests on.
func grounds(r *results.Result) []string {
	var parts []string
	if !r.Complete {
		parts = append(parts, "interrupted")
	}
	if failed := count(r.Arms, func(a *results.Arm) bool { return a.Error != "" }); failed > 0 {
		parts = append(parts, plural(failed, "arm", "arms")+" failed")
	}
	if n := len(r.Expectations); n > 0 {
		held := count(r.Expectations, func(e *results.Expectation) bool { return e.Pass })
		parts = append(parts, fmt.Sprintf("%d of %s met", held, plural(n, "expectation", "expectations")))
	}
	if ran := count(r.Bypass, (*results.BypassRow).Ran); ran > 0 {
		ok := count(r.Bypass, func(b *results.BypassRow) bool { return b.Ran() && b.OK })
		parts = append(parts, fmt.Sprintf("%s of %s as predicted", thousands(float64(ok)), plural(ran, "bypass row", "bypass rows")))
	}
	if r.Validity.Valid {
		return append(parts, "measurement valid")
	}
	return append(parts, "measurement NOT valid")
}

// count is how many elements satisfy is.
func count[T any](list []T, is func(*T) bool) int {
	n := 0
	for i := range list {
		if is(&list[i]) {
			n++
		}
	}
	return n
}
