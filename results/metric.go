package results

import (
	"fmt"
	"slices"
	"strings"
)

// Kind says how a metric is compared: exact and count values bit for bit,
// cpu and time values only as paired ratios of one run, never against a
// stored absolute.
type Kind string

// The kinds of metric.
const (
	Exact Kind = "exact" // the same on every machine: round trips, bytes, verdicts
	CPU   Kind = "cpu"   // processor time of one process
	Time  Kind = "time"  // wall-clock time
	Ratio Kind = "ratio" // a share or a ratio of two counts
	Count Kind = "count" // how often something happened; depends on how long the run was
)

// The directions of Metric.Better and Value.Better.
const (
	Lower   = "lower"
	Higher  = "higher"
	Neither = "none"
)

// Metric is one thing a run can measure. Its unit is fixed: CPU is always in
// microseconds ("us"), latency and every other duration that a request sees
// in milliseconds ("ms"), exposure in seconds ("s"), sizes in bytes ("B"),
// shares between 0 and 1 ("ratio").
type Metric struct {
	Name   string // dotted, stable for ever: expectations and gates use it
	Unit   string
	Kind   Kind
	Better string // Lower, Higher or Neither
	Title  string // one line for a person

	// perExperiment marks what belongs to an experiment as a whole and is
	// counted from its bypass rows, not from an arm.
	perExperiment bool
}

// Names of the metrics that code refers to.
const (
	MetricHandshakeRTTs    = "handshake.rtts"
	MetricFirstByteRTTs    = "firstbyte.rtts"
	MetricBytesSent        = "handshake.bytes.sent"
	MetricBytesReceived    = "handshake.bytes.received"
	MetricHandshakeEdge    = "handshake.cpu.edge"
	MetricHandshakeOrigin  = "handshake.cpu.origin"
	MetricRequestEdge      = "request.cpu.edge"
	MetricRequestOrigin    = "request.cpu.origin"
	MetricEfficiency       = "efficiency" // the origin's, under its first name
	MetricEfficiencyEdge   = "efficiency.edge"
	MetricEfficiencyOrigin = "efficiency.origin"
	MetricBypassUnexpected = "bypass.unexpected"
	MetricForeign          = "origin.foreign"
)

// metrics is the private registry, in the order of the result document's
// description; byName finds an entry.
var (
	metrics []Metric
	byName  = map[string]int{}
)

// register adds a metric; two of one name are a mistake in this package.
func register(list ...Metric) {
	for _, m := range list {
		if _, taken := byName[m.Name]; taken {
			panic("results: metric " + m.Name + " is registered twice")
		}
		byName[m.Name] = len(metrics)
		metrics = append(metrics, m)
	}
}

// spread registers prefix.p50 … prefix.max (those named) as wall-clock times.
func spread(prefix, title string, suffixes ...string) {
	words := map[string]string{"p50": "median", "p90": "90th percentile", "p99": "99th percentile", "p999": "99.9th percentile", "max": "maximum"}
	for _, s := range suffixes {
		register(Metric{Name: prefix + "." + s, Unit: "ms", Kind: Time, Better: Lower, Title: title + ", " + words[s]})
	}
}

func init() {
	all := []string{"p50", "p90", "p99", "p999", "max"}
	spread("latency", "time to the reply from the intended start of the request", all...)
	spread("service", "time to the reply from the real start of the request", all...)
	spread("firstbyte", "time to the first reply byte, connecting included", all...)
	spread("connect", "time of TCP connect", all...)
	spread("handshake", "time of the TLS handshake, TCP connect excluded", all...)
	register(
		Metric{Name: "connect.count", Unit: "count", Kind: Count, Better: Lower, Title: "TCP connections made to the origin"},
		Metric{Name: "handshake.full", Unit: "count", Kind: Count, Better: Neither, Title: "full TLS handshakes"},
		Metric{Name: "handshake.resumed", Unit: "count", Kind: Count, Better: Neither, Title: "resumed TLS handshakes"},
		Metric{Name: "handshake.failed", Unit: "count", Kind: Count, Better: Lower, Title: "TLS handshakes that failed"},
		Metric{Name: MetricHandshakeRTTs, Unit: "rtt", Kind: Exact, Better: Lower, Title: "round trips until the handshake returns, TCP excluded"},
		Metric{Name: MetricFirstByteRTTs, Unit: "rtt", Kind: Exact, Better: Lower, Title: "round trips until the first reply byte, TCP included"},
		Metric{Name: MetricBytesSent, Unit: "B", Kind: Exact, Better: Lower, Title: "bytes the edge sends for one handshake"},
		Metric{Name: MetricBytesReceived, Unit: "B", Kind: Exact, Better: Lower, Title: "bytes the edge receives for one handshake, tickets included"},
		Metric{Name: "handshake.flights", Unit: "flights", Kind: Exact, Better: Lower, Title: "flights of one handshake, both directions"},
		Metric{Name: MetricHandshakeEdge, Unit: "us", Kind: CPU, Better: Lower, Title: "CPU of the edge per handshake, net of the baseline"},
		Metric{Name: MetricHandshakeOrigin, Unit: "us", Kind: CPU, Better: Lower, Title: "CPU of the origin per handshake, net of the baseline"},
		Metric{Name: "handshake.per1000", Unit: "per 1000 requests", Kind: Ratio, Better: Lower, Title: "handshakes per 1,000 viewer requests"},
		Metric{Name: MetricRequestEdge, Unit: "us", Kind: CPU, Better: Lower, Title: "CPU of the edge per viewer request, generator and recorder included, the generator's spinning not"},
		Metric{Name: MetricRequestOrigin, Unit: "us", Kind: CPU, Better: Lower, Title: "CPU of the origin per viewer request"},
		Metric{Name: MetricEfficiency, Unit: "ratio", Kind: Ratio, Better: Higher, Title: "share of the handshake's CPU at the origin that is cryptography"},
		Metric{Name: MetricEfficiencyEdge, Unit: "ratio", Kind: Ratio, Better: Higher, Title: "primitive operations of the edge's side over its CPU per handshake"},
		Metric{Name: MetricEfficiencyOrigin, Unit: "ratio", Kind: Ratio, Better: Higher, Title: "primitive operations of the origin's side over its CPU per handshake"},
		Metric{Name: "requests.count", Unit: "count", Kind: Count, Better: Neither, Title: "viewer requests answered"},
		Metric{Name: "requests.failed", Unit: "count", Kind: Count, Better: Lower, Title: "viewer requests that failed"},
		Metric{Name: "requests.502", Unit: "count", Kind: Count, Better: Lower, Title: "viewer requests answered with 502 (Bad Gateway)"},
		Metric{Name: "requests.dropped", Unit: "count", Kind: Count, Better: Lower, Title: "viewer requests that were due and never sent"},
		Metric{Name: "reuse.ratio", Unit: "ratio", Kind: Ratio, Better: Higher, Title: "share of origin requests on a reused connection"},
		Metric{Name: "reuse.predicted", Unit: "ratio", Kind: Ratio, Better: Neither, Title: "reuse that the closed form 1 − e^(−λT/N) predicts"},
		Metric{Name: "reuse.deviation", Unit: "ratio", Kind: Ratio, Better: Lower, Title: "how far reuse.ratio is from reuse.predicted, either way"},
		Metric{Name: "handshake.share", Unit: "ratio", Kind: Ratio, Better: Lower, Title: "share of origin requests that paid a full TLS handshake"},
		Metric{Name: "handshake.share.predicted", Unit: "ratio", Kind: Ratio, Better: Neither, Title: "share of origin requests that pay a full handshake by the closed form e^(−λT/N)"},
		Metric{Name: "pool.count", Unit: "count", Kind: Exact, Better: Neither, Title: "pools that dial the origin: N of the closed form"},
		Metric{Name: "pool.rate", Unit: "/s", Kind: Ratio, Better: Neither, Title: "origin requests per second, over all pools: λ of the closed form"},
	)
	spread("pool.wait", "time waited for a connection of the pool", all...)
	register(
		Metric{Name: "pool.dials", Unit: "count", Kind: Count, Better: Lower, Title: "TCP connects and QUIC sockets that the pool began"},
		Metric{Name: "pool.connects", Unit: "count", Kind: Count, Better: Lower, Title: "connections that the pool made"},
		Metric{Name: "pool.uses.mean", Unit: "ratio", Kind: Ratio, Better: Higher, Title: "requests that a connection of the pool carried, on average"},
		Metric{Name: "pool.evicted.idle", Unit: "count", Kind: Count, Better: Lower, Title: "connections closed because they idled too long"},
		Metric{Name: "pool.retired.age", Unit: "count", Kind: Count, Better: Neither, Title: "connections closed because of their age"},
		Metric{Name: "pool.retired.uses", Unit: "count", Kind: Count, Better: Neither, Title: "connections closed because of the requests they had carried"},
		Metric{Name: "pool.closed.origin", Unit: "count", Kind: Count, Better: Lower, Title: "connections that the origin asked to end"},
		Metric{Name: "pool.closed.surplus", Unit: "count", Kind: Count, Better: Lower, Title: "connections that net/http's pool closed because enough were idle, or nobody came for them"},
		Metric{Name: "pool.race.noticed", Unit: "count", Kind: Count, Better: Lower, Title: "idle connections that the origin had closed, noticed before a request was sent"},
		Metric{Name: "pool.race.lost", Unit: "count", Kind: Count, Better: Lower, Title: "reused connections that the origin closed before it answered"},
		Metric{Name: "pool.race.predicted", Unit: "count", Kind: Ratio, Better: Neither, Title: "requests that lose that race by the closed form e^(−λ(T−r)) − e^(−λT)"},
		Metric{Name: "pool.race.unsafe", Unit: "count", Kind: Count, Better: Lower, Title: "of those, requests that could not be sent again"},
		Metric{Name: "pool.retries.stale", Unit: "count", Kind: Count, Better: Lower, Title: "requests sent again on another connection or stream"},
		Metric{Name: "pool.retries.connect", Unit: "count", Kind: Count, Better: Lower, Title: "failed connects tried again"},
		Metric{Name: "pool.wait.count", Unit: "count", Kind: Count, Better: Lower, Title: "requests that waited at the pool's limit"},
		Metric{Name: "pool.wait.shared", Unit: "count", Kind: Count, Better: Neither, Title: "requests that waited for another's dial, over h2"},
		Metric{Name: "pool.wait.refused", Unit: "count", Kind: Count, Better: Lower, Title: "requests that failed because too many waited"},
		Metric{Name: "pool.wait.timeout", Unit: "count", Kind: Count, Better: Lower, Title: "requests that failed because they waited too long"},
		Metric{Name: "pool.circuit.opened", Unit: "count", Kind: Count, Better: Lower, Title: "times that the circuit to the origin opened"},
		Metric{Name: "pool.circuit.refused", Unit: "count", Kind: Count, Better: Lower, Title: "dials that an open circuit refused"},
		Metric{Name: "cache.hit.ratio", Unit: "ratio", Kind: Ratio, Better: Higher, Title: "share of viewer requests answered from the cache"},
		Metric{Name: "cache.hit.predicted", Unit: "ratio", Kind: Ratio, Better: Neither, Title: "hit ratio that the closed form predicts"},
		Metric{Name: "cache.hit.deviation", Unit: "ratio", Kind: Ratio, Better: Lower, Title: "how far cache.hit.ratio is from cache.hit.predicted, either way"},
		Metric{Name: "cache.objects", Unit: "count", Kind: Count, Better: Neither, Title: "objects that the cache of a point of presence held at the end"},
		Metric{Name: "cache.evicted", Unit: "count", Kind: Count, Better: Neither, Title: "objects that left the caches for want of room"},
		Metric{Name: "cache.collapsed", Unit: "count", Kind: Count, Better: Neither, Title: "viewer requests that waited for another one's origin request"},
		Metric{Name: "cache.stale", Unit: "count", Kind: Count, Better: Neither, Title: "viewer requests answered with a stale object"},
		Metric{Name: "cache.revalidated", Unit: "count", Kind: Count, Better: Neither, Title: "objects that the origin confirmed unchanged"},
		Metric{Name: "origin.requests", Unit: "count", Kind: Count, Better: Lower, Title: "requests that reached the origin"},
		Metric{Name: "origin.bytes", Unit: "B", Kind: Count, Better: Lower, Title: "body bytes the origin sent"},
		Metric{Name: "origin.connections", Unit: "count", Kind: Count, Better: Lower, Title: "connections the origin accepted"},
		Metric{Name: MetricForeign, Unit: "count", Kind: Exact, Better: Lower, Title: "requests that an origin among several refused, had no object for, or was not sent by the edge"},
		Metric{Name: "origin.offload", Unit: "ratio", Kind: Ratio, Better: Higher, Title: "share of viewer requests that never reached the origin"},
		Metric{Name: "origin.offload.predicted", Unit: "ratio", Kind: Ratio, Better: Neither, Title: "offload that the closed form predicts"},
		Metric{Name: "origin.offload.deviation", Unit: "ratio", Kind: Ratio, Better: Lower, Title: "how far origin.offload is from origin.offload.predicted, either way"},
		Metric{Name: "rate.offered", Unit: "/s", Kind: Ratio, Better: Neither, Title: "viewer requests scheduled per second"},
		Metric{Name: "rate.achieved", Unit: "/s", Kind: Ratio, Better: Higher, Title: "viewer requests answered per second"},
	)
	register(Metric{Name: "failure.hidden", Unit: "ms", Kind: Time, Better: Neither, Title: "from the moment when the origin refused the edge to the first viewer who was told"})
	spread("send.error", "how late the generator sent a request", "p50", "p99", "p999")
	register(
		Metric{Name: "exposure.seconds", Unit: "s", Kind: Time, Better: Lower, Title: "how long a revoked or rotated credential still worked"},
		Metric{Name: MetricBypassUnexpected, Unit: "count", Kind: Exact, Better: Lower, Title: "bypass attempts that did not end as predicted", perExperiment: true},
	)
}

// Metrics returns every metric, in a fixed order.
func Metrics() []Metric { return slices.Clone(metrics) }

// MetricNamed finds a metric by its name.
func MetricNamed(name string) (Metric, bool) {
	i, ok := byName[name]
	if !ok {
		return Metric{}, false
	}
	return metrics[i], true
}

// NewValue returns a value of the named metric with its unit, kind and
// direction from the registry, measured n times, and no interval. It panics
// for a name that is not registered, because only code names metrics here.
func NewValue(name string, value float64, n int) Value {
	m, ok := MetricNamed(name)
	if !ok {
		panic("results: no metric is named " + name)
	}
	return Value{Value: value, Unit: m.Unit, Kind: m.Kind, Better: m.Better, N: n}
}

// unknownMetric is the error for a name that is not registered; it names the
// nearest one when there is one.
func unknownMetric(name string) error {
	names := make([]string, len(metrics))
	for i, m := range metrics {
		names[i] = m.Name
	}
	return fmt.Errorf("unknown metric %q%s", name, didYouMean(name, names))
}

// didYouMean returns `: did you mean "x"?` for the nearest candidate, or ""
// when none is near.
func didYouMean(word string, candidates []string) string {
	best, nearest := len(word)/3+2, ""
	for _, c := range candidates {
		if d := editDistance(strings.ToLower(word), strings.ToLower(c)); d < best {
			best, nearest = d, c
		}
	}
	if nearest == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", nearest)
}

// editDistance is the Levenshtein distance in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost = 1 + min(diagonal, row[j], row[j-1])
			}
			diagonal, row[j] = row[j], cost
		}
	}
	return row[len(b)]
}
