package scenarios

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// AxisValue is one value of an axis.
type AxisValue struct {
	// Name is what arms are named by: the value itself (a list joined with +,
	// an empty one "none"), or the name given to it.
	Name string
	// Set is what the value sets, in the order of the document.
	Set []Assignment

	node *yaml.Node
	path string
}

// Assignment is one setting that an axis value sets.
type Assignment struct {
	Path  string // of Settings, for example edge.tls.version
	Value string // as Settings.Value shows it

	index []int
	value reflect.Value
	from  string // path in the document
}

// Cell is one combination of axis values: an arm's settings.
type Cell struct {
	Axes []AxisSetting // in the order of the document; empty without axes
	Settings

	from map[string]string // setting -> path in the document of the axis value that set it
}

// AxisSetting is the value of one axis in one cell.
type AxisSetting struct {
	Axis  string `json:"axis"`
	Value string `json:"value"`
}

// Cells returns one cell per combination of the axes' values, the last axis
// changing fastest; a single cell when there are no axes. There are at most 256.
func (e *Experiment) Cells() []Cell { return slices.Clone(e.cells) }

// decodeNode keeps the node: what it means depends on the axis.
func (v *AxisValue) decodeNode(_ *decoder, n *yaml.Node, at spot) {
	v.node, v.path = n, at.path
}

// axisValueForm is what fits into an arm's name and a selector.
var axisValueForm = regexp.MustCompile(`^[^\s,={}"'\x00-\x1f\x7f]{1,64}$`)

// axes gives the axes of an experiment their meaning and builds its cells.
func (d *decoder) axes(e *Experiment) {
	if n := len(e.Compare); n > maxAxes {
		d.report(joinPath(e.prefix, "compare"), fmt.Sprintf("%d axes are more than %d; make several experiments", n, maxAxes))
		e.Compare = e.Compare[:maxAxes]
	}
	names, setBy, product := map[string]bool{}, map[string]string{}, 1
	for i := range e.Compare {
		axis := &e.Compare[i]
		path := fmt.Sprintf("%s[%d]", joinPath(e.prefix, "compare"), i)
		if names[axis.Name] && axis.Name != "" {
			d.report(path+".axis", "axis "+show(axis.Name)+" stands twice; put all values into one")
		}
		names[axis.Name] = true
		d.axis(axis, path)
		for _, set := range slices.Sorted(pathsOf(axis)) {
			if other, twice := setBy[set]; twice && other != axis.Name {
				d.report(path, fmt.Sprintf("axes %s and %s both set %s; let one of them do it", show(other), show(axis.Name), set))
			}
			setBy[set] = axis.Name
		}
		product = min(product*max(len(axis.Values), 1), 1<<20)
	}
	if product > maxCells {
		d.report(joinPath(e.prefix, "compare"), fmt.Sprintf("the axes combine to more than %d arms; remove values, or make several experiments", maxCells))
	}
	e.cells = productOf(e)
}

// pathsOf yields every setting that a value of the axis sets, some repeatedly.
func pathsOf(axis *Axis) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, value := range axis.Values {
			for _, set := range value.Set {
				if !yield(set.Path) {
					return
				}
			}
		}
	}
}

// axisPaths returns every setting that some axis of the experiment sets.
func axisPaths(e *Experiment) []string {
	var paths []string
	for i := range e.Compare {
		paths = slices.AppendSeq(paths, pathsOf(&e.Compare[i]))
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

func (d *decoder) axis(axis *Axis, path string) {
	setting, known := settingNamed(axis.Name)
	named := patterns["name"].form.MatchString(axis.Name) && !slices.ContainsFunc(axis.Values, func(v AxisValue) bool {
		return v.node == nil || v.node.Kind != yaml.MappingNode
	})
	switch {
	case known && !isGroup(setting.typ):
		if setting.noAxis {
			d.report(path+".axis", axis.Name+" belongs to a whole experiment, so arms cannot differ in it; make one experiment per value")
		}
	case axis.Name == "role":
		d.report(path+".axis", "role is what selectors call the kind of an arm; choose another name")
	case !named && !d.bad(path+".axis"):
		d.report(path+".axis", unknownPath(axis.Name, known))
	}
	seen := map[string]bool{}
	for i := range axis.Values {
		value := &axis.Values[i]
		switch {
		case value.node == nil: // the walk was cut short
		case known && !isGroup(setting.typ):
			d.pathValue(value, axis.Name, setting)
		case named:
			d.namedValue(value)
		default:
			value.Name = value.node.Value
		}
		if seen[value.Name] && value.Name != "" {
			d.report(value.path, "value "+show(value.Name)+" stands twice in this axis; remove one of them")
		}
		seen[value.Name] = true
	}
}

// unknownPath is the sentence for an axis that is neither the path of a setting
// nor well named.
func unknownPath(name string, group bool) string {
	message := show(name) + " is not a setting"
	if group {
		message = show(name) + " is a group of settings, not one of them"
	} else if near := nearest(name, Paths(true)); near != "" {
		message += "; did you mean " + near + "?"
	}
	if !strings.HasSuffix(message, "?") {
		message += "."
	}
	return message + " An axis is the path of a setting, or a name of your own whose values are {name, set}"
}

// pathValue decodes a value of an axis that is the path of a setting.
func (d *decoder) pathValue(value *AxisValue, path string, setting field) {
	set, ok := d.assignment(value.node, spot{value.path, setting}, path)
	if !ok {
		value.Name = value.node.Value
		return
	}
	value.Name, value.Set = set.Value, []Assignment{set}
	if !axisValueForm.MatchString(value.Name) {
		d.report(value.path, quote(value.Name)+" cannot be part of an arm's name; use an axis with a name of your own and name the value: {name: short, set: {"+path+": …}}")
	}
}

// assignment decodes the value of a setting into a variable of its own.
func (d *decoder) assignment(n *yaml.Node, at spot, path string) (Assignment, bool) {
	before := len(d.problems)
	v := reflect.New(at.typ).Elem()
	d.value(n, v, at)
	if len(d.problems) > before {
		return Assignment{}, false
	}
	return Assignment{Path: path, Value: display(v), index: at.index, value: v, from: at.path}, true
}

// namedAxisValue is a value of an axis with a name of its own.
type namedAxisValue struct {
	Name string      `yaml:"name" required:"true" pattern:"value" doc:"What arms are named by."`
	Set  assignments `yaml:"set" doc:"The settings that this value sets, by their paths; none leaves everything as the experiment says."`
}

type assignments []Assignment

func (d *decoder) namedValue(value *AxisValue) {
	var decoded namedAxisValue
	d.structure(value.node, reflect.ValueOf(&decoded).Elem(), value.path)
	value.Name, value.Set = decoded.Name, decoded.Set
}

// decodeNode reads {path: value, …}.
func (a *assignments) decodeNode(d *decoder, n *yaml.Node, at spot) {
	if n.Kind != yaml.MappingNode {
		d.report(at.path, mismatch(n, "a group of settings", "for example {edge.pool.reuse: false}"))
		return
	}
	pairs := d.pairs(n, at.path)
	for i := 0; i+1 < len(n.Content); i += 2 { // the order of the document
		path := n.Content[i].Value
		pair, ok := pairs[path]
		if !ok {
			continue
		}
		delete(pairs, path)
		key := joinPath(at.path, show(path))
		d.mark(key, pair.key.Line)
		setting, known := settingNamed(path)
		switch {
		case !known:
			message := "is not a setting; write a path such as edge.tls.version"
			if near := nearest(path, Paths(true)); near != "" {
				message = "is not a setting; did you mean " + near + "?"
			}
			d.report(key, message)
		case isGroup(setting.typ):
			d.report(key, "is a group of settings; write the full path of each, such as "+path+"."+keysOf(setting.typ)[0])
		case setting.noAxis:
			d.report(key, "belongs to a whole experiment, so arms cannot differ in it; make one experiment per value")
		default:
			if set, ok := d.assignment(pair.value, spot{key, setting}, path); ok {
				*a = append(*a, set)
			}
		}
	}
}

// productOf builds the product of the axes' values.
func productOf(e *Experiment) []Cell {
	cells := []Cell{{Settings: e.Settings}}
	for _, axis := range e.Compare {
		var next []Cell
		for _, cell := range cells {
			for _, value := range axis.Values {
				if len(next) < maxCells {
					next = append(next, cell.with(axis.Name, value))
				}
			}
		}
		if next != nil {
			cells = next
		}
	}
	return cells
}

// with returns a copy of the cell in which the axis has the value.
func (c Cell) with(axis string, value AxisValue) Cell {
	from := map[string]string{}
	for path, source := range c.from {
		from[path] = source
	}
	c.Axes = append(slices.Clip(c.Axes), AxisSetting{axis, value.Name})
	settings := reflect.ValueOf(&c.Settings).Elem()
	for _, set := range value.Set {
		settings.FieldByIndex(set.index).Set(set.value)
		from[set.Path] = set.from
	}
	c.from = from
	return c
}
