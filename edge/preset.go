package edge

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed presets/*.yaml
var presetFiles embed.FS

// Preset is what is known of one CDN's edge. Its facts are settings of the
// scenario document, so that nothing of a vendor is in the code.
type Preset struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Facts []Fact `json:"facts"` // in the order of the file
}

// Fact is one value with where it comes from.
type Fact struct {
	// Path is the setting in the scenario document, for example
	// edge.pool.idleTimeout. A build may not have it: the fact is then a note.
	Path       string     `json:"path"`
	Value      string     `json:"value,omitempty"` // as the document writes it; "" when it is unknown
	Range      string     `json:"range,omitempty"` // what a customer can choose
	Behaviour  string     `json:"behaviour,omitempty"`
	Source     string     `json:"source"` // of an unknown one: where it was looked for
	Date       string     `json:"date"`   // of that version of the source, or when it was read: 2026-05 or 2026
	Confidence Confidence `json:"confidence"`
	Note       string     `json:"note,omitempty"`
}

// Confidence is how well a value is known.
type Confidence string

// The confidences.
const (
	Documented Confidence = "documented" // the vendor says so
	Measured   Confidence = "measured"   // somebody saw it
	Inferred   Confidence = "inferred"   // it follows from something documented
	Unknown    Confidence = "unknown"    // nobody documents it: a scenario that depends on it sets it
)

// Fact returns the fact about a path, and false where the preset is silent.
func (p *Preset) Fact(path string) (Fact, bool) {
	i := slices.IndexFunc(p.Facts, func(f Fact) bool { return f.Path == path })
	if i < 0 {
		return Fact{}, false
	}
	return p.Facts[i], true
}

// Presets returns every preset by name. Nothing in them may be changed.
func Presets() []Preset { return presets() }

// PresetNamed returns the preset of that name.
func PresetNamed(name string) (Preset, bool) {
	i := slices.IndexFunc(presets(), func(p Preset) bool { return p.Name == name })
	if i < 0 {
		return Preset{}, false
	}
	return presets()[i], true
}

// presets panics on a file that does not read: the files are embedded, and a
// test reads them all.
var presets = sync.OnceValue(func() []Preset {
	files, err := fs.Glob(presetFiles, "presets/*.yaml")
	if err != nil {
		panic(fmt.Sprintf("edge: presets: %v", err))
	}
	var all []Preset
	for _, file := range files {
		content, err := presetFiles.ReadFile(file)
		if err == nil {
			var p Preset
			if p, err = readPreset(content); err == nil {
				all = append(all, p)
				continue
			}
		}
		panic(fmt.Sprintf("edge: %s: %v", file, err))
	}
	slices.SortFunc(all, func(a, b Preset) int { return strings.Compare(a.Name, b.Name) })
	return all
})

// presetFile is a preset as it is written. Sources have short names, because
// one page is the source of many values.
type presetFile struct {
	Name       string              `yaml:"name"`
	Title      string              `yaml:"title"`
	Sources    map[string]sourced  `yaml:"sources"`
	Values     []writtenFact       `yaml:"values"`
	Retry      map[string]yamlFact `yaml:"retry"`
	Status     map[Phase]yamlFact  `yaml:"status"`
	Behaviours []writtenBehaviour  `yaml:"behaviours"`
}

type sourced struct {
	Document string `yaml:"document"`
	Date     string `yaml:"date"`
}

type yamlFact struct {
	Value      string     `yaml:"value"`
	Range      string     `yaml:"range"`
	Source     string     `yaml:"source"`
	Confidence Confidence `yaml:"confidence"`
	Note       string     `yaml:"note"`
}

type writtenFact struct {
	Path     string `yaml:"path"`
	yamlFact `yaml:",inline"`
}

type writtenBehaviour struct {
	Name     string `yaml:"name"`
	yamlFact `yaml:",inline"`
}

// unknownValue is what a file writes where nobody says.
const unknownValue = "unknown"

// behaviours is what presets may say of an edge, in settings. refuses-… of one
// preset join to one list.
var behaviours = map[string][2]string{
	"continues-without-mtls":         {"edge.tls.unasked", "continue"},
	"requires-being-asked":           {"edge.tls.unasked", "fail"},
	"accepts-any-origin-certificate": {"edge.tls.verify", "false"},
	"verifies-origin-certificate":    {"edge.tls.verify", "true"},
	"refuses-grpc":                   {refusesPath, string(GRPC)},
	"refuses-websocket":              {refusesPath, string(WebSocket)},
}

const refusesPath = "edge.refuses"

// readPreset reads one file strictly.
func readPreset(content []byte) (Preset, error) {
	var f presetFile
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(&f); err != nil {
		return Preset{}, err
	}
	p := Preset{Name: f.Name, Title: f.Title}
	var problems []error
	add := func(path string, w yamlFact) {
		fact, err := f.fact(path, w)
		if _, twice := p.Fact(path); twice && err == nil {
			err = errors.New("stands twice")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", path, err))
			return
		}
		p.Facts = append(p.Facts, fact)
	}
	for _, v := range f.Values {
		add(v.Path, v.yamlFact)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Retry)) {
		add("edge.retry."+name, f.Retry[name])
	}
	for _, phase := range Phases() {
		if w, ok := f.Status[phase]; ok {
			if _, err := strconv.Atoi(w.Value); err != nil && w.Value != unknownValue {
				problems = append(problems, fmt.Errorf("status of %s: %q is no number", phase, w.Value))
			}
			add("edge.status."+string(phase), w)
			delete(f.Status, phase)
		}
	}
	for phase := range f.Status {
		problems = append(problems, fmt.Errorf("unknown phase %q", phase))
	}
	problems = append(problems, f.behave(&p, add)...)
	return p, errors.Join(problems...)
}

// behave turns behaviours into settings.
func (f *presetFile) behave(p *Preset, add func(string, yamlFact)) (problems []error) {
	for _, b := range f.Behaviours {
		setting, known := behaviours[b.Name]
		if !known || b.Value != "" {
			problems = append(problems, fmt.Errorf("behaviour %q: it is one of %s, and has no value", b.Name, strings.Join(slices.Sorted(maps.Keys(behaviours)), ", ")))
			continue
		}
		path, value := setting[0], setting[1]
		i := slices.IndexFunc(p.Facts, func(fact Fact) bool { return fact.Path == path })
		if path == refusesPath && i >= 0 && p.Facts[i].Behaviour != "" {
			p.Facts[i].Value = strings.TrimSuffix(p.Facts[i].Value, "]") + ", " + value + "]"
			p.Facts[i].Behaviour += ", " + b.Name
			continue
		}
		if path == refusesPath {
			value = "[" + value + "]"
		}
		b.Value = value
		before := len(p.Facts)
		add(path, b.yamlFact)
		if len(p.Facts) > before {
			p.Facts[before].Behaviour = b.Name
		}
	}
	return problems
}

// fact resolves the source of a written fact and checks that nothing is
// missing.
func (f *presetFile) fact(path string, w yamlFact) (Fact, error) {
	source, ok := f.Sources[w.Source]
	switch {
	case !ok || source.Document == "" || source.Date == "":
		return Fact{}, fmt.Errorf("source %q is not among the sources, or has no document or date", w.Source)
	case w.Value == "":
		return Fact{}, errors.New("has no value: write unknown where nobody says")
	case w.Value == unknownValue && w.Confidence != "":
		return Fact{}, errors.New("is unknown, and needs no confidence")
	case w.Value != unknownValue && w.Confidence != Documented && w.Confidence != Measured && w.Confidence != Inferred:
		return Fact{}, fmt.Errorf("confidence %q: it is documented, measured or inferred", w.Confidence)
	}
	fact := Fact{Path: path, Value: w.Value, Range: w.Range, Source: source.Document, Date: source.Date, Confidence: w.Confidence, Note: w.Note}
	if w.Value == unknownValue {
		fact.Value, fact.Confidence = "", Unknown
	}
	return fact, nil
}
