package scenarios

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// NamedOrigin is one of several origins behind one edge.
type NamedOrigin struct {
	Name   string     `yaml:"name" json:"name" required:"true" pattern:"label" doc:"The name of the origin, by which results and expectations tell it from the others."`
	Match  Match      `yaml:"match" json:"match,omitzero" doc:"Which requests are this origin's, both rules together. The last origin has none, and takes the rest."`
	Share  float64    `yaml:"share" json:"share" min:"0.001" max:"1" doc:"The share of the viewers' requests that are for this origin's objects, drawn for each by itself. Origins that say nothing share evenly what the others leave."`
	Origin Origin     `yaml:"origin" json:"origin" doc:"What is different from the settings of origin, and holds for this one whatever they are."`
	Edge   OriginEdge `yaml:"edge" json:"edge" doc:"What the edge does differently towards this origin."`

	Doc string `yaml:"-" json:"-"` // where it stands, for Scenario.Position: origins[1]

	own []Assignment // what it writes itself, by the paths of Settings
}

// Match is the rules of one origin.
type Match struct {
	Path string `yaml:"path" json:"path,omitempty" pattern:"below" doc:"Requests whose path begins with what stands before the star: /api/*. Its viewers ask for objects there, and not below /o/."`
	Host string `yaml:"host" json:"host,omitempty" pattern:"host" doc:"Requests for this host, or with *. in front for every host below it."`
}

// OriginEdge is the part of an edge's settings that each of several origins has
// for itself; caches, points of presence and their servers are one for all.
type OriginEdge struct {
	TLS      TLS      `yaml:"tls" json:"tls" doc:"The TLS that the edge speaks to this origin."`
	Protocol string   `yaml:"protocol" json:"protocol" enum:"h1,h2,h3" doc:"The HTTP version towards this origin."`
	Pool     Pool     `yaml:"pool" json:"pool" doc:"The pool of connections to this origin, which it shares with no other."`
	Identity string   `yaml:"identity" json:"identity" enum:"own,global,zone,hostname" doc:"Whose client certificate the edge shows to this origin. Each origin has an authority of its own and a certificate from it, whatever the name in that."`
	Refuses  []string `yaml:"refuses" json:"refuses" enum:"grpc,websocket" doc:"The kinds of requests that the edge refuses when it has a client certificate for this origin."`
	Retry    Retry    `yaml:"retry" json:"retry" doc:"How often the edge tries this origin."`
	Status   Status   `yaml:"status" json:"status" doc:"What a viewer is told when a pull from this origin fails."`
}

// String is the origin as arms show it.
func (o NamedOrigin) String() string { return o.Name }

// mostOrigins is as many as anybody needs: each is a process of every arm.
const mostOrigins = 16

// At returns what the i-th of several origins runs with, as if it were alone.
func (s Settings) At(i int) Settings {
	o := &s.Origins[i]
	s.Origin, s.Origins = o.Origin, nil
	s.Edge.TLS, s.Edge.Protocol, s.Edge.Pool, s.Edge.Identity = o.Edge.TLS, o.Edge.Protocol, o.Edge.Pool, o.Edge.Identity
	s.Edge.Refuses, s.Edge.Retry, s.Edge.Status = o.Edge.Refuses, o.Edge.Retry, o.Edge.Status
	return s
}

// decodeNode keeps what the origin writes itself: what it inherits is known
// when everything else is.
func (o *NamedOrigin) decodeNode(d *decoder, n *yaml.Node, at spot) {
	maps.DeleteFunc(d.places, func(path string, _ place) bool { return strings.HasPrefix(path, at.path+".") }) // of a list in whose place this one stands
	type plain NamedOrigin
	var read plain
	d.structure(n, reflect.ValueOf(&read).Elem(), at.path)
	*o = NamedOrigin(read)
	o.Doc = at.path
	v := reflect.ValueOf(o).Elem()
	for _, path := range Paths(false) {
		from := joinPath(at.path, path)
		here, has := fieldNamed(v.Type(), path)
		if _, written := d.places[from]; !has || !written || d.bad(from) {
			continue
		}
		setting, _ := settingNamed(path)
		value := v.FieldByIndex(here.index)
		o.own = append(o.own, Assignment{Path: path, Value: display(value), index: setting.index, value: value, from: from})
	}
}

// settleOrigins gives every origin what it inherits, and its share.
func (s *Settings) settleOrigins() {
	if len(s.Origins) == 0 {
		return
	}
	all, left, silent := slices.Clone(s.Origins), 1.0, 0
	for i := range all {
		at := *s
		all[i].assign(&at)
		all[i].Origin = at.Origin
		all[i].Edge = OriginEdge{at.Edge.TLS, at.Edge.Protocol, at.Edge.Pool, at.Edge.Identity, at.Edge.Refuses, at.Edge.Retry, at.Edge.Status}
		left -= all[i].Share
		if all[i].Share == 0 {
			silent++
		}
	}
	for i := range all {
		if all[i].Share == 0 {
			all[i].Share = max(0, left) / float64(silent)
		}
	}
	s.Origins = all
}

// assign writes over the settings around it what the origin writes itself.
func (o *NamedOrigin) assign(s *Settings) {
	for _, set := range o.own {
		reflect.ValueOf(s).Elem().FieldByIndex(set.index).Set(set.value)
	}
}

// originCells are the cells of the experiment once more for each of their
// origins, as if that were alone: whatever holds of one origin holds of each.
func (e *Experiment) originCells() (all []Cell) {
	for i := range e.cells {
		for j := range e.cells[i].Origins {
			o, cell := &e.cells[i].Origins[j], e.cells[i]
			o.assign(&cell.Settings)
			cell.from = maps.Clone(cell.from)
			if cell.from == nil {
				cell.from = map[string]string{}
			}
			for _, set := range o.own {
				for path := set.Path; strings.Contains(path, "."); path = path[:strings.LastIndexByte(path, '.')] {
					cell.from[path] = joinPath(o.Doc, path)
				}
			}
			all = append(all, cell)
		}
	}
	return all
}

// origins refuses what several origins cannot be.
func (d *decoder) origins(e *Experiment) {
	if e.Bypass != nil && len(e.Origins) > 0 {
		d.reportOnce(d.writtenAt(e, &Cell{}, "origins"), "attempts to bypass the edge meet one origin at a time; write origins: [] in this experiment")
		return
	}
	several := false
	for i := range e.cells {
		if cell := &e.cells[i]; len(cell.Origins) > 0 {
			several = true
			d.originsOf(cell, d.writtenAt(e, cell, "origins"))
		}
	}
	for i := range e.Compare {
		if several && e.Compare[i].Name == "origin" {
			d.report(fmt.Sprintf("%s[%d].axis", joinPath(e.prefix, "compare"), i), "origin is what selectors call one of several; choose another name")
		}
	}
}

func (d *decoder) originsOf(cell *Cell, path string) {
	switch n := len(cell.Origins); {
	case cell.Workload.Mode == "handshakes":
		d.reportOnce(path, "a handshake is one origin's; use mode: requests, or write origins: [] in this experiment")
	case cell.Link.Distant():
		d.reportOnce(path, "several origins are reached over loopback only; use link: {kind: direct}, or write origins: [] in this experiment")
	case cell.Edge.Plant.CPU > 0:
		d.reportOnce(path, "CPU is planted on one origin and its edge only; remove edge.plant, or write origins: []")
	case n > mostOrigins:
		d.reportOnce(path, fmt.Sprintf("%d origins are more than %d; list fewer", n, mostOrigins))
	}
	names, shares := map[string]bool{}, 0.0
	for i := range cell.Origins {
		o := &cell.Origins[i]
		if names[o.Name] && o.Name != "" {
			d.reportOnce(o.Doc+".name", quote(o.Name)+" stands twice in this list; give each its own name")
		}
		names[o.Name] = true
		shares += o.Share
		switch last := i == len(cell.Origins)-1; {
		case o.Match == Match{} && !last && !d.bad(o.Doc+".match"):
			d.reportOnce(o.Doc, "an origin without match takes every request, so that those after it get none; put it last, or give it a match")
		case o.Match != Match{} && last:
			d.reportOnce(o.Doc+".match", "a request that meets no rule would have no origin; remove the match of the last one, or list one without match behind it")
		}
	}
	alone := func(setting, message string, is func(NamedOrigin) bool) { // once, where all inherit it
		if i := slices.IndexFunc(cell.Origins, is); i >= 0 {
			d.reportOnce(cell.Origins[i].Doc+setting, message)
		}
	}
	alone(".origin.refusesAfter", "only an origin that is alone comes to refuse the edge; remove refusesAfter, or write origins: []", func(o NamedOrigin) bool { return o.Origin.RefusesAfter > 0 })
	alone(".origin.plant", "CPU is planted on one origin and its edge only; remove origin.plant, or write origins: []", func(o NamedOrigin) bool { return o.Origin.Plant.CPU > 0 })
	if silent := slices.ContainsFunc(cell.Origins, func(o NamedOrigin) bool { return o.Share == 0 }); math.Abs(shares-1) > 1e-9 || silent {
		d.reportOnce(path, fmt.Sprintf("the shares are %g together, and must be 1 with something for every origin; correct them, or leave one out", shares))
	}
}
