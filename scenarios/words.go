package scenarios

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// quote shows a value inside a message, cut when it is long.
func quote(s string) string {
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	return strconv.Quote(s)
}

// show is quote without the quotes where a reader can do without them.
func show(s string) string {
	if q := quote(s); s == "" || q != `"`+s+`"` || strings.ContainsAny(s, " :,") {
		return q
	}
	return s
}

// display is a value as arms and messages show it.
func display(v reflect.Value) string {
	if text, ok := v.Interface().(encoding.TextMarshaler); ok {
		if b, err := text.MarshalText(); err == nil {
			return string(b)
		}
	}
	switch v.Kind() {
	case reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = display(v.Index(i))
		}
		if len(parts) == 0 {
			return "none"
		}
		return strings.Join(parts, "+")
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	default:
		return fmt.Sprint(v.Interface())
	}
}

// describe says what a node is, at the start of a sentence.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a group of keys"
	case yaml.SequenceNode:
		return "a list"
	default:
	}
	switch n.ShortTag() {
	case "!!str":
		return "the text " + quote(n.Value)
	case "!!int", "!!float":
		return "the number " + show(n.Value)
	case "!!bool":
		return "the truth value " + n.Value
	case "!!null":
		return "nothing"
	case "!!timestamp":
		return "the date " + show(n.Value)
	default:
		return "a value tagged " + quote(n.ShortTag())
	}
}

// mismatch is the sentence for a node of the wrong kind.
func mismatch(n *yaml.Node, expected, remedy string) string {
	if n.ShortTag() == "!!null" {
		remedy = "write a value or remove the key"
	}
	s := describe(n) + " stands here, but " + expected + " is expected"
	if remedy != "" {
		s += "; " + remedy
	}
	return s
}

// choice is the sentence for a word that is none of the known ones.
func choice(word string, known []string) string {
	s := quote(word) + " is not known"
	if near := nearest(word, known); near != "" {
		return s + "; did you mean " + near + "? Known: " + strings.Join(known, ", ")
	}
	if len(known) == 1 {
		return s + "; the only choice is " + known[0]
	}
	return s + "; choose one of " + strings.Join(known, ", ")
}

// nearest returns the known word that word most likely was meant to be, or "".
func nearest(word string, known []string) string {
	best, bestDistance := "", max(1, min(len(word)/3, 4))+1
	if len(word) > 64 {
		return ""
	}
	for _, candidate := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(candidate)); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// distance is the number of insertions, deletions, replacements and swaps of
// neighbours between two words (optimal string alignment).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
