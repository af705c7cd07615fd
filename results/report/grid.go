package report

import (
	"slices"
	"strings"
)

// cell is one field of a grid; a newline in it starts another line.
type cell struct {
	text  string
	style style
}

// row is the cells of one row. With span set, that text takes the place of
// every cell behind the first.
type row struct {
	cells []cell
	span  string
	style style // of span
}

// grid is a table whose first column is flush left; the others are flush
// right unless left is set. The column wrapped gives way when the page is too
// narrow: its text goes on in another line.
type grid struct {
	titles  []string
	left    bool
	wrapped int
	rows    []row
}

const gap = 2

func (g *grid) add(cells ...cell) { g.rows = append(g.rows, row{cells: cells}) }

func (g *grid) addSpan(first cell, text string, s style) {
	g.rows = append(g.rows, row{cells: []cell{first}, span: text, style: s})
}

// widths returns what each column needs.
func (g *grid) widths() []int {
	w := make([]int, len(g.titles))
	grow := func(i int, text string) {
		for l := range strings.SplitSeq(text, "\n") {
			w[i] = max(w[i], length(l))
		}
	}
	for i, t := range g.titles {
		grow(i, t)
	}
	for _, r := range g.rows {
		for i, c := range r.cells {
			grow(i, c.text)
		}
	}
	return w
}

// print writes the grid, indented by two. Columns for which there is no room
// follow below, beside the first ones again.
func (g *grid) print(p *page) {
	w := g.widths()
	first := g.wrapped + 1
	room := p.width - 2 - min(w[g.wrapped], leastWrapped)
	for _, n := range w[:g.wrapped] {
		room -= n + gap
	}
	for from := first; from < len(w); {
		to, used := from, 0
		for to < len(w) && (to == from || used+gap+w[to] <= room) {
			used += gap + w[to]
			to++
		}
		g.part(from, to).printWhole(p)
		from = to
	}
}

// leastWrapped is how narrow the wrapped column may become before others
// have to go below.
const leastWrapped = 20

// part returns a grid of the leading columns and those from from up to to.
func (g *grid) part(from, to int) *grid {
	pick := func(cells []cell) []cell {
		out := slices.Clone(cells[:min(len(cells), g.wrapped+1)])
		if to <= len(cells) {
			out = append(out, cells[from:to]...)
		}
		return out
	}
	titles := append(slices.Clone(g.titles[:g.wrapped+1]), g.titles[from:to]...)
	out := &grid{titles: titles, left: g.left, wrapped: g.wrapped, rows: slices.Clone(g.rows)}
	for i := range out.rows {
		out.rows[i].cells = pick(out.rows[i].cells)
	}
	return out
}

// printWhole writes a grid that fits once its wrapped column has given way.
func (g *grid) printWhole(p *page) {
	w := g.widths()
	total := 2 + gap*(len(w)-1)
	for _, n := range w {
		total += n
	}
	if total > p.width {
		g.narrow(w, max(12, w[g.wrapped]-(total-p.width)))
	}
	titles := make([]cell, len(g.titles))
	for i, t := range g.titles {
		titles[i] = cell{t, faint}
	}
	g.printRow(p, w, titles, true)
	for _, r := range g.rows {
		if r.span == "" {
			g.printRow(p, w, r.cells, false)
			continue
		}
		g.printSpan(p, w[0], r)
	}
}

// narrow breaks the text of the wrapped column.
func (g *grid) narrow(w []int, width int) {
	w[g.wrapped] = width
	for _, r := range g.rows {
		if g.wrapped < len(r.cells) {
			c := &r.cells[g.wrapped]
			c.text = strings.Join(wrap(c.text, width), "\n")
		}
	}
}

// printRow writes as many lines as the tallest cell has; shorter cells stand
// at the top, titles at the bottom.
func (g *grid) printRow(p *page, w []int, cells []cell, bottom bool) {
	height := 1
	lines := make([][]string, len(cells))
	for i, c := range cells {
		lines[i] = strings.Split(c.text, "\n")
		height = max(height, len(lines[i]))
	}
	for n := range height {
		var b strings.Builder
		for i, c := range cells {
			at := n
			if bottom {
				at -= height - len(lines[i])
			}
			text := ""
			if at >= 0 && at < len(lines[i]) {
				text = lines[i][at]
			}
			b.WriteString(strings.Repeat(" ", gap))
			b.WriteString(g.align(p, text, c.style, i, w[i]))
		}
		p.line(b.String())
	}
}

func (g *grid) align(p *page, text string, s style, column, width int) string {
	text = truncate(text, width)
	pad := strings.Repeat(" ", width-length(text))
	if column == 0 || g.left {
		return p.paint(text, s) + pad
	}
	return pad + p.paint(text, s)
}

// printSpan writes the first cell and, beside it, the wrapped span.
func (g *grid) printSpan(p *page, first int, r row) {
	left := strings.Split(r.cells[0].text, "\n")
	right := wrap(r.span, p.width-2-first-gap)
	for i := range max(len(left), len(right)) {
		var l, text string
		if i < len(left) {
			l = left[i]
		}
		if i < len(right) {
			text = right[i]
		}
		p.line("  " + g.align(p, l, r.cells[0].style, 0, first) + strings.Repeat(" ", gap) + p.paint(text, r.style))
	}
}
