package sim

import (
	"reflect"
	"testing"
	"time"

	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
)

// TestPoolSettingsReachThePool: each setting of a scenario, and the defaults,
// which are the pool's own.
func TestPoolSettingsReachThePool(t *testing.T) {
	got := poolConfig(&scenarios.Edge{Pool: scenarios.Pool{
		Reuse: true, IdleTimeout: 1, MaxConnections: 2, MaxAge: 3, MaxUses: 4, Order: "fifo", Prewarm: 5, MaxWaiting: 6, WaitTimeout: 7,
		Retries: scenarios.Retries{Attempts: 8, Methods: "get"}, Circuit: scenarios.Circuit{Failures: 9, Open: 10},
	}, Retry: scenarios.Retry{ConnectTimeout: 11, ResponseTimeout: 12}})
	want := pool.Config{
		Reuse: true, IdleTimeout: 1, MaxConnections: 2, MaxAge: 3, MaxUses: 4, Order: pool.FIFO, Prewarm: 5, MaxWaiting: 6, WaitTimeout: 7,
		Retry: pool.Retry{Attempts: 8, Methods: []string{"GET", "HEAD"}}, Circuit: pool.Circuit{Failures: 9, Open: 10},
		DialTimeout: 11, ResponseTimeout: 12,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if none := poolConfig(&scenarios.Edge{Pool: scenarios.Pool{Retries: scenarios.Retries{Methods: "none"}}}).Retry.Methods; none == nil || len(none) != 0 {
		t.Errorf("none is %v, and nil is the default", none)
	}
	defaults := scenarios.Defaults().Edge
	got = poolConfig(&defaults)
	want = pool.Config{
		Reuse: true, IdleTimeout: 5 * time.Second, MaxConnections: 64, Order: pool.LIFO,
		Retry: pool.Retry{Attempts: 2}, Circuit: pool.Circuit{Open: 10 * time.Second},
		DialTimeout: 5 * time.Second, ResponseTimeout: 30 * time.Second,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestPoolCountsAreMetrics(t *testing.T) {
	m := map[string]float64{}
	poolMetrics(m, map[string]int64{"pool.connects": 1})
	for name := range m {
		if metric, known := results.MetricNamed(name); !known || metric.Kind != results.Count {
			t.Errorf("%s: %+v", name, metric)
		}
	}
	if len(m) != len(poolCounts)-2+1 { // the edge counts its own retries
		t.Errorf("%d metrics", len(m))
	}
	m = map[string]float64{}
	if poolMetrics(m, nil); len(m) != 0 {
		t.Errorf("no sample gives %v", m)
	}
	if poolMetrics(m, map[string]int64{"pool.connects": 2, countPoolEnded: 2, countPoolUses: 3}); m["pool.uses.mean"] != 1.5 {
		t.Errorf("mean %v", m["pool.uses.mean"])
	}
}

// TestPoolPolicies: settings as axes, their counts as metrics.
func TestPoolPolicies(t *testing.T) {
	result := mustRun(t, compileText(t, `
version: 1
name: small
edge: {cache: {capacity: 0}}
origin: {strategies: [mtls]}
experiments:
  - name: p
    workload: {mode: requests, arrivals: {model: closed}, concurrency: 4, duration: 200ms, warmup: 0s}
    compare:
      - axis: pool
        values:
          - {name: plain, set: {}}
          - {name: uses, set: {edge.pool.maxUses: 5}}
          - {name: age, set: {edge.pool.maxAge: 20ms}}
          - {name: warm, set: {edge.pool.prewarm: 4, edge.pool.order: fifo}}
          - {name: narrow, set: {edge.pool.maxConnections: 1}}
          - {name: h2, set: {edge.protocol: h2}}
`))
	metric := func(arm, name string) float64 {
		a := result.Arm("p/pool=" + arm)
		v, have := a.Metrics[name]
		if !have || a.Metrics["requests.failed"].Value != 0 {
			t.Errorf("%s has no %s, or failures", arm, name)
		}
		return v.Value
	}
	if n := metric("plain", "pool.connects"); n > 4 || metric("plain", "pool.dials") != n || metric("plain", "pool.retired.uses") != 0 {
		t.Errorf("plain: %v connections", n)
	}
	if mean := metric("uses", "pool.uses.mean"); mean > 5 || mean < 4 || metric("uses", "pool.retired.uses") == 0 {
		t.Errorf("uses: %v requests on a connection", mean)
	}
	if metric("age", "pool.retired.age") == 0 {
		t.Error("age: no connection was retired")
	}
	if n := metric("warm", "pool.connects"); n != 0 || metric("warm", "reuse.ratio") != 1 {
		t.Errorf("warm: %v connections more", n)
	}
	if labels := result.Arm("p/pool=warm").Labels; labels["protocol"] != "h1" || labels["tls.version"] != "1.3" || labels["group"] != "x25519" {
		t.Errorf("warm: labels %v", labels)
	}
	if metric("narrow", "pool.wait.count") == 0 || metric("narrow", "pool.connects") > 1 {
		t.Error("narrow: nothing waited")
	}
	if n := metric("h2", "pool.wait.shared"); n > 3 || metric("h2", "pool.connects") > 1 {
		t.Errorf("h2: %v shared a dial", n)
	}
	if !result.Validity.Reconciled {
		t.Errorf("not reconciled: %+v", result.Validity)
	}
}

// TestNetHTTPPoolReconciles: a pool in net/http's care dials what nobody uses
// and closes what is in its way, and every connection is accounted for.
func TestNetHTTPPoolReconciles(t *testing.T) {
	result := mustRun(t, compileText(t, `
version: 1
name: nethttp
origin: {response: {size: 1KiB, delay: 2ms}}
edge: {pool: {kind: nethttp}}
workload: {mode: requests, concurrency: 1, arrivals: {model: poisson, rate: 300/s}, objects: {model: one}, duration: 400ms, warmup: 50ms, controls: false}
compare:
  - {axis: edge.tls.version, values: ["1.2", "1.3"]}
  - {axis: edge.tls.resumption, values: [false, true]}
  - {axis: edge.pool.maxIdle, values: [0, 64]}
expect: ["requests.failed == 0", "origin.requests > 50", "pool.retries.stale == 0", "pool.dials{edge.pool.maxIdle=0} > 0"]
`))
	for _, x := range result.Expectations {
		if !x.Pass {
			t.Errorf("%s: %s", x.Expression, x.Detail)
		}
	}
	if !result.Validity.Reconciled || len(result.Validity.Tallies) != 8 {
		t.Errorf("not reconciled: %+v", result.Validity)
	}
	for i := range result.Arms {
		if _, predicted := result.Arms[i].Metrics["reuse.predicted"]; predicted {
			t.Errorf("%s: a prediction, and connections that end otherwise than by idleness", result.Arms[i].Name)
		}
	}
}
