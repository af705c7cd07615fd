package report

import (
	"strings"
	"testing"

	"github.com/originpull/originpull/results"
)

func TestRacesArePrintedWhereOneWasLost(t *testing.T) {
	post := arm("post")
	for name, v := range map[string]float64{"pool.race.noticed": 50, "pool.race.lost": 7, "pool.race.predicted": 8, "pool.retries.stale": 0, "pool.race.unsafe": 7, "requests.502": 6} {
		post.Metrics[name] = results.NewValue(name, v, 1)
	}
	r := &results.Result{
		Experiments: []results.Experiment{{Name: "h", Kind: results.KindRequests, Trials: 1}},
		Arms:        []results.Arm{post},
	}
	contains(t, render(t, "table", r, Options{}), "The keep-alive race", "x post 50 7 8 0 7 6")
	post.Metrics["pool.race.lost"] = results.NewValue("pool.race.lost", 0, 1)
	if report := render(t, "table", r, Options{}); strings.Contains(report, "keep-alive") {
		t.Errorf("a race that nobody lost is printed:\n%s", report)
	}
}
