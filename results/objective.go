package results

import (
	"errors"
	"fmt"
	"strings"
)

// objectiveWords are short for metrics, in objectives only.
var objectiveWords = map[string]string{
	"p50": "latency.p50", "p90": "latency.p90", "p99": "latency.p99", "p999": "latency.p999", "max": "latency.max",
	"failed": "requests.failed", "dropped": "requests.dropped",
}

// ParseObjective reads a rule that a search holds every rate against: one
// metric of a load, without selectors, and a number. p50, p90, p99, p999 and
// max are short for latency's, failed and dropped for requests'. Evaluate it
// on a result of one arm.
func ParseObjective(text string) (*Expression, error) {
	e, err := ParseExpression(text)
	if err != nil {
		return nil, err
	}
	if !e.universal() {
		return nil, errors.New("an objective is one metric, an operator and a number, for example latency.p99 < 50ms")
	}
	o := &e.left.operands[0]
	if len(o.selectors) > 0 {
		return nil, fmt.Errorf("%s: an objective is of every arm; remove the selectors", o)
	}
	if full, short := objectiveWords[o.metric]; short {
		o.metric = full
	}
	if err := e.checkMetrics(); err != nil {
		return nil, err
	}
	if m, _ := MetricNamed(o.metric); m.Kind == CPU || m.perExperiment || !ofLoad(o.metric) {
		return nil, fmt.Errorf("no rate of a search measures %s; use a latency, a share or a count of requests, for example latency.p99 < 50ms", o.metric)
	}
	return e, nil
}

// ofLoad reports whether a step of a search can measure the metric.
func ofLoad(metric string) bool {
	for _, prefix := range []string{MetricCapacity, "efficiency", "exposure.", "link.", "pool.count"} {
		if strings.HasPrefix(metric, prefix) {
			return false
		}
	}
	return true
}
