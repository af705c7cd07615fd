package sim

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/originpull/originpull/origin"
)

// startOrigin serves an arm's origin in this process until the test ends.
func startOrigin(t *testing.T, arm *Arm, credentials credentialSet) netip.AddrPort {
	t.Helper()
	policy, err := pinned(arm.Policy, credentials)
	if err != nil {
		t.Fatal(err)
	}
	start := Start{Arm: *arm, Credentials: credentials.origin, Certificate: credOrigin}
	start.Arm.Policy = policy
	server, err := origin.New(originConfig(&start))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = server.Shutdown(ctx)
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return netip.MustParseAddrPort(listener.Addr().String())
}

func originCounts(full int64) *origin.Counts { return &origin.Counts{Accepted: full, Full: full} }
