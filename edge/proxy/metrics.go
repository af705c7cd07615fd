package proxy

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/originpull/originpull/edge"
)

// counts are the proxy's own; the edge has its own beside them.
type counts struct {
	connections, handshakesFull, handshakesResumed, handshakesFailed atomic.Int64

	active    atomic.Int64 // requests
	malformed atomic.Int64 // requests that the gate refused
	late      atomic.Int64 // headers that did not come in time
	left      atomic.Int64 // viewers that did not wait for their answer
	cut       atomic.Int64 // answers whose content ended early
	sent      atomic.Int64 // bytes of content

	statuses [3][6]atomic.Int64 // by major version and class
	outcomes tally
	failures tally
}

func (c *counts) answered(major, status int) {
	c.statuses[min(max(major, 0), 2)][min(max(status/100, 0), 5)].Add(1)
}

// tally counts by name.
type tally struct{ names sync.Map } // string -> *atomic.Int64

func (t *tally) add(name string) {
	n, ok := t.names.Load(name)
	if !ok {
		n, _ = t.names.LoadOrStore(name, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
}

func (t *tally) each(f func(name string, n int64)) {
	t.names.Range(func(name, n any) bool {
		f(name.(string), n.(*atomic.Int64).Load())
		return true
	})
}

// Metrics returns a handler with the proxy's metrics in Prometheus' formats.
// It is meant for an address that viewers cannot reach.
func (p *Proxy) Metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(exporter{p}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// exporter reads the counts when it is asked.
type exporter struct{ proxy *Proxy }

// Describe says nothing beforehand: which labels there are, traffic decides.
func (exporter) Describe(chan<- *prometheus.Desc) {}

// Collect sends every metric.
func (e exporter) Collect(out chan<- prometheus.Metric) {
	x := exposition{out}
	c := &e.proxy.counts
	for major := range c.statuses {
		for class := range c.statuses[major] {
			if n := c.statuses[major][class].Load(); n > 0 {
				x.count("requests_total", "answers to viewers, by protocol and class of status", n,
					"protocol", "h"+strconv.Itoa(major), "status", strconv.Itoa(class)+"xx")
			}
		}
	}
	c.outcomes.each(func(name string, n int64) {
		x.count("replies_total", "answers by where they came from", n, "outcome", name)
	})
	c.failures.each(func(name string, n int64) {
		x.count("pull_failures_total", "pulls that the origin did not answer, as viewers were told (RFC 9209)", n, "error", name)
	})
	for _, m := range []struct {
		name, help string
		n          *atomic.Int64
	}{
		{"connections_total", "connections of viewers", &c.connections},
		{"content_bytes_total", "bytes of content sent to viewers", &c.sent},
		{"malformed_requests_total", "requests that could be framed in two ways, refused", &c.malformed},
		{"late_headers_total", "requests whose header did not come in time", &c.late},
		{"viewers_left_total", "viewers that did not wait for their answer", &c.left},
		{"answers_cut_total", "answers whose content ended early", &c.cut},
	} {
		x.count(m.name, m.help, m.n.Load())
	}
	const help = "handshakes with viewers"
	x.count("handshakes_total", help, c.handshakesFull.Load(), "kind", "full")
	x.count("handshakes_total", help, c.handshakesResumed.Load(), "kind", "resumed")
	x.count("handshakes_total", help, c.handshakesFailed.Load(), "kind", "failed")
	x.gauge("requests_active", "requests that are being answered", c.active.Load())
	x.edge(e.proxy.Stats())
}

// exposition names metrics.
type exposition struct{ out chan<- prometheus.Metric }

func (x exposition) count(name, help string, n int64, labels ...string) {
	x.send(prometheus.CounterValue, name, help, n, labels)
}

func (x exposition) gauge(name, help string, n int64) {
	x.send(prometheus.GaugeValue, name, help, n, nil)
}

// send takes labels as pairs of name and value.
func (x exposition) send(kind prometheus.ValueType, name, help string, n int64, labels []string) {
	var names, values []string
	for i := 0; i+1 < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	desc := prometheus.NewDesc("originpull_edge_"+name, help, names, nil)
	x.out <- prometheus.MustNewConstMetric(desc, kind, float64(n), values...)
}

// edge sends what cache and pool counted.
func (x exposition) edge(s edge.Stats) {
	const outcomes = "requests by what the cache made of them"
	for name, n := range map[string]int64{
		"hit": s.Cache.Hits, "miss": s.Cache.Misses, "collapsed": s.Cache.Collapsed,
		"revalidated": s.Cache.Revalidated, "stale": s.Cache.Stale, "pass": s.Cache.Passes,
	} {
		x.count("cache_requests_total", outcomes, n, "outcome", name)
	}
	x.count("cache_fetches_total", "what the cache asked of the origin", s.Cache.Fetches)
	x.count("cache_stored_total", "objects put into the cache", s.Cache.Stored)
	x.count("cache_evicted_total", "objects pushed out of the cache for want of room", s.Cache.Evicted)
	x.gauge("cache_objects", "objects in the cache", s.Cache.Entries)
	x.gauge("cache_bytes", "bytes in the cache, with what is on its way there", s.Cache.Bytes)
	x.count("origin_requests_total", "requests sent to the origin", s.Pool.Requests)
	x.count("origin_requests_reused_total", "of these, on a connection that was there", s.Pool.Reused)
	x.count("origin_connections_total", "connections made to the origin", s.Pool.Connects)
	x.gauge("origin_connections_open", "connections to the origin that are open", s.Pool.Open)
	const handshakes = "handshakes with the origin"
	x.count("origin_handshakes_total", handshakes, s.Pool.HandshakesFull, "kind", "full")
	x.count("origin_handshakes_total", handshakes, s.Pool.HandshakesResumed, "kind", "resumed")
	x.count("origin_handshakes_total", handshakes, s.Pool.HandshakesFailed, "kind", "failed")
}
