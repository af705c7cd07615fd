package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/originpull/originpull/results"
)

// gateFormats are the formats of a gate.
var gateFormats = map[string]func(*bytes.Buffer, *results.GateReport, Options) error{
	"json": gateJSON, "junit": gateJUnit, "markdown": gateMarkdown, "table": gateTable,
}

// GateFormats lists the formats of a gate by name.
func GateFormats() []string { return []string{"json", "junit", "markdown", "table"} }

// RenderGate writes a gate in the named format, in one write.
func RenderGate(w io.Writer, name string, g *results.GateReport, o Options) error {
	render, known := gateFormats[name]
	if !known {
		return fmt.Errorf("unknown gate format %q: use one of %s", name, strings.Join(GateFormats(), ", "))
	}
	var out bytes.Buffer
	if err := render(&out, g, o); err != nil {
		return fmt.Errorf("rendering the gate: %w", err)
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("writing the gate: %w", err)
	}
	return nil
}

func gateJSON(out *bytes.Buffer, g *results.GateReport, _ Options) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(g); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

func verdictStyle(v results.Verdict) style {
	return map[results.Verdict]style{
		results.Regression: red, results.Undecided: yellow, results.Improvement: green, results.GatePassed: green,
	}[v]
}

// changeWords is head against base as a person says it.
func changeWords(e results.Estimate) string {
	if e.N == 0 {
		return nothing
	}
	return e.Change()
}

func gateTable(out *bytes.Buffer, g *results.GateReport, o Options) error {
	width := o.Width
	if width == 0 {
		width = 120
	}
	p := &page{out: out, width: max(width, leastWidth), color: o.Color}
	p.line(p.paint("originpull gate  ", bold) + p.paint(g.Scenario.Name, bold))
	p.item("base", 6, plain, g.Base)
	p.item("head", 6, plain, g.Head)
	p.item("took", 6, plain, fmt.Sprintf("%s, %s", seconds(g.Elapsed), plural(g.Trials, "trial", "trials")))
	gateArms(p, g)
	gateExact(p, g)
	gateInstructions(p, g)
	for _, reason := range g.Noise {
		p.item("noise", 6, yellow, reason)
	}
	p.blank()
	p.line(p.paint(string(g.Verdict), verdictStyle(g.Verdict)) + p.paint(": "+g.Why, plain))
	return nil
}

// gateArms prints the judgements of one arm after the other. Ratios of two arms
// of one side are tens where arms are many: of those that say nothing only how
// many they are.
func gateArms(p *page, g *results.GateReport) {
	passed, unsettled := 0, 0
	all := slices.DeleteFunc(slices.Clone(g.Judgements), func(j results.Judgement) bool {
		isRatio := strings.Contains(j.Name, " ÷ ")
		switch {
		case isRatio && j.Verdict == results.GatePassed:
			passed++
		case isRatio && j.Verdict == results.Undecided && g.Verdict == results.Regression:
			unsettled++
		default:
			return false
		}
		return true
	})
	for from := 0; from < len(all); {
		to := from + 1
		for to < len(all) && all[to].Name == all[from].Name {
			to++
		}
		p.heading(all[from].Name)
		t := grid{titles: []string{"", "head against base", "margin", "tolerance", "verdict"}, left: true}
		for _, j := range all[from:to] {
			verdict := string(j.Verdict)
			if j.Rule.Severity == results.Reports {
				verdict += " (reported only)"
			}
			t.add(cell{text: j.Rule.Metric}, cell{text: changeWords(j.Estimate)}, cell{text: percent(j.Rule.Margin)},
				cell{text: percent(j.Rule.Tolerance)}, cell{text: verdict, style: verdictStyle(j.Verdict)})
		}
		t.print(p)
		gateReasons(p, all[from:to])
		from = to
	}
	if passed+unsettled > 0 {
		p.heading("Ratios of two arms of one side")
		p.line(fmt.Sprintf("  %d within the tolerance, %d not settled when the gate was decided; json and markdown list them", passed, unsettled))
	}
}

// gateReasons says why some of one arm's did not pass, each reason once.
func gateReasons(p *page, judgements []results.Judgement) {
	var reasons []string
	metrics := map[string][]string{}
	for _, j := range judgements {
		if j.Verdict == results.GatePassed {
			continue
		}
		if metrics[j.Reason] == nil {
			reasons = append(reasons, j.Reason)
		}
		metrics[j.Reason] = append(metrics[j.Reason], j.Rule.Metric)
	}
	for _, reason := range reasons {
		p.note(strings.Join(metrics[reason], ", ")+": "+reason, plain)
	}
}

func gateExact(p *page, g *results.GateReport) {
	if len(g.Exact) == 0 {
		return
	}
	p.heading("Compared exactly")
	same := 0
	for _, j := range g.Exact {
		if j.Verdict == results.GatePassed {
			same++
			continue
		}
		if j.Verdict == results.Improvement {
			p.item("new", 10, green, j.Name+": "+j.What+": "+j.Reason)
			continue
		}
		if !j.Fails() {
			p.item("changed", 10, yellow, j.Name+": "+j.What+" "+j.Reason+" (reported only)")
			continue
		}
		p.item(string(j.Verdict), 10, red, j.Name+": "+j.What+" "+j.Reason)
	}
	if same > 0 {
		p.item("same", 10, green, plural(same, "comparison", "comparisons"))
	}
}

func gateInstructions(p *page, g *results.GateReport) {
	if len(g.Instructions) == 0 {
		return
	}
	p.heading("Instructions of both ends, in thousands")
	t := grid{titles: []string{"", "one", "base", "head", "head against base", "verdict"}, left: true}
	for _, j := range g.Instructions {
		t.add(cell{text: j.Name}, cell{text: j.What}, cell{text: kilo(j.Base)}, cell{text: kilo(j.Head)},
			cell{text: instructionChange(j)}, cell{text: string(j.Verdict), style: verdictStyle(j.Verdict)})
	}
	t.print(p)
	for _, j := range g.Instructions {
		if j.Verdict != results.GatePassed {
			p.note(j.Name+": "+j.Reason, plain)
		}
	}
	p.note(instructionsBlind, plain)
}

// instructionsBlind is said with every count: who does not know it would trust
// it with too much.
const instructionsBlind = "Counted by Valgrind. Not seen: the kernel and its sockets, locks, waiting, caches and branches, collecting garbage."

func kilo(v float64) string { return fmt.Sprintf("%.1f", v/1000) }

func instructionChange(j results.InstructionJudgement) string {
	if j.Ratio == 0 {
		return nothing
	}
	return fmt.Sprintf("%+.2f %%", 100*(j.Ratio-1))
}

func gateMarkdown(out *bytes.Buffer, g *results.GateReport, _ Options) error {
	mark := map[results.Verdict]string{results.Regression: "❌", results.Undecided: "⚠️"}[g.Verdict]
	if mark == "" {
		mark = "✅"
	}
	fmt.Fprintf(out, "## %s originpull gate %s: %s\n\n%s: head is %s, base is %s. %s, %s.\n",
		mark, md(g.Scenario.Name), g.Verdict, md(g.Why), md(g.Head), md(g.Base), seconds(g.Elapsed), plural(g.Trials, "trial", "trials"))
	var rows [][]string
	for _, j := range g.Judgements {
		rows = append(rows, []string{md(j.Name), md(j.Rule.Metric), md(changeWords(j.Estimate)), percent(j.Rule.Tolerance), string(j.Verdict), md(j.Reason)})
	}
	if len(rows) > 0 {
		mdTable(out, []string{"arm", "metric", "head against base", "tolerance", "verdict", "why"}, rows)
	}
	rows = nil
	for _, j := range g.Instructions {
		rows = append(rows, []string{md(j.Name), j.What, kilo(j.Base), kilo(j.Head), instructionChange(j), string(j.Verdict), md(j.Reason)})
	}
	if len(rows) > 0 {
		mdTable(out, []string{"arm", "thousand instructions of one", "base", "head", "head against base", "verdict", "why"}, rows)
		fmt.Fprintf(out, "\n%s\n", instructionsBlind)
		return nil
	}
	changed := slices.DeleteFunc(slices.Clone(g.Exact), func(j results.ExactJudgement) bool { return j.Verdict == results.GatePassed })
	rows = nil
	for _, j := range changed[:min(len(changed), maxFindings)] {
		rows = append(rows, []string{md(j.Name), md(j.What), string(j.Verdict), md(j.Reason)})
	}
	if len(rows) > 0 {
		mdTable(out, []string{"compared exactly", "what", "verdict", "why"}, rows)
	}
	fmt.Fprintf(out, "\n%d of %d exact comparisons are the same.\n", len(g.Exact)-len(changed), len(g.Exact))
	for _, reason := range g.Noise {
		fmt.Fprintf(out, "\n- ⚠️ %s\n", md(reason))
	}
	return nil
}

// gateJUnit writes a case for each judgement. What is inconclusive, or only
// reported, is skipped; a machine that was too noisy skips what is timed.
func gateJUnit(out *bytes.Buffer, g *results.GateReport, _ Options) error {
	s := junitSuite{Name: "gate", Time: fmt.Sprintf("%.3f", g.Elapsed), Timestamp: g.Started.UTC().Format("2006-01-02T15:04:05")}
	add := func(name string, fails, skips bool, reason string) {
		c := junitCase{Name: name, ClassName: "originpull." + g.Scenario.Name + ".gate", Time: "0"}
		switch {
		case fails:
			c.Failure = &junitMessage{Message: reason, Text: reason}
		case skips:
			c.Skipped = &junitMessage{Message: reason}
		}
		s.Tests, s.Failures, s.Skipped = s.Tests+1, s.Failures+one(fails), s.Skipped+one(skips && !fails)
		s.Cases = append(s.Cases, c)
	}
	for _, j := range g.Exact {
		add(j.Name+": "+j.What, j.Fails(), j.Verdict == results.Regression, j.Reason)
	}
	for _, j := range g.Judgements {
		reason := fmt.Sprintf("%s: %s: %s", j.Verdict, changeWords(j.Estimate), j.Reason)
		open := j.Verdict == results.Undecided || j.Verdict == results.Regression
		fails := j.Verdict == results.Regression && j.Rule.Severity == results.Blocks && len(g.Noise) == 0
		add(j.Name+": "+j.Rule.Metric, fails, open || len(g.Noise) > 0, reason)
	}
	for _, j := range g.Instructions {
		add(j.Name+": instructions of a "+j.What, j.Verdict == results.Regression, j.Verdict == results.Undecided, fmt.Sprintf("%s: %s: %s", j.Verdict, instructionChange(j), j.Reason))
	}
	if g.Verdict == results.Undecided && s.Skipped == 0 {
		add("verdict", false, true, g.Why)
	}
	return writeJUnit(out, junitSuites{Name: g.Scenario.Name, Tests: s.Tests, Failures: s.Failures, Skipped: s.Skipped, Suites: []junitSuite{s}})
}
