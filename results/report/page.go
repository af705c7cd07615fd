package report

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// style is an ANSI graphic rendition; plain is none.
type style string

const (
	plain  style = ""
	bold   style = "1"
	faint  style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
)

// page lays text out in a fixed number of columns.
type page struct {
	out   *bytes.Buffer
	width int
	color bool
}

// paint drops what is not graphic from text and colours the rest.
func (p *page) paint(text string, s style) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return -1
	}, text)
	if !p.color || s == plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// line writes one line and never wraps.
func (p *page) line(text string) {
	p.out.WriteString(strings.TrimRight(text, " "))
	p.out.WriteByte('\n')
}

func (p *page) blank() { p.line("") }

func (p *page) heading(text string) {
	p.blank()
	p.line(p.paint(text, bold))
}

// note writes a wrapped paragraph, indented by two.
func (p *page) note(text string, s style) {
	for _, l := range wrap(text, p.width-2) {
		p.line("  " + p.paint(l, s))
	}
}

// item writes a label in a column of its own and wrapped text beside it.
func (p *page) item(label string, labelWidth int, s style, text string) {
	indent := strings.Repeat(" ", labelWidth+2)
	for i, l := range wrap(text, p.width-labelWidth-4) {
		if i == 0 {
			p.line("  " + p.paint(label, s) + strings.Repeat(" ", max(0, labelWidth-length(label))+2) + p.paint(l, plain))
			continue
		}
		p.line("  " + indent + p.paint(l, plain))
	}
}

func length(s string) int { return utf8.RuneCountInString(s) }

// wrap breaks text at spaces; a word that is too long is broken inside.
func wrap(text string, width int) []string {
	var lines []string
	current := ""
	for _, word := range strings.Fields(text) {
		for length(word) > width {
			if current != "" {
				lines, current = append(lines, current), ""
			}
			runes := []rune(word)
			lines = append(lines, string(runes[:width]))
			word = string(runes[width:])
		}
		switch {
		case current == "":
			current = word
		case length(current)+1+length(word) <= width:
			current += " " + word
		default:
			lines, current = append(lines, current), word
		}
	}
	if current != "" || len(lines) == 0 {
		lines = append(lines, current)
	}
	return lines
}

// truncate shortens text to width, the last rune saying so.
func truncate(text string, width int) string {
	if length(text) <= width {
		return text
	}
	return string([]rune(text)[:max(0, width-1)]) + "…"
}
