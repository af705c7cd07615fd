package results

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Expression is one parsed rule of the grammar in the package documentation.
type Expression struct {
	left, right side
	op          string
}

// side is a number with an optional unit, a metric, or a ratio of two.
type side struct {
	operands []operand // none: a number
	number   float64
	unit     string
}

// operand is a metric of the arms that its selectors pick.
type operand struct {
	metric    string
	selectors []selector
}

type selector struct {
	key, value string
	not        bool
}

// Keys of selectors that are not axes.
const (
	keyExperiment = "experiment"
	keyRole       = "role"
	keyArm        = "arm"
	keyOrigin     = "origin"
)

// universal reports whether the expression is the plain form, which must hold
// in every arm that matches.
func (e *Expression) universal() bool {
	return len(e.left.operands) == 1 && len(e.right.operands) == 0
}

// String returns the expression in a canonical form that parses to the same.
func (e *Expression) String() string {
	return e.left.String() + " " + e.op + " " + e.right.String()
}

func (s side) String() string {
	if len(s.operands) == 0 {
		return number(s.number) + s.unit
	}
	parts := make([]string, len(s.operands))
	for i, o := range s.operands {
		parts[i] = o.String()
	}
	return strings.Join(parts, " / ")
}

func (o operand) String() string {
	if len(o.selectors) == 0 {
		return o.metric
	}
	parts := make([]string, len(o.selectors))
	for i, s := range o.selectors {
		parts[i] = s.String()
	}
	return o.metric + "{" + strings.Join(parts, ",") + "}"
}

func (s selector) String() string {
	op := "="
	if s.not {
		op = "!="
	}
	return quoted(s.key) + op + quoted(s.value)
}

// quoted leaves what scans as a bare word as it is.
func quoted(s string) string {
	if s != "" && utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !isWord(r) }) < 0 {
		return s
	}
	return strconv.Quote(s)
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// compare applies the operator. Equality allows for the last bit that a unit
// conversion may cost.
func (e *Expression) compare(a, b float64) bool {
	equal := a == b || abs(a-b) <= 1e-12*max(abs(a), abs(b))
	switch e.op {
	case "==":
		return equal
	case "!=":
		return !equal
	case "<":
		return a < b && !equal
	case "<=":
		return a < b || equal
	case ">":
		return a > b && !equal
	case ">=":
		return a > b || equal
	}
	return false
}

func abs(f float64) float64 { return max(f, -f) }

// ParseExpression parses one rule. The error names the column where the text
// stops making sense.
func ParseExpression(text string) (*Expression, error) {
	p := &parser{text: text}
	e, err := p.expression()
	if err != nil {
		return nil, fmt.Errorf("column %d: %w", utf8.RuneCountInString(text[:p.at])+1, err)
	}
	return e, nil
}
