package wire_test

import (
	"fmt"
	"time"

	"github.com/originpull/originpull/wire"
)

// What handshakes take in theory; the tests hold the real ones to it.
func Example() {
	for _, version := range wire.Versions() {
		full, _ := wire.Turns(version, false)
		resumed, _ := wire.Turns(version, true)
		fmt.Printf("TLS %s: full %d, resumed %d\n", version, full, resumed)
	}
	fmt.Println(wire.Profile{Version: "1.2", Group: "x25519mlkem768"}.Validate())
	// Output:
	// TLS 1.2: full 2, resumed 1
	// TLS 1.3: full 1, resumed 1
	// TLS 1.2 has no key-exchange group x25519mlkem768: use another group or version
}

// A kind that cannot do what is asked names those that can.
func ExampleLink_Validate() {
	fmt.Println(wire.Link{Kind: "model", RTT: 50 * time.Millisecond, Loss: 0.01}.Validate())
	fmt.Println(wire.Link{RTT: 50 * time.Millisecond}.Resolved().Kind)
	// Output:
	// link.loss: a model link has none: use netstack or tun
	// netstack
}
