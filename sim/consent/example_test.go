package consent_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/originpull/originpull/sim/consent"
)

// An origin on this machine needs nobody's consent.
func Example() {
	target := consent.Target{Address: netip.MustParseAddrPort("127.0.0.1:8443"), Name: "origin.test"}
	given, err := consent.Lookup{}.Ask(context.Background(), target, consent.Spoken{})
	fmt.Println(given.By, err)
	// Output: it is on this machine <nil>
}
