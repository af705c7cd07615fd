package results

import (
	"slices"
	"strings"
	"testing"
)

func TestCompareStored(t *testing.T) {
	a, b := decoded(t, "testdata/quickstart.result.json"), decoded(t, "testdata/quickstart.result.json")
	c, err := Compare([]*Result{a, b}, nil)
	if err != nil || len(c.Notes) != 0 {
		t.Fatal(err, c)
	}
	if changed := changes(c); len(changed) != 0 {
		t.Errorf("the same file differs from itself: %v", changed)
	}
	arm := b.Arm("handshake/edge.tls.version=1.2,auth=mtls")
	set := func(metric string, v float64) {
		value := arm.Metrics[metric]
		value.Value, value.Low, value.High = v, v, v
		arm.Metrics[metric] = value
	}
	set(MetricHandshakeRTTs, 3)
	set(MetricHandshakeOrigin, 9999) // another run, another machine: not judged
	set(MetricBytesSent, arm.Metrics[MetricBytesSent].Value+DERSlack)
	set(MetricBytesReceived, arm.Metrics[MetricBytesReceived].Value-DERSlack-1)
	row := slices.IndexFunc(b.Bypass, func(r BypassRow) bool { return r.Measured == VerdictBlocked })
	b.Bypass[row].Measured = VerdictBypassed
	b.Environment[EnvGo] = "go9"
	c, err = Compare([]*Result{a, b}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{arm.Name + " " + MetricHandshakeRTTs, arm.Name + " " + MetricBytesReceived, rowKey(&b.Bypass[row]) + " blocked → bypassed"}
	if got := changes(c); !slices.Equal(got, want) {
		t.Errorf("changes %q, want %q", got, want)
	}
	if len(c.Notes) != 1 || !strings.HasPrefix(c.Notes[0], "the Go version differs: go") {
		t.Errorf("notes %q", c.Notes)
	}
}

func changes(c *Comparison) []string {
	var out []string
	for _, row := range c.Rows {
		if row.Change == Differs {
			out = append(out, row.Arm+" "+row.Metric)
		}
	}
	return out
}

func TestCompareJudgesRatios(t *testing.T) {
	a, b := decoded(t, "testdata/quickstart.result.json"), decoded(t, "testdata/quickstart.result.json")
	i := slices.IndexFunc(b.Pairs, func(p Pair) bool { return p.Role == PairAxis && p.Metric == MetricHandshakeOrigin })
	b.Pairs[i].Ratio, b.Pairs[i].Low, b.Pairs[i].High = 9, 8, 10
	c, err := Compare([]*Result{a, b}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := changes(c), b.Pairs[i].A+" ÷ "+b.Pairs[i].B+" "+MetricHandshakeOrigin; len(got) != 1 || got[0] != want {
		t.Errorf("changes %q, want %q", got, want)
	}
	if c.Notes != nil {
		t.Errorf("notes %q", c.Notes)
	}
}

func TestCompareRefuses(t *testing.T) {
	a, b := decoded(t, "testdata/quickstart.result.json"), decoded(t, "testdata/quickstart.result.json")
	b.Arms, b.Bypass, b.Pairs = []Arm{{Name: "other"}}, nil, nil
	edited := decoded(t, "testdata/quickstart.result.json")
	edited.Arms[0].Histograms = map[string]string{"firstbyte": "SElTVA=="}
	for want, of := range map[string]struct {
		all   []*Result
		names []string
	}{
		"comparing needs at least two results":                              {[]*Result{a}, nil},
		`unknown metric "handshake.rtt": did you mean "handshake.rtts"?`:    {[]*Result{a, a}, []string{"handshake.rtt"}},
		"these results have no arm or bypass row in common":                 {[]*Result{a, b}, nil},
		"result 2: " + edited.Arms[0].Name + ": firstbyte: decoding a hist": {[]*Result{a, edited}, nil},
	} {
		if _, err := Compare(of.all, of.names); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
