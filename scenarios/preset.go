package scenarios

import (
	"fmt"
	"reflect"
	"slices"
)

// NoPreset is the value of edge.preset that names none.
const NoPreset = "none"

// Preset is what one CDN's edge is, as far as somebody says so: settings that
// lie above the defaults and below everything that a scenario writes itself.
type Preset struct {
	Name   string
	Values []PresetValue
}

// PresetValue is one setting of a preset. A path that this build has no
// setting for is left out of account.
type PresetValue struct {
	Path    string // of Settings, for example edge.pool.idleTimeout
	Value   string // YAML, as behind --set
	Unknown bool   // nobody documents it; Value is not read
}

// Fits says whether this build has the setting, and takes the value for it.
func (v PresetValue) Fits() (hasPath, takesValue bool) {
	setting, ok := settingNamed(v.Path)
	if !ok || isGroup(setting.typ) {
		return false, false
	}
	if v.Unknown {
		return true, false
	}
	_, ok = newDecoder("").presetValue(v)
	return true, ok
}

// dependence is a setting whose default would decide what an experiment
// measures, so that a preset that leaves it open is not enough.
type dependence struct {
	path    string
	decides func(s *Settings) bool
}

// dependences is the rule behind "nobody documents it: set it". What only a
// failing origin shows (edge.retry, edge.status) is not in it: a measurement
// whose origin answers does not depend on that.
var dependences = []dependence{
	{"edge.pool.idleTimeout", func(s *Settings) bool { return s.Workload.Mode == "requests" && s.Edge.Pool.Reuse }},
	{"edge.pool.maxConnections", func(s *Settings) bool {
		closed := s.Workload.Arrivals.Model == "closed" // then no more connections are open than viewers ask at once
		return s.Workload.Mode == "requests" && (!closed || s.Workload.Concurrency > Defaults().Edge.Pool.MaxConnections)
	}},
	{"edge.pool.scope", func(s *Settings) bool { // with one worker it is one pool whoever shares it
		return s.Workload.Mode == "requests" && s.Edge.Pool.Reuse && max(s.Edge.Servers, s.Edge.Workers) > 1
	}},
	{"edge.protocol", func(*Settings) bool { return true }},
	{"edge.identity", func(s *Settings) bool { return slices.Contains(s.Origin.Strategies, "mtls") }},
	{"edge.tls.version", isHandshakes},
	{"edge.tls.group", isHandshakes},
	{"edge.tls.resumption", isHandshakes},
	{"edge.tls.verify", isHandshakes},
}

func isHandshakes(s *Settings) bool { return s.Workload.Mode == "handshakes" }

// Dependences returns the paths of the settings that a scenario must set
// itself, under some workload, when its preset does not know them.
func Dependences() []string {
	paths := make([]string, len(dependences))
	for i, d := range dependences {
		paths[i] = d.path
	}
	return paths
}

// applyPresets puts the values of edge.preset beneath what was written, in an
// experiment and in each of its cells.
func (d *decoder) applyPresets(e *Experiment) {
	if e.Bypass != nil {
		return // attempts meet reference settings
	}
	// An axis may set what the preset leaves open: only the cells tell.
	d.quietly(func() { d.applyPreset(e, &Cell{}, &e.Settings) })
	for i := range e.cells {
		d.applyPreset(e, &e.cells[i], &e.cells[i].Settings)
	}
	for _, cell := range e.originCells() { // what an origin's own settings depend on
		d.applyPreset(e, &cell, &cell.Settings)
	}
}

func (d *decoder) applyPreset(e *Experiment, cell *Cell, s *Settings) {
	if s.Edge.Preset == NoPreset {
		return
	}
	at := d.writtenAt(e, cell, "edge.preset")
	i := slices.IndexFunc(d.presets, func(p Preset) bool { return p.Name == s.Edge.Preset })
	if i < 0 {
		names := []string{NoPreset}
		for _, p := range d.presets {
			names = append(names, p.Name)
		}
		d.reportOnce(at, choice(s.Edge.Preset, names))
		return
	}
	preset := d.presets[i]
	open := map[string]string{} // what is left open -> why
	for _, v := range preset.Values {
		setting, ok := settingNamed(v.Path)
		if !ok || isGroup(setting.typ) || d.layerOf(e, cell, v.Path) > layerDefault {
			continue
		}
		value, fits := reflect.Value{}, false
		if !v.Unknown {
			value, fits = d.presetValue(v)
		}
		switch {
		case v.Unknown:
			open[v.Path] = fmt.Sprintf("preset %s: nobody documents %s: set it", preset.Name, v.Path)
		case !fits:
			open[v.Path] = fmt.Sprintf("preset %s: its %s, %s, is not simulated yet: set it", preset.Name, v.Path, v.Value)
		default:
			reflect.ValueOf(s).Elem().FieldByIndex(setting.index).Set(value)
		}
	}
	for _, dependence := range dependences {
		if why, isOpen := open[dependence.path]; isOpen && dependence.decides(s) {
			d.reportOnce(at, why)
		}
	}
}

// presetValue decodes a value of a preset; what does not fit is no problem of
// the scenario.
func (d *decoder) presetValue(v PresetValue) (reflect.Value, bool) {
	setting, _ := settingNamed(v.Path)
	node, err := setValue(v.Value)
	if err != nil {
		return reflect.Value{}, false
	}
	// A decoder of its own keeps positions and problems out of the scenario's.
	inner := newDecoder("")
	inner.layer = layerSet
	set, ok := inner.assignment(node, spot{v.Path, setting}, v.Path)
	return set.value, ok
}

// reportOnce reports what may hold for several cells.
func (d *decoder) reportOnce(path, message string) {
	if !slices.ContainsFunc(d.problems, func(p Problem) bool { return p.Field == path && p.Message == message }) {
		d.report(path, message)
	}
}

// Apply puts the values of p into s, as far as this build has the settings. It
// returns the paths that nobody documents: those stay as they are.
func (p Preset) Apply(s *Settings) (unknown []string) {
	for _, v := range p.Values {
		setting, ok := settingNamed(v.Path)
		if !ok || isGroup(setting.typ) {
			continue
		}
		if v.Unknown {
			unknown = append(unknown, v.Path)
			continue
		}
		if value, fits := newDecoder("").presetValue(v); fits {
			reflect.ValueOf(s).Elem().FieldByIndex(setting.index).Set(value)
		}
	}
	return unknown
}
