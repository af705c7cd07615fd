package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/originpull/originpull/results"
)

// findingsShown bounds what is printed of them in a terminal.
const findingsShown = 20

// findings prints the holes, the gravest first, before everything else.
func findings(p *page, r *results.Result) {
	if len(r.Findings) == 0 {
		return
	}
	p.heading(plural(len(r.Findings), "finding", "findings"))
	for i := range r.Findings[:min(len(r.Findings), findingsShown)] {
		f := &r.Findings[i]
		s := red
		if f.Severity == results.GradeLow || f.Severity == results.GradeMedium {
			s = yellow
		}
		p.item(strings.ToUpper(string(f.Severity)), 11, s, findingLine(f)+"; fix: "+f.Fix)
	}
	if more := len(r.Findings) - findingsShown; more > 0 {
		p.note(fmt.Sprintf("… and %d more: originpull report --format markdown", more), faint)
	}
}

// findingLine says in a line what was got, where, and by whom.
func findingLine(f *results.Finding) string {
	return fmt.Sprintf("%s %s, under %s on %s (%s): %s by an attacker who %s",
		f.Case, f.Title, f.Strategy, f.Server, strings.Join(f.Rows, ", "), f.Measured, f.Capability)
}

// evidence is what there is of it, a line each.
func evidence(e *results.Evidence) []string {
	var lines []string
	add := func(name, text string) {
		if text != "" {
			lines = append(lines, name+": "+text)
		}
	}
	add("seen over", e.Row)
	add("step", e.Step)
	if e.Status != 0 {
		add("status", fmt.Sprint(e.Status))
	}
	add("first bytes", e.Answer)
	add("origin's log", e.Audit)
	if e.TLS != "" {
		kind := "full"
		if e.Resumed {
			kind = "resumed"
		}
		add("handshake", join([]string{"TLS " + e.TLS, e.Cipher, e.Group, kind}))
	}
	add("certificate shown", e.Shown)
	add("origin's certificate", e.Peer)
	return lines
}

// controlled names the deliberate mistakes and their fixes.
func controlled(p *page, r *results.Result) {
	if len(r.Controls) == 0 {
		return
	}
	p.note("The controls' deliberate mistakes, and how each is put right where it is made by accident:", faint)
	for i := range r.Controls {
		c := &r.Controls[i]
		p.item(c.Server, 11, plain, fmt.Sprintf("%s (%s) %s: %s", c.Mistake, c.Strategy, c.Title, c.Fix))
	}
}

// markdownHoles lists findings with their evidence.
func markdownHoles(out *bytes.Buffer, r *results.Result) {
	if len(r.Findings) == 0 {
		return
	}
	out.WriteString("\n### Findings\n\n")
	for i := range r.Findings[:min(len(r.Findings), maxFindings)] {
		f := &r.Findings[i]
		fmt.Fprintf(out, "- **%s** %s\n  - fix on %s: %s\n", md(strings.ToUpper(string(f.Severity))), md(findingLine(f)), md(f.Server), md(f.Fix))
		for _, line := range evidence(&f.Evidence) {
			fmt.Fprintf(out, "  - %s\n", md(line))
		}
		if f.Reference != "" {
			fmt.Fprintf(out, "  - reference: %s\n", md(f.Reference))
		}
	}
	if more := len(r.Findings) - maxFindings; more > 0 {
		fmt.Fprintf(out, "\n… and %d more.\n", more)
	}
}

func markdownControls(out *bytes.Buffer, r *results.Result) {
	if len(r.Controls) == 0 {
		return
	}
	out.WriteString("\n<details><summary>The controls' deliberate mistakes, and their fixes</summary>\n")
	var rows [][]string
	for _, c := range r.Controls {
		rows = append(rows, []string{md(c.Server), md(c.Mistake), md(c.Title), md(c.Fix), md(strings.Join(c.Cases, " "))})
	}
	mdTable(out, []string{"server", "mistake", "what it is", "fix", "opened"}, rows)
	out.WriteString("\n</details>\n")
}
