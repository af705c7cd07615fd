package wire

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLinkProblems(t *testing.T) {
	const ms = time.Millisecond
	for _, r := range []struct {
		link Link
		want []string // every problem, in order; prefixes
	}{
		{Link{}, nil},
		{Link{RTT: 50 * ms}, nil},
		{Link{Kind: "direct", Seed: 7}, nil},
		{Link{Kind: "model", RTT: 50 * ms, MTU: 1400, InitialWindow: 4380, MSS: 1460}, nil},
		{Link{Kind: "netstack", RTT: 50 * ms, Jitter: 25 * ms, Loss: 0.5, Rate: 1e6, Queue: 1500, MTU: 1280}, nil},
		{Link{Kind: "tun", RTT: 50 * ms, Jitter: 25 * ms, Loss: 0.5, Rate: 1e6, Queue: 9000, MTU: 9000}, nil},
		{Link{Kind: "satellite"}, []string{`link.kind: unknown kind "satellite": use one of direct, netstack, model, tun`}},
		{
			Link{Kind: "direct", RTT: 50 * ms, Jitter: ms, Loss: 0.1, Rate: 1e6},
			[]string{
				"link.rtt: a direct link has none: use netstack or tun", "link.jitter: a direct link has none: use netstack or tun",
				"link.loss: a direct link has none: use netstack or tun", "link.rate: a direct link has none: use netstack or tun",
			},
		},
		{Link{Kind: "direct", RTT: 50 * ms}, []string{"link.rtt: a direct link has none: use netstack or model or tun"}},
		{Link{Kind: "model", RTT: 50 * ms, Loss: 0.01}, []string{"link.loss: a model link has none: use netstack or tun"}},
		{Link{Kind: "netstack", RTT: ms, MSS: 1000}, []string{"link.mss: a netstack link has none: use model"}},
		{Link{Kind: "tun", Loss: 0.1, MSS: 1000}, []string{"link.mss: a tun link has none: no kind has all of loss, mss at once"}},
		{Link{RTT: -1}, []string{"link.rtt: -1ns is not between"}},
		{Link{RTT: time.Minute}, []string{"link.rtt: 1m0s is not between 0 and 10s"}},
		{Link{RTT: 50 * ms, Jitter: 26 * ms}, []string{"link.jitter: 26ms is not between 0 and half of the rtt, 25ms"}},
		{Link{Jitter: -1}, []string{"link.jitter: "}},
		{Link{Loss: 1}, []string{"link.loss: 1 is not a share"}},
		{Link{Loss: -0.1}, []string{"link.loss: -0.1 is not a share"}},
		{Link{Rate: -1}, []string{"link.rate: -1 bit/s is less than"}},
		{Link{Rate: 100}, []string{"link.rate: 100 bit/s is less than"}},
		{Link{Rate: maxRate}, nil},
		{Link{Rate: maxRate + 1}, []string{"link.rate: 1000000001 bit/s are more than an emulated link carries"}},
		{Link{MTU: 1279}, []string{"link.mtu: 1279 bytes are not between 1280 and 65535"}},
		{Link{MTU: 70000}, []string{"link.mtu: 70000 bytes"}},
		{Link{Queue: 5000}, []string{"link.queue: nothing waits on a link without a rate"}},
		{Link{Rate: 1e6, Queue: 1499}, []string{"link.queue: 1499 bytes hold no packet of 1500"}},
		{Link{Kind: "model", InitialWindow: -1, MSS: -1}, []string{"link.initialWindow: -1", "link.mss: -1"}},
		{
			Link{Kind: "model", RTT: -1, Jitter: -1, Loss: 2},
			[]string{"link.rtt: ", "link.jitter: -1ns", "link.loss: 2", "link.jitter: a model link", "link.loss: a model link"},
		},
	} {
		got := r.link.Problems()
		if len(got) != len(r.want) {
			t.Errorf("%+v: %d problems instead of %d: %v", r.link, len(got), len(r.want), got)
			continue
		}
		for i, p := range got {
			if !strings.HasPrefix(p.Error(), r.want[i]) {
				t.Errorf("%+v: %q instead of %q", r.link, p.Error(), r.want[i])
			}
		}
		if err := r.link.Validate(); (err == nil) != (len(got) == 0) {
			t.Errorf("%+v: %v", r.link, err)
		}
	}
}

func TestLinkResolved(t *testing.T) {
	for _, r := range []struct{ link, want Link }{
		{Link{Seed: 1}, Link{Kind: "direct", Seed: 1}},
		{Link{RTT: time.Second}, Link{Kind: "netstack", RTT: time.Second, MTU: 1500}},
		{Link{Kind: "model", RTT: time.Second}, Link{Kind: "model", RTT: time.Second}},
		{Link{Rate: 8e6, MTU: 1400}, Link{Kind: "netstack", Rate: 8e6, Queue: 64 << 10, MTU: 1400}},
		{Link{RTT: time.Second, Rate: 8e6}, Link{Kind: "netstack", RTT: time.Second, Rate: 8e6, Queue: 1e6, MTU: 1500}},
	} {
		if got := r.link.Resolved(); got != r.want {
			t.Errorf("%+v became %+v instead of %+v", r.link, got, r.want)
		}
	}
}

// TestKinds is the conformance test of the registry.
func TestKinds(t *testing.T) {
	if got := Kinds(); !slices.Equal(got, []string{"direct", "netstack", "model", "tun"}) {
		t.Errorf("kinds %v", got)
	}
	for _, name := range Kinds() {
		k, known := KindOf(name)
		if !known || k.Summary == "" || strings.HasSuffix(k.Summary, ".") {
			t.Errorf("%s: %+v", name, k)
		}
		for _, field := range k.honours {
			if !slices.ContainsFunc(linkFields, func(f struct {
				name string
				set  func(Link) bool
			},
			) bool {
				return f.name == field
			}) {
				t.Errorf("%s honours %q, which is no field", name, field)
			}
		}
		if _, err := Open(Link{Kind: name, MSS: -1}); err == nil {
			t.Errorf("%s opened a link that is not valid", name)
		}
	}
	if _, known := KindOf("satellite"); known {
		t.Error("an unknown kind is known")
	}
}
