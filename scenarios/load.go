package scenarios

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// What one scenario can ask for is bounded.
const (
	maxExperiments = 64
	maxAxes        = 8
	maxCells       = 256
)

// Source is a scenario that has not been read yet.
type Source struct {
	File    string   // the name shown in positions
	Content []byte   // YAML
	Set     []string // path=value, in the order given
	Presets []Preset // what edge.preset may name besides none
}

// Scenario is a resolved document: every default written out, every --set
// applied. Only axes are still open; Experiment.Cells sets those.
type Scenario struct {
	Version     int
	Name        string
	Title       string
	Seed        uint64
	Settings    // of the top level
	Experiments []Experiment
	Expect      []Rule // of the whole document; empty when there are no named experiments
	Gate        []GateRule
	Claims      []Claim // of the whole document; empty when there are no named experiments
	Digest      string  // "sha256:" and the hash of everything that is measured, --set included, but not comments, titles or layout
	File        string

	places map[string]place
}

// Load reads a scenario. The error is Problems: all that is wrong, at once.
// A scenario is returned along with them if the file could be read as YAML, so
// that a caller can add the problems only it can see (at Scenario.Position);
// what is wrong in it has its default value.
func Load(src Source) (*Scenario, error) {
	root, problems := parse(src)
	if root == nil {
		return nil, problems.err()
	}
	d := newDecoder(src.File)
	d.problems, d.presets = problems, src.Presets
	doc := newDocument()
	doc.Name = nameOf(src.File)
	d.document(root, doc)

	s := &Scenario{File: src.File, places: d.places}
	unnamed := len(doc.Experiments) == 0
	if !unnamed {
		d.onlyExperiments(doc)
	}
	d.setAll(src.Set, doc)
	if unnamed {
		s.Experiments = []Experiment{{Settings: doc.Settings, Compare: doc.Compare, Bypass: doc.Bypass, Expect: doc.Expect, Claims: doc.Claims}}
	} else {
		s.Experiments, s.Expect, s.Claims = doc.Experiments, doc.Expect, doc.Claims
	}
	s.Gate = doc.Gate
	d.experiments(s.Experiments)
	d.setOnAxis(s.Experiments)
	doc.settleLink()
	settleTrials(&doc.Settings, doc.Workload.Arrivals.Open() || doc.Link.Distant())
	d.quietly(func() { d.applyPreset(&Experiment{}, &Cell{}, &doc.Settings) })
	doc.settleOrigins()
	s.Version, s.Name, s.Title, s.Seed, s.Settings = doc.Version, doc.Name, doc.Title, doc.Seed, doc.Settings
	s.Digest = s.digest()
	if len(d.problems) >= maxProblems {
		d.problems = append(d.problems, Problem{File: src.File, Message: "has more problems than are shown; correct these first"})
	}
	return s, d.problems.err()
}

// nameOf is the name of a scenario that gives itself none.
func nameOf(file string) string {
	base := filepath.Base(filepath.ToSlash(file))
	stem := strings.TrimSuffix(strings.TrimSuffix(base, ".yaml"), ".yml")
	stem = strings.Trim(notName.ReplaceAllString(stem, "-"), "-_")
	if !patterns["name"].form.MatchString(stem) {
		return "scenario"
	}
	return stem
}

var notName = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// document walks the whole file.
func (d *decoder) document(root *yaml.Node, doc *document) {
	d.base = &doc.Settings
	d.mark("", root.Line)
	d.structure(root, reflect.ValueOf(doc).Elem(), "")
	if _, written := d.places["version"]; written && doc.Version != 1 && !d.bad("version") {
		d.report("version", fmt.Sprintf("version %d is not known; this build reads version: 1", doc.Version))
	}
	if _, written := d.places["name"]; written && doc.Name == "" && !d.bad("name") {
		d.report("name", "is empty; write a name or remove the key")
	}
}

// onlyExperiments refuses top-level keys that the experiments replace.
func (d *decoder) onlyExperiments(doc *document) {
	const instead = "stands beside experiments, and would belong to none of them; move it into one"
	if doc.Compare != nil {
		d.report("compare", instead)
	}
	if doc.Bypass != nil {
		d.report("bypass", instead)
	}
	if n := len(doc.Experiments); n > maxExperiments {
		d.report("experiments", fmt.Sprintf("%d experiments are more than %d; split the file", n, maxExperiments))
		doc.Experiments = doc.Experiments[:maxExperiments]
	}
	names := map[string]int{}
	for i := range doc.Experiments {
		e := &doc.Experiments[i]
		e.Index, e.prefix = i, fmt.Sprintf("experiments[%d]", i)
		if first, twice := names[e.Name]; twice && e.Name != "" {
			d.report(e.prefix+".name", fmt.Sprintf("%s is also the name of experiments[%d]; give each its own", quote(e.Name), first))
		} else {
			names[e.Name] = i
		}
	}
}

// experiments settles what is left open and checks each experiment.
func (d *decoder) experiments(all []Experiment) {
	for i := range all {
		e := &all[i]
		d.axes(e)
		e.settleLinks()
		e.settleFind()
		settleTrials(&e.Settings, e.open() || e.distant())
		for j := range e.cells {
			e.cells[j].Workload.Trials = e.Workload.Trials
		}
		d.applyPresets(e)
		e.settleOrigins()
		for j := range e.cells {
			e.cells[j].settleOrigins()
		}
		d.origins(e)
		d.combinations(e)
		if e.Bypass == nil {
			d.find(e)
			d.handshakesOnly(e)
		}
	}
}

// settleTrials writes the default that depends on the mode, and on whether any
// arm is paced by arrivals.
func settleTrials(s *Settings, open bool) {
	if s.Workload.Trials != 0 {
		return
	}
	s.Workload.Trials = 1
	if s.Workload.Mode == "handshakes" && !open {
		s.Workload.Trials = 8
	}
}

// open reports whether any arm is paced by arrivals: all arms of its
// experiment then have long blocks.
func (e *Experiment) open() bool {
	return slices.ContainsFunc(e.cells, func(c Cell) bool { return c.Workload.Arrivals.Open() })
}

// bad reports whether there is a problem with one of the paths or below it: a
// second one that follows from the first would only distract.
func (d *decoder) bad(paths ...string) bool {
	for _, p := range d.problems {
		for _, path := range paths {
			if p.Field == path || strings.HasPrefix(p.Field, path+".") || strings.HasPrefix(p.Field, path+"[") {
				return true
			}
		}
	}
	return false
}

// decodeNode starts an experiment from the settings of the top level.
func (e *Experiment) decodeNode(d *decoder, n *yaml.Node, at spot) {
	e.Settings = *d.base
	outer := d.layer
	d.layer = layerExperiment
	d.structure(n, reflect.ValueOf(e).Elem(), at.path)
	d.layer = outer
}

// decodeNode starts from the defaults, or from what a former layer wrote.
func (b *Bypass) decodeNode(d *decoder, n *yaml.Node, at spot) {
	if b.Strategies == nil {
		*b = *newBypass()
	}
	d.structure(n, reflect.ValueOf(b).Elem(), at.path)
}

// decodeNode keeps the text: its grammar belongs to results.
func (r *Rule) decodeNode(d *decoder, n *yaml.Node, at spot) {
	r.Path = at.path
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
		d.report(at.path, mismatch(n, "an expectation as text", `for example "requests.failed == 0"`))
	case strings.TrimSpace(n.Value) == "":
		d.report(at.path, `is empty; write an expectation such as "requests.failed == 0"`)
	default:
		r.Text = n.Value
	}
}

// decodeNode notes where the claim stands.
func (c *Claim) decodeNode(d *decoder, n *yaml.Node, at spot) {
	c.Path = at.path
	d.structure(n, reflect.ValueOf(c).Elem(), at.path)
}

// decodeNode notes where the rule stands.
func (r *GateRule) decodeNode(d *decoder, n *yaml.Node, at spot) {
	r.Path = at.path
	d.structure(n, reflect.ValueOf(r).Elem(), at.path)
}

// digest hashes the canonical form: resolved settings as JSON, in the order of
// the document.
func (s *Scenario) digest() string {
	type arm struct {
		Axes     []AxisSetting
		Settings Settings
	}
	type experiment struct {
		Name   string
		Arms   []arm
		Bypass *Bypass
		Expect []string
	}
	canonical := struct {
		Version     int
		Name        string
		Seed        uint64
		Experiments []experiment
		Expect      []string
	}{Version: s.Version, Name: s.Name, Seed: s.Seed, Expect: texts(s.Expect)}
	for i := range s.Experiments {
		e := &s.Experiments[i]
		out := experiment{Name: e.Name, Bypass: e.Bypass, Expect: texts(e.Expect)}
		for _, cell := range e.cells {
			out.Arms = append(out.Arms, arm{cell.Axes, cell.Settings})
		}
		canonical.Experiments = append(canonical.Experiments, out)
	}
	b, err := json.Marshal(canonical)
	if err != nil {
		panic(fmt.Sprintf("scenarios: a resolved scenario is not JSON: %v", err))
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func texts(rules []Rule) []string {
	all := make([]string, len(rules))
	for i, rule := range rules {
		all[i] = rule.Text
	}
	return all
}
