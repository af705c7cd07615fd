package bypass_test

import (
	"fmt"

	"github.com/originpull/originpull/sim/bypass"
)

// What should come of a case is known before anything runs.
func Example() {
	rows, err := bypass.Rows(bypass.Plan{Cases: []string{"A05", "D09"}, TLS: []string{"1.3"}, Protocols: []string{"h1"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range rows {
		policy := r.Strategy
		if r.Mistake != "" {
			policy += " with " + r.Mistake
		}
		fmt.Printf("%s %s: %s", r.Case, policy, r.Predicted)
		if r.Predicted == bypass.Blocked {
			fmt.Printf(" at %s for want of %s", r.Stage, r.Missing)
		}
		fmt.Println()
	}
	// Output:
	// A05 allowlist: bypassed
	// A05 allowlist with open-allowlist: bypassed
	// A05 header: blocked at http for want of secret
	// A05 header with any-secret: bypassed
	// A05 mtls: blocked at tls for want of subject
	// A05 mtls with no-pin: bypassed
	// D09 allowlist: blocked at tcp for want of address
	// D09 allowlist with open-allowlist: bypassed
	// D09 header: blocked at http for want of secret
	// D09 header with optional-secret: bypassed
	// D09 mtls: blocked at tls for want of freshness
	// D09 mtls with pin-in-verify-peer-certificate: bypassed
}
