package results

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// parser is a recursive descent over the text; at is the byte where the
// current token starts, which is where an error is reported.
type parser struct {
	text string
	at   int
}

// operators in the order in which they are tried: the longer first.
var operators = []string{"==", "!=", "<=", ">=", "<", ">"}

func (p *parser) expression() (*Expression, error) {
	if p.space(); p.rest() == "" {
		return nil, errors.New("the expression is empty")
	}
	if startsNumber(p.rest()) {
		return nil, errors.New("a number stands first: write metric operator value")
	}
	left, err := p.side()
	if err != nil {
		return nil, err
	}
	e := &Expression{left: left}
	if e.op, err = p.operator(); err != nil {
		return nil, err
	}
	if p.space(); startsNumber(p.rest()) {
		e.right, err = p.number()
	} else {
		e.right, err = p.side()
	}
	if err != nil {
		return nil, err
	}
	if p.space(); p.rest() != "" {
		return nil, fmt.Errorf("nothing may follow here, found %q", p.rest())
	}
	return e, nil
}

func (p *parser) rest() string { return p.text[p.at:] }

func (p *parser) space() {
	p.at = len(p.text) - len(strings.TrimLeftFunc(p.rest(), unicode.IsSpace))
}

// accept consumes token when it comes next.
func (p *parser) accept(token string) bool {
	p.space()
	if !strings.HasPrefix(p.rest(), token) {
		return false
	}
	p.at += len(token)
	return true
}

// found quotes what comes next, for error messages.
func (p *parser) found() string {
	if p.rest() == "" {
		return "the end"
	}
	r, _ := utf8.DecodeRuneInString(p.rest())
	return strconv.Quote(string(r))
}

func (p *parser) operator() (string, error) {
	for _, op := range operators {
		if p.accept(op) {
			return op, nil
		}
	}
	if p.space(); strings.HasPrefix(p.rest(), "=") {
		return "", errors.New("found =, write == to compare")
	}
	return "", fmt.Errorf("want an operator (== != < <= > >=), found %s", p.found())
}

func (p *parser) side() (side, error) {
	first, err := p.operand()
	if err != nil {
		return side{}, err
	}
	s := side{operands: []operand{first}}
	if p.accept("/") {
		second, err := p.operand()
		if err != nil {
			return side{}, err
		}
		s.operands = append(s.operands, second)
	}
	return s, nil
}

func (p *parser) operand() (operand, error) {
	p.space()
	o := operand{metric: p.word(func(r rune) bool { return isWord(r) && r != '/' })}
	if o.metric == "" {
		return o, fmt.Errorf("want a metric, found %s", p.found())
	}
	if !p.accept("{") || p.accept("}") {
		return o, nil
	}
	for {
		s, err := p.selector()
		if err != nil {
			return o, err
		}
		o.selectors = append(o.selectors, s)
		if p.accept("}") {
			return o, nil
		}
		if !p.accept(",") {
			return o, fmt.Errorf("want , or } after a selector, found %s", p.found())
		}
	}
}

func (p *parser) selector() (selector, error) {
	key, err := p.term("a key such as experiment, role, arm or an axis")
	if err != nil {
		return selector{}, err
	}
	s := selector{key: key}
	switch {
	case p.accept("!="):
		s.not = true
	case p.accept("=="):
		return s, errors.New("a selector is written key=value, with one =")
	case p.accept("="):
	default:
		return s, fmt.Errorf("want = or != after the key %s, found %s", key, p.found())
	}
	s.value, err = p.term("a value")
	return s, err
}

// term reads a bare word, or a string in double quotes (with Go's escapes)
// or single quotes (without any).
func (p *parser) term(want string) (string, error) {
	p.space()
	switch {
	case strings.HasPrefix(p.rest(), `"`):
		literal, err := strconv.QuotedPrefix(p.rest())
		if err != nil {
			return "", errors.New("a string in double quotes does not end")
		}
		p.at += len(literal)
		return strconv.Unquote(literal)
	case strings.HasPrefix(p.rest(), "'"):
		inside, _, ends := strings.Cut(p.rest()[1:], "'")
		if !ends {
			return "", errors.New("a string in single quotes does not end")
		}
		p.at += len(inside) + 2
		return inside, nil
	}
	w := p.word(isWord)
	if w == "" {
		return "", fmt.Errorf("want %s, found %s", want, p.found())
	}
	return w, nil
}

// isWord reports whether a rune may stand in a bare key or value. A slash may
// (arms are named experiment/axis=value), a space, a quote and the grammar's
// own characters may not.
func isWord(r rune) bool {
	return r != utf8.RuneError && unicode.IsGraphic(r) && !unicode.IsSpace(r) && !strings.ContainsRune(`{},=!<>"'`, r)
}

func (p *parser) word(in func(rune) bool) string {
	end := strings.IndexFunc(p.rest(), func(r rune) bool { return !in(r) })
	if end < 0 {
		end = len(p.rest())
	}
	w := p.rest()[:end]
	p.at += end
	return w
}

func startsNumber(s string) bool {
	s = strings.TrimLeft(s, "+-")
	s = strings.TrimPrefix(s, ".")
	return s != "" && s[0] >= '0' && s[0] <= '9'
}

// number reads a decimal number and the unit behind it, to the end.
func (p *parser) number() (side, error) {
	rest := p.rest()
	end := numberLength(rest)
	value, err := strconv.ParseFloat(rest[:end], 64)
	if err != nil {
		return side{}, fmt.Errorf("%q is not a number", rest[:end])
	}
	s := side{number: value, unit: strings.TrimSpace(rest[end:])}
	if _, known := units[s.unit]; s.unit != "" && !known {
		p.at += end
		return side{}, fmt.Errorf("unknown unit %q: use one of %s", s.unit, strings.Join(unitNames(), ", "))
	}
	if s.unit == "µs" {
		s.unit = "us"
	}
	p.at = len(p.text)
	return s, nil
}

// numberLength returns the length of the decimal number that s starts with:
// sign, digits, fraction and, only with digits of its own, an exponent.
func numberLength(s string) int {
	digits := func(i int) int {
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i
	}
	i := 0
	if s[i] == '+' || s[i] == '-' {
		i++
	}
	i = digits(i)
	if i < len(s) && s[i] == '.' {
		i = digits(i + 1)
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		j := i + 1
		if j < len(s) && (s[j] == '+' || s[j] == '-') {
			j++
		}
		if end := digits(j); end > j {
			i = end
		}
	}
	return i
}
