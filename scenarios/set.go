package scenarios

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// setPrefix starts the file name of problems and positions of --set.
const setPrefix = "--set "

// setAll applies every --set in order. A path is one of seed, name, title,
// expect, a setting (which then holds in every experiment), bypass.… of a
// scenario without experiments, or experiments.NAME.path for one experiment.
func (d *decoder) setAll(set []string, doc *document) {
	file := d.file
	d.layer = layerSet
	for _, arg := range set {
		d.file = setFile(arg)
		d.setOne(arg, doc)
	}
	d.file, d.layer = file, layerScenario
}

// setFile is how a --set is named in problems.
func setFile(arg string) string {
	if len(arg) > 80 || strings.ContainsFunc(arg, func(r rune) bool { return r < ' ' }) {
		return setPrefix + quote(arg)
	}
	return setPrefix + arg
}

func (d *decoder) setOne(arg string, doc *document) {
	path, text, ok := strings.Cut(arg, "=")
	if path = strings.TrimSpace(path); !ok || path == "" {
		d.reportAt("", 0, "is not of the form path=value; write for example workload.duration=10s")
		return
	}
	value, err := setValue(text)
	if err != nil {
		d.reportAt(show(path), 0, err.Error())
		return
	}
	if rest, ok := strings.CutPrefix(path, "experiments."); ok {
		name, inner, _ := strings.Cut(rest, ".")
		d.setExperiment(name, nest(inner, value), doc)
		return
	}
	first, _, _ := strings.Cut(path, ".")
	switch {
	case slices.Contains([]string{"version", "compare", "experiments"}, first):
		d.reportAt(show(path), 0, "cannot be set here; change it in the file (one experiment's settings are experiments.NAME.path)")
		return
	case first == "bypass" && doc.Bypass == nil:
		d.reportAt(show(path), 0, "there is no bypass at the top level; one experiment's is experiments.NAME.bypass")
		return
	}
	node := nest(path, value)
	d.structure(node, reflect.ValueOf(doc).Elem(), "")
	if _, isSetting := settingNamed(first); isSetting {
		for i := range doc.Experiments {
			d.inherit(node, &doc.Experiments[i])
		}
	}
}

// inherit repeats a top-level --set in an experiment. Its problems have been
// reported.
func (d *decoder) inherit(node *yaml.Node, e *Experiment) {
	d.quietly(func() { d.structure(node, reflect.ValueOf(&e.Settings).Elem(), e.prefix) })
}

// quietly does again what has reported its problems already.
func (d *decoder) quietly(again func()) {
	problems := d.problems
	d.problems = nil
	again()
	d.problems = problems
}

func (d *decoder) setExperiment(name string, node *yaml.Node, doc *document) {
	var names []string
	for i := range doc.Experiments {
		e := &doc.Experiments[i]
		names = append(names, e.Name)
		if e.Name != name {
			continue
		}
		switch first := node.Content[0].Value; {
		case first == "name" || first == "compare":
			d.reportAt(joinPath(e.prefix, first), 0, "cannot be set; change it in the file")
		case first == "bypass" && e.Bypass == nil:
			d.reportAt(e.prefix+".bypass", 0, "experiment "+quote(name)+" has no bypass; change it in the file")
		default:
			d.structure(node, reflect.ValueOf(e).Elem(), e.prefix)
		}
		return
	}
	if names == nil {
		d.reportAt("experiments", 0, "the scenario has no named experiments; leave experiments.NAME away")
		return
	}
	d.reportAt("experiments", 0, "experiment "+choice(name, names))
}

// setValue reads the right side of a --set as YAML; nothing is an empty text.
func setValue(text string) (*yaml.Node, error) {
	if strings.TrimSpace(text) == "" {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str"}, nil
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("the value is larger than 1MiB; write it into a file")
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		_, message := syntaxError([]byte(text), err)
		return nil, fmt.Errorf("the value %s", message)
	}
	if len(doc.Content) == 0 {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str"}, nil
	}
	return doc.Content[0], nil
}

// nest builds the small document {a: {b: value}} for the path a.b.
func nest(path string, value *yaml.Node) *yaml.Node {
	keys := strings.Split(path, ".")
	for _, key := range slices.Backward(keys) {
		word := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}
		value = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{word, value}}
	}
	return value
}

// setOnAxis refuses every --set of a path that an axis sets: the axis would
// silently win.
func (d *decoder) setOnAxis(all []Experiment) {
	for i := range all {
		e := &all[i]
		for _, path := range axisPaths(e) {
			at, ok := d.places[joinPath(e.prefix, path)]
			if !ok || at.layer != layerSet {
				continue
			}
			problem := Problem{File: at.file, Field: path, Message: fmt.Sprintf(
				"is set by an axis%s, which would win; remove the --set or change the axis", ofExperiment(e))}
			if !slices.Contains(d.problems, problem) {
				d.problems = append(d.problems, problem)
			}
		}
	}
}

func ofExperiment(e *Experiment) string {
	if e.Name == "" {
		return ""
	}
	return " of experiment " + quote(e.Name)
}
