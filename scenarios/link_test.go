package scenarios

import (
	"strings"
	"testing"
)

func TestLinkKindFollowsTheRest(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                           "direct",
		"{seed: 3}":                    "direct",
		"{rtt: 50ms}":                  "netstack",
		"{loss: 0.005}":                "netstack",
		"{rate: 1.5Mbit/s}":            "netstack",
		"{kind: tun, rtt: 1s}":         "tun",
		"{kind: direct, rtt: 10ms}":    "direct", // for those who know the kinds to refuse
		"{rtt: 0s, loss: 0, mtu: 0}":   "direct",
		"{kind: model, rtt: 0s}":       "model",
		"{rtt: 20ms, jitter: 1ms}":     "netstack",
		"{queue: 64KiB, rate: 8bit/s}": "",
	} {
		s, err := Load(Source{File: "x.yaml", Content: []byte("version: 1\nlink: " + text + "\n")})
		if want == "" {
			if err == nil || !strings.Contains(err.Error(), "x.yaml:2: link.rate: 8bit/s is less than 8kbit/s") {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for _, got := range []string{s.Link.Kind, s.Experiments[0].Link.Kind, s.Experiments[0].Cells()[0].Link.Kind} {
			if got != want {
				t.Errorf("%s: kind %q, want %q", text, got, want)
			}
		}
	}
}

// TestLinkAxis: an arm without a distance stays on loopback, and the experiment
// has the trials of one with long blocks.
func TestLinkAxis(t *testing.T) {
	s, err := Load(Source{File: "x.yaml", Content: []byte(`
version: 1
workload: {mode: handshakes}
compare: [{axis: link.rtt, values: [0s, 50ms]}]
`)})
	if err != nil {
		t.Fatal(err)
	}
	cells := s.Experiments[0].Cells()
	if near, far := cells[0].Link, cells[1].Link; near.Distant() || !far.Distant() || far.RTT != 50e6 {
		t.Errorf("%+v %+v", near, far)
	}
	if n := s.Experiments[0].Workload.Trials; n != 1 {
		t.Errorf("%d trials", n)
	}
	if from, ok := cells[1].WrittenBy("link.rtt"); !ok || from != "compare[0].values[1]" {
		t.Errorf("written by %q", from)
	}
}

func TestBandwidth(t *testing.T) {
	for text, want := range map[string]string{
		"8kbit/s": "8kbit/s", "0.5Mbit/s": "500kbit/s", "1500Mbit/s": "1.5Gbit/s", "100bit/s": "100bit/s",
	} {
		var b Bandwidth
		if err := b.UnmarshalText([]byte(text)); err != nil || b.String() != want {
			t.Errorf("%s: %s, %v", text, b, err)
		}
	}
	for _, text := range []string{"", "100", "1MB/s", "bit/s", "1e3bit/s", "99999999999999999999Gbit/s"} {
		var b Bandwidth
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %s", text, b)
		}
	}
}
