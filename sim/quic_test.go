package sim

import (
	"strings"
	"testing"

	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/wire"
)

// TestChainsBeyondQUICAreRefused before anything starts, with the limit named.
func TestChainsBeyondQUICAreRefused(t *testing.T) {
	l, err := newLab()
	if err != nil {
		t.Fatal(err)
	}
	arm := Arm{Name: "handshake/h3", Settings: scenarios.Defaults()}
	arm.Settings.Edge.Protocol = "h3"
	set, err := l.credentials(&arm)
	if err != nil {
		t.Fatal(err)
	}
	pair := set.edge.Certificates[credEdge]
	for len(pair.Certificate) < 2*wire.MaxQUICHandshake {
		pair.Certificate += set.edge.Certificates[credEdge].Certificate
	}
	set.edge.Certificates = map[string]pki.KeyPair{credEdge: pair}
	l.issued[arm.issued()] = set
	if _, err := l.credentials(&arm); err == nil || !strings.Contains(err.Error(), "cannot be sent over h3: quic-go takes at most 16384 bytes of handshake") {
		t.Errorf("error is %v", err)
	}
	arm.Settings.Edge.Protocol = "h1"
	if _, err := l.credentials(&arm); err != nil {
		t.Errorf("over h1: %v", err)
	}
}

// TestHandshakeQUICIsPlanned within 100 s, with a baseline that is no QUIC.
func TestHandshakeQUICIsPlanned(t *testing.T) {
	source, err := scenarios.Open("handshake-quic")
	if err != nil {
		t.Fatal(err)
	}
	scenario, err := scenarios.Load(source)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := Compile(scenario)
	if err != nil {
		t.Fatal(err)
	}
	if plan.PlannedSeconds > 100 {
		t.Errorf("planned for %.0f s", plan.PlannedSeconds)
	}
	for i, want := range []int{10, 8} {
		arms := plan.Experiments[i].Arms
		if len(arms) != want {
			t.Fatalf("%d arms, want %d", len(arms), want)
		}
		for i := range arms {
			if want := strings.Contains(arms[i].Axes["handshake"], "h3"); arms[i].overQUIC() != want {
				t.Errorf("%s over QUIC: %t", arms[i].Name, !want)
			}
		}
	}
}
