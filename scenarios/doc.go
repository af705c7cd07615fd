// Package scenarios reads the scenario document: what is measured, under which
// settings, and what is expected of the outcome.
//
// # The document
//
// A scenario is one YAML document, version 1. At the top level stand its name,
// title and seed, the settings (origin or origins, edge, link, workload), and a list of
// experiments. Each experiment has a name, overlays the settings, and either
// compares arms (compare: a list of axes) or makes attempts to bypass the edge
// (bypass). expect lists what must hold, in an experiment or in the whole run.
// claims lists what others say, each with an expectation that holds where they
// are right; it fails nothing. gate, at the top level, lists how much worse a gate
// lets a metric become. A scenario without experiments is itself one
// experiment without a name; its compare, bypass, expect and claims stand at the
// top level.
//
// An axis is the path of a setting with the values it takes, or a name with
// values that set several paths together:
//
//	compare:
//	  - {axis: edge.tls.version, values: ["1.2", "1.3"]}
//	  - axis: auth
//	    values:
//	      - {name: server, set: {origin.strategies: []}}
//	      - {name: mtls, set: {origin.strategies: [mtls]}}
//
// A trace file (workload.objects.trace: ./mine.csv) is no part of the document:
// ParseTrace reads one for whoever opens it.
//
// # Precedence
//
// default < preset < scenario < experiment < --set < axis. A later layer overrides
// single settings; lists are replaced, never appended to. A --set is
// path=value, the value read as YAML, and quotes may be left out where text is
// expected. Its path is seed, name, title, expect, or a setting, which then
// holds in every experiment; or experiments.NAME.path for one experiment. To
// --set what an axis sets is an error. An arrival rate that an experiment
// inherits is dropped when the experiment makes arrivals closed, or searches for
// one.
//
// # Several origins
//
// origins lists origins by name, in place of the one. Each is what origin and edge
// say, whatever layer they say it on, but for what it writes itself: that is the
// innermost layer, and an axis does not reach it. So an axis can move all origins
// but one.
//
//	origins:
//	  - {name: api, match: {path: /api/*}, share: 0.3, origin: {strategies: [header]}}
//	  - {name: files, origin: {response: {delay: 0ms}}}
//
// The first whose match a request meets has it; the last has none. Viewers' objects
// are an origin's by its share, below its path (or /o/) and at its host. What
// contradicts itself is refused for each origin as if it were alone.
//
// # Presets
//
// edge.preset names a CDN (Source.Presets), at the top level, in an experiment,
// by --set or as an axis. Wherever it is named, its values lie beneath every
// setting that the scenario writes itself, on whichever layer: with
// idleTimeout: 3s at the top level, arms of the axis edge.preset all have 3s.
// A written setting counts as written when it repeats the default. Bypass
// experiments meet reference settings and know no preset.
//
// What nobody documents is never replaced by a default unseen: the scenario is
// refused until it sets what it depends on. It depends on edge.protocol always;
// on edge.identity with mtls; in requests mode on edge.pool.idleTimeout when
// connections are reused, on edge.pool.scope when there are several workers
// besides, and on edge.pool.maxConnections when arrivals are
// open or more viewers ask at once than the default allows connections; in
// handshakes mode on edge.tls.version, group, resumption and verify. What only
// a failing origin brings out (edge.retry, edge.status) it does not depend on:
// there the defaults stand, which try once and give no status.
//
// # The pipeline
//
//  1. Open or Read finds the bytes: a file on disk or the embedded library.
//  2. The bytes become YAML nodes, which know their lines.
//  3. One walker decodes the nodes into typed values, strictly, by the struct
//     tags of document.go, layer after layer into the same value. It notes the
//     position of every path and every problem.
//  4. --set arguments are small documents that go through the same walker.
//  5. Axis values go through it too, each into a variable of its own; their
//     product is the cells of an experiment.
//  6. Each cell's preset fills what was written nowhere.
//  7. Settings that contradict each other are reported where the most specific
//     of them was written.
//
// # Invariants
//
// Load reports every problem at once, each with a position, and says what to
// do. What it returns is resolved: a Settings never depends on anything
// outside itself. The walk is bounded in bytes, in nodes after the expansion of
// aliases, and in arms, whatever the input. Names that need a registry of
// another package (bypass cases, metrics) are not known here: a caller adds
// such problems with Scenario.Problem and Problems.With.
package scenarios
