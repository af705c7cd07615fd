package scenarios

import (
	"encoding"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	maxVisits   = 100_000 // nodes walked, aliases expanded: the bound on alias bombs
	maxProblems = 1000
)

// layer is where a value was written; a later one overrides an earlier one.
type layer int

const (
	layerDefault layer = iota
	layerScenario
	layerExperiment
	layerSet
	layerAxis
)

// place is where the value of a path was written.
type place struct {
	file  string
	line  int
	layer layer
}

// decoder is the one walker: it moves YAML nodes into typed values and notes
// every problem and every position on the way. Decoding several nodes into the
// same value, one after another, is how a later layer overrides an earlier one.
type decoder struct {
	file     string
	layer    layer
	base     *Settings // what experiments start from
	presets  []Preset
	places   map[string]place
	problems Problems
	visited  int
	merging  map[*yaml.Node]bool // merge keys being expanded
}

// nodeDecoder is implemented by the types that are more than their fields.
type nodeDecoder interface {
	decodeNode(d *decoder, n *yaml.Node, at spot)
}

// spot is a place in the document and what is allowed there.
type spot struct {
	path string
	field
}

func newDecoder(file string) *decoder {
	return &decoder{file: file, layer: layerScenario, places: map[string]place{}, merging: map[*yaml.Node]bool{}}
}

func (d *decoder) mark(path string, line int) {
	if d.layer == layerSet {
		line = 0
	}
	d.places[path] = place{d.file, line, d.layer}
}

// report notes a problem at the place of a path, or of its nearest parent.
func (d *decoder) report(path, message string) {
	at := lookUp(d.places, path)
	d.reportAt(path, at.line, message)
	d.problems[len(d.problems)-1].File = at.file
	if at.file == "" {
		d.problems[len(d.problems)-1].File = d.file
	}
}

func (d *decoder) reportAt(path string, line int, message string) {
	if d.layer == layerSet {
		line = 0
	}
	d.problems = append(d.problems, Problem{File: d.file, Line: line, Field: path, Message: message})
}

// spent reports whether the walk has gone on for too long.
func (d *decoder) spent(path string) bool {
	d.visited++
	if d.visited == maxVisits {
		d.report(path, "aliases expand to more than 100000 values; write less of it")
	}
	return d.visited >= maxVisits || len(d.problems) >= maxProblems
}

// value decodes a node into v, which must be addressable.
func (d *decoder) value(n *yaml.Node, v reflect.Value, at spot) {
	if d.spent(at.path) {
		return
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	switch target := v.Addr().Interface().(type) {
	case nodeDecoder:
		target.decodeNode(d, n, at)
		return
	case encoding.TextUnmarshaler:
		d.text(n, v, at)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, at.path)
	case reflect.Slice:
		d.list(n, v, at)
	case reflect.String:
		d.word(n, v, at)
	case reflect.Bool:
		if n.ShortTag() != "!!bool" {
			d.report(at.path, mismatch(n, "true or false", ""))
			return
		}
		d.scalar(n, v, at)
	default:
		d.number(n, v, at)
	}
}

// structure decodes a mapping into the struct v, in the order of its fields.
func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.report(path, mismatch(n, "a group of keys", "write some of: "+strings.Join(keysOf(v.Type()), ", ")))
		return
	}
	pairs := d.pairs(n, path)
	fields := fieldsOf(v.Type())
	for _, f := range fields {
		at := spot{joinPath(path, f.key), f}
		pair, ok := pairs[f.key]
		if ok {
			if _, known := d.places[at.path]; !known || d.layer != layerSet || !isGroup(f.typ) {
				d.mark(at.path, pair.key.Line) // a --set inside a group does not move the group
			}
			d.value(pair.value, v.FieldByIndex(f.index), at)
		} else if f.required && d.layer != layerSet {
			d.reportAt(at.path, n.Line, "is missing and must be given. "+f.doc)
		}
		delete(pairs, f.key)
	}
	known := keysOf(v.Type())
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		if len(d.problems) >= maxProblems {
			return
		}
		message := "is an unknown key; the keys known here are: " + strings.Join(known, ", ")
		if near := nearest(key, known); near != "" {
			message = "is an unknown key; did you mean " + near + "? Known here: " + strings.Join(known, ", ")
		}
		d.reportAt(joinPath(path, show(key)), pairs[key].key.Line, message)
	}
}

type pair struct{ key, value *yaml.Node }

// pairs returns the keys of a mapping, merge keys expanded, and reports those
// that stand twice.
func (d *decoder) pairs(n *yaml.Node, path string) map[string]pair {
	found, own := map[string]pair{}, map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.AliasNode {
			key = &yaml.Node{Kind: key.Alias.Kind, Value: key.Alias.Value, Line: key.Line}
		}
		switch line, twice := own[key.Value]; {
		case d.spent(path):
			return found
		case key.Kind != yaml.ScalarNode:
			d.reportAt(path, key.Line, describe(key)+" stands in the place of a key; write a word")
			continue
		case twice:
			d.reportAt(joinPath(path, show(key.Value)), key.Line, fmt.Sprintf("stands twice, first on line %d; remove one of them", line))
			continue
		case key.ShortTag() == "!!merge":
			own[key.Value] = key.Line
			for name, merged := range d.merged(value, path) {
				if _, ok := found[name]; !ok {
					found[name] = merged
				}
			}
			continue
		}
		own[key.Value] = key.Line
		found[key.Value] = pair{key, value}
	}
	return found
}

// merged returns the pairs that a merge key (<<) brings in. Of a list, the
// earlier mapping wins.
func (d *decoder) merged(n *yaml.Node, path string) map[string]pair {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if d.merging[n] {
		d.reportAt(path, n.Line, "merges itself; remove the merge key <<")
		return nil
	}
	d.merging[n] = true
	defer delete(d.merging, n)
	switch n.Kind {
	case yaml.MappingNode:
		return d.pairs(n, path)
	case yaml.SequenceNode:
		all := map[string]pair{}
		for _, item := range slices.Backward(n.Content) {
			for name, p := range d.merged(item, path) {
				all[name] = p
			}
		}
		return all
	default:
		d.reportAt(path, n.Line, mismatch(n, "an alias of a group of keys after <<", ""))
		return nil
	}
}

// list decodes a sequence into a new slice: lists replace, they never append.
// Elements that are wrong stay as zero values, so that indexes fit the file.
func (d *decoder) list(n *yaml.Node, v reflect.Value, at spot) {
	if n.Kind != yaml.SequenceNode {
		remedy := ""
		if n.Kind == yaml.ScalarNode {
			remedy = "write it in brackets: [" + show(n.Value) + "]"
		}
		d.report(at.path, mismatch(n, "a list", remedy))
		return
	}
	if len(n.Content) < at.items {
		d.report(at.path, "is an empty list; give at least one element or remove the key")
	}
	items := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	seen := map[string]bool{}
	for i, node := range n.Content {
		element := spot{fmt.Sprintf("%s[%d]", at.path, i), at.field}
		d.mark(element.path, node.Line)
		d.value(node, items.Index(i), element)
		if word, ok := items.Index(i).Interface().(string); ok && word != "" {
			if seen[word] {
				d.report(element.path, quote(word)+" stands twice in this list; remove one of them")
			}
			seen[word] = true
		}
	}
	v.Set(items)
}

// word decodes a string. On the command line quotes are awkward, so --set
// takes any scalar as it is written.
func (d *decoder) word(n *yaml.Node, v reflect.Value, at spot) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" && d.layer != layerSet {
		remedy := ""
		if n.Kind == yaml.ScalarNode {
			remedy = "put it in quotes: " + quote(n.Value)
		}
		d.report(at.path, mismatch(n, "text", remedy))
		return
	}
	switch form, ok := patterns[at.pattern]; {
	case at.enum != nil && !slices.Contains(at.enum, n.Value):
		d.report(at.path, choice(n.Value, at.enum))
	case ok && !form.form.MatchString(n.Value):
		d.report(at.path, quote(n.Value)+" does not fit; "+form.words+" is expected")
	default:
		v.SetString(n.Value)
	}
}

// text decodes a scalar in a written form of its own, such as a Duration.
func (d *decoder) text(n *yaml.Node, v reflect.Value, at spot) {
	fresh := reflect.New(v.Type())
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		d.report(at.path, mismatch(n, "a value such as "+at.max, ""))
		return
	}
	if err := fresh.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
		d.report(at.path, err.Error())
		return
	}
	d.store(n, v, fresh.Elem(), at)
}

func (d *decoder) number(n *yaml.Node, v reflect.Value, at spot) {
	tag, fraction := n.ShortTag(), v.Kind() == reflect.Float64
	switch {
	case n.Kind == yaml.ScalarNode && (tag == "!!int" || fraction && tag == "!!float"):
		d.scalar(n, v, at)
	case fraction:
		d.report(at.path, mismatch(n, "a number", ""))
	default:
		d.report(at.path, mismatch(n, "a whole number", ""))
	}
}

// scalar decodes a node whose tag has been checked.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, at spot) {
	fresh := reflect.New(v.Type())
	if err := n.Decode(fresh.Interface()); err != nil {
		d.report(at.path, show(n.Value)+" does not fit; write a whole number that is neither negative nor larger than 64 bits")
		return
	}
	d.store(n, v, fresh.Elem(), at)
}

// store sets v when the new value is in the field's range.
func (d *decoder) store(n *yaml.Node, v, fresh reflect.Value, at spot) {
	x := magnitude(fresh)
	low, high := bound(fresh.Type(), at.min, math.Inf(-1)), bound(fresh.Type(), at.max, math.Inf(1))
	allowed := "a value from " + at.min + " to " + at.max
	if at.max == "" {
		allowed = "a value from " + at.min
	}
	switch {
	case math.IsNaN(x):
		d.report(at.path, show(n.Value)+" is not a number; choose "+allowed)
	case x < low:
		d.report(at.path, fmt.Sprintf("%s is less than %s; choose %s", show(n.Value), at.min, allowed))
	case x > high:
		d.report(at.path, fmt.Sprintf("%s is more than %s; choose %s", show(n.Value), at.max, allowed))
	default:
		v.Set(fresh)
	}
}
