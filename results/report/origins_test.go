package report

import (
	"strings"
	"testing"

	"github.com/originpull/originpull/results"
)

func TestOriginsArePrintedWhereThereAreSeveral(t *testing.T) {
	a := arm("both")
	a.Metrics["requests.count"] = results.NewValue("requests.count", 1200, 1)
	for name, failed := range map[string]float64{"api": 3} {
		o := results.Origin{Name: name, Metrics: map[string]results.Value{}}
		for metric, v := range map[string]float64{
			"requests.count": 1200, "requests.failed": failed, "origin.requests": 900, "connect.count": 4, "handshake.full": 1, "handshake.resumed": 3,
			"reuse.ratio": 0.75, "pool.wait.count": 17, "latency.p50": 2, "latency.p99": 30, results.MetricForeign: 5,
		} {
			o.Metrics[metric] = results.NewValue(metric, v, 10)
		}
		a.Origins = append(a.Origins, o)
	}
	r := &results.Result{
		Experiments: []results.Experiment{{Name: "h", Kind: results.KindRequests, Trials: 1}},
		Arms:        []results.Arm{a},
		Validity: results.Validity{Tallies: []results.Tally{
			{Arm: "h/both", Origin: "api", Connects: 4, Handshakes: 5}, {Arm: "h/both", Origin: "files", Connects: 1, Handshakes: 1},
		}},
	}
	text := render(t, "table", r, Options{Width: 160})
	contains(t, text, "Several origins", "both, api 1,200 3 900 4 1 3 75.0 % 17 2.00 ms 30.0 ms 5", "differ in h/both, origin api (4 and 5)")
	a.Origins = nil
	r.Arms = []results.Arm{a}
	if text := render(t, "table", r, Options{}); strings.Contains(text, "Several origins") {
		t.Errorf("one origin is several:\n%s", text)
	}
}
