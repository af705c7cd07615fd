package report

import (
	"strings"
	"testing"

	"github.com/originpull/originpull/results"
)

// The line of the generator names the arms that were late, so that their
// warnings are not printed besides; any other warning is.
func TestALateGeneratorIsToldOnce(t *testing.T) {
	r := &results.Result{Complete: true, Validity: results.Validity{
		Generator: map[string]results.Generator{
			"a": {Late: true, SendErrorP99: 9, Scheduled: 100, Sent: 90},
			"b": {RateMet: true, SendErrorP99: 1, Scheduled: 100, Sent: 100},
		},
		Warnings: []string{
			"a: the generator was late (99 % of requests sent within 9.0 ms of their time): its latency is not valid, counts and CPU are",
			"a: 10 of 100 scheduled requests were not sent in their block: the rate was not met",
			"a: 3 of 100 viewer requests failed: its latency is of the others only",
			"b: the generator was late, says somebody",
		},
	}}
	text := strings.Join(strings.Fields(render(t, "table", r, Options{})), " ")
	for part, want := range map[string]int{
		"generator LATE by up to 9.00 ms at p99, latency is not valid in: a": 1,
		"rate not met in: a (90 of 100 requests sent in their block)":        1,
		"99 % of requests": 0, "the rate was not met": 0, "3 of 100 viewer requests failed": 1, "says somebody": 1,
	} {
		if got := strings.Count(text, part); got != want {
			t.Errorf("%q stands %d times, want %d: %s", part, got, want, text)
		}
	}
}

// What an overloaded edge gave up is named beside the connections that agree.
func TestReconciliationNamesWhatWasGivenUp(t *testing.T) {
	for _, c := range []struct {
		tally results.Tally
		want  string
	}{
		{results.Tally{Arm: "a", Connects: 10, Handshakes: 12, GivenUp: 3}, "origins saw 12 of them end as a handshake or as plain TCP; of 3 attempts that the edges gave up unanswered nobody can tell"},
		{results.Tally{Arm: "a", Connects: 10, Handshakes: 10}, "origins saw 10 of them end as a handshake or as plain TCP"},
		{results.Tally{Arm: "a", Connects: 10, Handshakes: 8, Unheard: 1}, "reconciled NO: connections made by the edge and handshakes seen by the origin differ in a (10 and 8)"},
	} {
		r := &results.Result{Complete: true, Validity: results.Validity{Valid: c.tally.Agrees(), Reconciled: c.tally.Agrees(), Tallies: []results.Tally{c.tally}}}
		text := strings.Join(strings.Fields(render(t, "table", r, Options{})), " ")
		if !strings.Contains(text, c.want) || c.tally.GivenUp+c.tally.Unheard == 0 && strings.Contains(text, "gave up") {
			t.Errorf("%+v: %s", c.tally, text)
		}
	}
}
