package scenarios

import (
	"fmt"
	"strings"
)

// Open reports whether requests come at a rate, however slow the answers are.
func (a *Arrivals) Open() bool { return a.Model != "closed" }

// HandshakesOnly returns what an experiment in handshakes mode runs with: a
// connection for each request, no cache, one object of one byte, answered at
// once. Concurrency and arrivals stay as they are.
func (s Settings) HandshakesOnly() Settings {
	s.Edge.Pool.Reuse, s.Edge.Pool.IdleTimeout, s.Edge.Pool.MaxConnections = false, 0, 0
	s.Edge.Cache.Capacity = 0
	s.Workload.Objects, s.Workload.Method = Objects{Model: "one"}, "GET"
	s.Origin.Response.Size, s.Origin.Response.Delay = 1, 0
	s.Origin.Response.Cacheable, s.Origin.Response.Lifetimes, s.Origin.Response.Sizes = 1, nil, Sizes{}
	return s
}

// handshakesIgnore names what HandshakesOnly overrides, and why.
var handshakesIgnore = []struct{ path, why string }{
	{"edge.pool.reuse", "every handshake needs a connection of its own"},
	{"edge.pool.idleTimeout", "no connection is kept"},
	{"edge.pool.maxConnections", "workload.concurrency says how many are open at once"},
	{"edge.cache.capacity", "a request answered from the cache makes no handshake"},
	{"workload.objects.model", "every request asks for one object of one byte"},
	{"workload.objects.alpha", "every request asks for one object of one byte"},
	{"workload.objects.count", "every request asks for one object of one byte"},
	{"workload.objects.trace", "every request asks for one object of one byte"},
	{"workload.method", "every request asks for one object of one byte"},
	{"origin.response.size", "every request asks for one object of one byte"},
	{"workload.objects.oneHit", "every request asks for one object of one byte"},
	{"origin.response.cacheable", "every request asks for one object of one byte"},
	{"origin.response.lifetimes", "every request asks for one object of one byte"},
	{"origin.response.sizes.median", "every request asks for one object of one byte"},
	{"origin.response.sizes.p90", "every request asks for one object of one byte"},
	{"origin.response.sizes.max", "every request asks for one object of one byte"},
	{"origin.response.delay", "the origin's thinking is no part of a handshake"},
}

// handshakesOnly refuses what an experiment in handshakes mode says of itself
// and cannot be honoured. What it inherits from the top level belongs to other
// experiments, and is no problem.
func (d *decoder) handshakesOnly(e *Experiment) {
	if e.Workload.Mode != "handshakes" {
		return
	}
	for _, ignored := range handshakesIgnore {
		for i := range e.cells {
			cell := &e.cells[i]
			path, written := d.ownPath(e, cell, ignored.path)
			fixed := cell.HandshakesOnly()
			want, _ := fixed.Value(ignored.path)
			got, _ := cell.Value(ignored.path)
			if !written || want == got || d.bad(path) {
				continue
			}
			if cell.Edge.Preset != NoPreset && strings.HasPrefix(ignored.path, "edge.pool.") && ignored.path != "edge.pool.reuse" {
				continue // a preset asks for what its CDN does not document, whatever the mode
			}
			d.report(path, fmt.Sprintf("%s cannot be honoured in handshakes mode: %s; remove it, or use mode: requests", show(got), ignored.why))
			break
		}
	}
}

// ownPath returns where the experiment itself, one of its axes or a --set for
// it wrote a setting; false where it was inherited or left alone.
func (d *decoder) ownPath(e *Experiment, cell *Cell, path string) (string, bool) {
	if from, ok := cell.from[path]; ok {
		return from, true
	}
	own := joinPath(e.prefix, path)
	at, ok := d.places[own]
	if outer, both := d.places[path]; e.prefix != "" && both && at.layer == layerSet && outer == at {
		return "", false // a --set for all experiments
	}
	return own, ok
}
