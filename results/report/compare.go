package report

import (
	"bytes"
	"fmt"
	"io"

	"github.com/originpull/originpull/results"
)

// RenderComparison prints stored results side by side, each value with its
// interval; names head the columns.
func RenderComparison(w io.Writer, c *results.Comparison, names []string, o Options) error {
	var out bytes.Buffer
	p := &page{out: &out, width: max(80, o.Width), color: o.Color}
	if o.Width == 0 {
		p.width = 120
	}
	for from := 0; from < len(c.Rows); {
		to := from + 1
		for to < len(c.Rows) && c.Rows[to].Arm == c.Rows[from].Arm {
			to++
		}
		comparedArm(p, c.Rows[from:to], names)
		from = to
	}
	comparedRows(p, c)
	for _, note := range c.Notes {
		p.item("note", 4, yellow, note)
	}
	p.note("CPU and times of different runs are shown, not judged: the machine was in another state. originpull gate measures both in turn.", faint)
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("writing the comparison: %w", err)
	}
	return nil
}

// comparedArm prints the metrics of one arm.
func comparedArm(p *page, rows []results.ComparedRow, names []string) {
	g := grid{titles: append(append([]string{""}, names...), ""), left: true}
	for _, row := range rows {
		if len(row.Values) == 0 {
			continue
		}
		cells := []cell{{text: row.Metric}}
		for _, v := range row.Values {
			cells = append(cells, cell{text: comparedWords(v)})
		}
		g.add(append(cells, changeCell(row))...)
	}
	if len(g.rows) > 0 {
		p.note(rows[0].Arm, bold)
		g.print(p)
		p.blank()
	}
}

// comparedRows lists the rows of the bypass matrix that came out otherwise.
func comparedRows(p *page, c *results.Comparison) {
	for _, row := range c.Rows {
		if len(row.Values) == 0 {
			p.item("differs", 7, red, row.Arm+": "+row.Metric)
		}
	}
}

func comparedWords(v results.Value) string {
	if v.N <= 0 {
		return nothing
	}
	text := func(x float64) string { return measure(x, v.Unit) }
	if v.Unit == "" { // a ratio of two arms
		text = func(x float64) string { return fmt.Sprintf("%.3f", x) }
	}
	words := text(v.Value)
	if v.HasInterval() && v.Low != v.High {
		words += " [" + text(v.Low) + " – " + text(v.High) + "]"
	}
	return words
}

func changeCell(row results.ComparedRow) cell {
	switch row.Change {
	case results.Differs:
		return cell{text: "differs", style: red}
	case results.Same:
		return cell{text: "same", style: green}
	case results.NotJudged:
	}
	return cell{}
}
