package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/originpull/originpull/results"
)

func TestRenderComparison(t *testing.T) {
	c := &results.Comparison{
		Rows: []results.ComparedRow{
			{Arm: "a", Metric: "handshake.rtts", Kind: results.Exact, Change: results.Differs, Values: []results.Value{{Value: 1, Unit: "rtt", N: 3}, {Value: 2, Unit: "rtt", N: 3}}},
			{Arm: "a", Metric: "latency.p50", Values: []results.Value{{Value: 1.5, Low: 1.25, High: 1.75, Unit: "ms", N: 3}, {}}},
			{Arm: "a ÷ b", Metric: "handshake.cpu.edge", Change: results.Same, Values: []results.Value{{Value: 1.5, Low: 1.4, High: 1.6, N: 3}, {Value: 1.5, N: 1}}},
			{Arm: "x A01", Metric: "blocked → bypassed", Change: results.Differs},
		},
		Notes: []string{"the CPU model differs: x, y"},
	}
	var out bytes.Buffer
	if err := RenderComparison(&out, c, []string{"A base", "B head"}, Options{}); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"  a",
		"                  A base                       B head",
		"  handshake.rtts  1 rtt                        2 rtt   differs",
		"  latency.p50     1.50 ms [1.25 ms – 1.75 ms]  –",
		"",
		"  a ÷ b",
		"                      A base                 B head",
		"  handshake.cpu.edge  1.500 [1.400 – 1.600]  1.500   same",
		"",
		"  differs  x A01: blocked → bypassed",
		"  note  the CPU model differs: x, y",
		"  CPU and times of different runs are shown, not judged: the machine was in another state. originpull gate measures both",
		"  in turn.",
		"",
	}, "\n")
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
