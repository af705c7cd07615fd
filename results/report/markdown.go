package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/originpull/originpull/results"
)

func init() {
	register(format{
		Format: Format{Name: "markdown", Title: "GitHub's Markdown, for a job summary or a comment on a pull request"},
		render: markdown,
	})
}

// maxFindings bounds what is listed one by one; a job summary has a limit of
// 1 MiB and a reader an earlier one.
const maxFindings = 50

// markdown writes the verdict first, then what speaks against it, then the
// figures.
func markdown(out *bytes.Buffer, r *results.Result, _ Options) error {
	mark := map[results.Conclusion]string{results.Passed: "✅", results.Inconclusive: "⚠️"}[r.Conclude()]
	if mark == "" {
		mark = "❌"
	}
	fmt.Fprintf(out, "## %s originpull %s: %s\n\n%s\n", mark, md(r.Scenario.Name), r.Conclude(), md(strings.Join(grounds(r), "; ")))
	markdownHoles(out, r)
	markdownRules(out, r)
	markdownFindings(out, r)
	markdownControls(out, r)
	for _, x := range r.Experiments {
		markdownArms(out, r, x)
	}
	markdownPairs(out, r)
	markdownTrust(out, r)
	return nil
}

// md escapes what would be more than text in a table cell.
func md(s string) string { return mdEscape.Replace(oneLine(s)) }

var mdEscape = strings.NewReplacer(
	`\`, `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "&", "&amp;",
	"*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`, "@", "@\u200b",
)

// mdTable writes a table; the cells are written as they are.
func mdTable(out *bytes.Buffer, titles []string, rows [][]string) {
	line := func(cells []string) { fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | ")) }
	rule := make([]string, len(titles))
	for i := range rule {
		if rule[i] = "---"; i > 0 {
			rule[i] = "---:"
		}
	}
	out.WriteByte('\n')
	line(titles)
	line(rule)
	for _, cells := range rows {
		line(cells)
	}
}

func markdownRules(out *bytes.Buffer, r *results.Result) {
	if len(r.Expectations) == 0 {
		return
	}
	var rows [][]string
	for _, x := range r.Expectations {
		how := "met"
		switch {
		case x.Inconclusive:
			how = "⚠️ inconclusive"
		case !x.Pass:
			how = "❌ **failed**"
		}
		rows = append(rows, []string{md(x.Expression), how, md(x.Detail)})
	}
	out.WriteString("\n### Rules\n")
	mdTable(out, []string{"rule", "verdict", "detail"}, rows)
}

func markdownFindings(out *bytes.Buffer, r *results.Result) {
	if len(r.Bypass) == 0 {
		return
	}
	of := func(how howRow) int {
		return count(r.Bypass, func(b *results.BypassRow) bool { return rowOutcome(b) == how })
	}
	fmt.Fprintf(out, "\n### Who else can pull\n\n%s as predicted, %d not, %d not run here.\n",
		plural(of(rowExpected), "row", "rows"), of(rowUnexpected), of(rowSkipped))
	if bound := boundOf(r); bound != "" {
		fmt.Fprintf(out, "\n%s.\n", bound)
	}
	var rows [][]string
	for i := range r.Bypass {
		if b := &r.Bypass[i]; rowOutcome(b) == rowUnexpected {
			rows = append(rows, []string{md(rowName(b)), md(b.Predicted), "**" + md(b.Measured) + "**", md(rowFinding(b))})
		}
	}
	more := len(rows) - maxFindings
	if len(rows) > 0 {
		mdTable(out, []string{"attempt", "predicted", "measured", "finding"}, rows[:min(len(rows), maxFindings)])
	}
	if more > 0 {
		fmt.Fprintf(out, "\n… and %d more.\n", more)
	}
}

// markdownColumns are the metrics of the table of arms; those that no arm of
// an experiment measured are left out of it.
var markdownColumns = []string{
	results.MetricHandshakeRTTs, results.MetricHandshakeEdge, results.MetricHandshakeOrigin,
	results.MetricBytesSent, results.MetricBytesReceived,
	results.MetricCapacity, "latency.p50", "latency.p99", "reuse.ratio", "cache.hit.ratio", "origin.offload", "handshake.per1000",
}

func markdownArms(out *bytes.Buffer, r *results.Result, x results.Experiment) {
	arms := slices.DeleteFunc(pointers(r.Arms), func(a *results.Arm) bool { return a.Experiment != x.Name || a.Role == results.RoleAA })
	if len(arms) == 0 {
		return
	}
	titles, columns := []string{"arm"}, []string{}
	for _, metric := range markdownColumns {
		if slices.ContainsFunc(arms, func(a *results.Arm) bool { return a.Metrics[metric].N > 0 }) {
			titles, columns = append(titles, metric), append(columns, metric)
		}
	}
	var rows [][]string
	for _, a := range arms {
		cells := []string{md(armWords(r, a))}
		for _, metric := range columns {
			cells = append(cells, md(show(a, metric)))
		}
		rows = append(rows, cells)
	}
	fmt.Fprintf(out, "\n### %s\n", md(named(x.Name)))
	mdTable(out, titles, rows)
}

func markdownPairs(out *bytes.Buffer, r *results.Result) {
	var rows [][]string
	for i := range r.Pairs {
		p := &r.Pairs[i]
		resolved := "no"
		if p.Resolved {
			resolved = "yes"
		}
		if p.Role == results.PairAA {
			resolved = "the noise"
		}
		interval := nothing
		if p.Estimate().HasInterval() {
			interval = fmt.Sprintf("%.3f – %.3f", p.Low, p.High)
		}
		rows = append(rows, []string{md(pairWords(r, p)), md(p.Metric), fmt.Sprintf("%.3f", p.Ratio), interval, resolved})
	}
	if len(rows) > 0 {
		out.WriteString("\n<details><summary>Ratios of arms, 95 % intervals over trials</summary>\n")
		mdTable(out, []string{"pair", "metric", "ratio", "interval", "resolved"}, rows)
		out.WriteString("\n</details>\n")
	}
}

func markdownTrust(out *bytes.Buffer, r *results.Result) {
	out.WriteByte('\n')
	for i := range r.Arms {
		if a := &r.Arms[i]; a.Error != "" {
			fmt.Fprintf(out, "- ❌ %s: %s\n", md(a.Name), md(a.Error))
		}
	}
	for _, a := range searched(r) {
		for _, t := range a.Trials {
			if t.Search != nil {
				fmt.Fprintf(out, "- %s: %s\n", md(a.Name), md(t.Search.Reason))
			}
		}
	}
	for _, w := range r.Validity.Warnings {
		fmt.Fprintf(out, "- ⚠️ %s\n", md(w))
	}
	fmt.Fprintf(out, "- %s on %s, %s, seed %d, digest %s\n", seconds(r.Elapsed), md(r.Environment[results.EnvCPU]), md(r.Environment[results.EnvGo]), r.Scenario.Seed, md(r.Scenario.Digest))
}
