package results

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documented are the metric names that the description of the result
// document promises.
var documented = strings.Fields(`
	latency.p50 latency.p90 latency.p99 latency.p999 latency.max
	service.p50 service.p90 service.p99 service.p999 service.max
	firstbyte.p50 firstbyte.p90 firstbyte.p99 firstbyte.p999 firstbyte.max
	connect.count handshake.full handshake.resumed handshake.failed handshake.rtts firstbyte.rtts
	handshake.bytes.sent handshake.bytes.received handshake.flights handshake.cpu.edge handshake.cpu.origin
	handshake.per1000 request.cpu.edge request.cpu.origin efficiency efficiency.edge efficiency.origin
	connect.p50 connect.p90 connect.p99 connect.p999 connect.max
	handshake.p50 handshake.p90 handshake.p99 handshake.p999 handshake.max
	requests.count requests.failed requests.502 requests.dropped reuse.ratio reuse.predicted reuse.deviation
	handshake.share handshake.share.predicted pool.count pool.rate
	pool.dials pool.connects pool.uses.mean pool.evicted.idle pool.retired.age pool.retired.uses pool.closed.origin pool.closed.surplus
	pool.race.noticed pool.race.predicted pool.race.lost pool.race.unsafe pool.retries.stale pool.retries.connect
	pool.wait.count pool.wait.shared pool.wait.refused pool.wait.timeout pool.circuit.opened pool.circuit.refused
	pool.wait.p50 pool.wait.p90 pool.wait.p99 pool.wait.p999 pool.wait.max
	cache.hit.ratio cache.hit.predicted cache.hit.deviation cache.objects cache.evicted cache.collapsed cache.stale cache.revalidated
	origin.requests origin.bytes origin.connections origin.foreign origin.offload origin.offload.predicted origin.offload.deviation
	rate.offered rate.achieved send.error.p50 send.error.p99 send.error.p999
	exposure.seconds bypass.unexpected failure.hidden capacity
	link.rtt.nominal link.rtt.realised link.late.p50 link.late.p99 link.drops`)

func TestEveryDocumentedMetricIsRegistered(t *testing.T) {
	var names []string
	for _, m := range Metrics() {
		names = append(names, m.Name)
	}
	if !slices.Equal(slices.Sorted(slices.Values(names)), slices.Sorted(slices.Values(documented))) {
		t.Errorf("registered %v\nwant %v", names, documented)
	}
}

func TestEveryMetricIsDescribed(t *testing.T) {
	name := regexp.MustCompile(`^[a-z]+(\.[a-z]+)*(\.[a-z]*[0-9]+)?$`)
	titles := map[string]string{}
	for _, m := range Metrics() {
		if !name.MatchString(m.Name) {
			t.Errorf("%s: not a metric's name", m.Name)
		}
		if _, known := units[m.Unit]; !known {
			t.Errorf("%s: unit %q does not convert", m.Name, m.Unit)
		}
		if !slices.Contains([]Kind{Exact, CPU, Time, Ratio, Count}, m.Kind) {
			t.Errorf("%s: kind is %q", m.Name, m.Kind)
		}
		if !slices.Contains([]string{Lower, Higher, Neither}, m.Better) {
			t.Errorf("%s: better is %q", m.Name, m.Better)
		}
		if m.Title == "" || strings.Contains(m.Title, "\n") || titles[m.Title] != "" {
			t.Errorf("%s: title %q is empty, not one line or taken by %q", m.Name, m.Title, titles[m.Title])
		}
		titles[m.Title] = m.Name
		found, ok := MetricNamed(m.Name)
		if !ok || found != m {
			t.Errorf("MetricNamed(%q) = %v, %v", m.Name, found, ok)
		}
		if v := NewValue(m.Name, 1, 3); v.Unit != m.Unit || v.Kind != m.Kind || v.Better != m.Better || v.N != 3 || v.HasInterval() {
			t.Errorf("NewValue(%q) = %+v", m.Name, v)
		}
	}
}

func TestUnitsOfTheMainMetrics(t *testing.T) {
	for name, unit := range map[string]string{
		"handshake.cpu.edge": "us", "request.cpu.origin": "us", "latency.p99": "ms", "send.error.p99": "ms",
		"exposure.seconds": "s", "handshake.bytes.sent": "B", "reuse.ratio": "ratio", "handshake.rtts": "rtt",
	} {
		if m, _ := MetricNamed(name); m.Unit != unit {
			t.Errorf("%s is in %q, want %q", name, m.Unit, unit)
		}
	}
}

func TestRegistryPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"a name registered twice": func() { register(Metric{Name: "reuse.ratio"}) },
		"an unknown metric":       func() { NewValue("reuse.rato", 1, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

func TestDidYouMean(t *testing.T) {
	for word, want := range map[string]string{
		"handshake.rtt":       `unknown metric "handshake.rtt": did you mean "handshake.rtts"?`,
		"handshke.cpu.origin": `unknown metric "handshke.cpu.origin": did you mean "handshake.cpu.origin"?`,
		"Reuse.Ratio":         `unknown metric "Reuse.Ratio": did you mean "reuse.ratio"?`,
		"zzzzzzzzzzzzzzzzzz":  `unknown metric "zzzzzzzzzzzzzzzzzz"`,
	} {
		if got := unknownMetric(word).Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestConvert(t *testing.T) {
	for _, c := range []struct {
		value    float64
		from, to string
		want     float64
	}{
		{1500, "us", "ms", 1.5},
		{1500, "µs", "ms", 1.5},
		{2, "s", "us", 2e6},
		{95, "%", "ratio", 0.95},
		{0.5, "ratio", "%", 50},
		{3, "KiB", "B", 3072},
		{7, "", "ms", 7},
		{7, "rtt", "rtt", 7},
		{1, "min", "s", 60},
	} {
		if got, err := convert(c.value, c.from, c.to); err != nil || got != c.want {
			t.Errorf("convert(%v, %q, %q) = %v, %v, want %v", c.value, c.from, c.to, got, err, c.want)
		}
	}
	for _, c := range [][2]string{{"ms", "B"}, {"parsec", "ms"}, {"ms", "parsec"}, {"count", "rtt"}} {
		if _, err := convert(1, c[0], c[1]); err == nil {
			t.Errorf("%q converts to %q", c[0], c[1])
		}
	}
}
