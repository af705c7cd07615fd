package origin

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Proof is a set of things a caller can show an origin. An attempt holds some,
// a policy requires some; who holds all that is required gets the content.
type Proof uint16

// The proofs, in the order in which String lists them.
const (
	// Address: the connection comes from an allowed socket address.
	Address Proof = 1 << iota
	// Secret: the request carries the secret header, once, with a current value.
	Secret
	// Chain: a client certificate that chains to the policy's own roots.
	Chain
	// Purpose: that certificate's extended key usage allows client authentication.
	Purpose
	// Validity: that certificate is neither expired nor not yet valid.
	Validity
	// Subject: that certificate is the pinned one.
	Subject
	// Authority: the name in SNI is the name in Host.
	Authority
	// Freshness: that certificate is not revoked.
	Freshness
	// Possession: the caller holds that certificate's key. A session that is
	// resumed brings the possession of its first handshake along.
	Possession
)

// certificateProofs are what a client certificate proves.
const certificateProofs = Chain | Purpose | Validity | Subject | Freshness | Possession

var proofNames = []string{"address", "secret", "chain", "purpose", "validity", "subject", "authority", "freshness", "possession"}

// Has says whether every proof in q is in p.
func (p Proof) Has(q Proof) bool { return p&q == q }

// Without returns p less the proofs in q.
func (p Proof) Without(q Proof) Proof { return p &^ q }

// Names lists the proofs in p, in their order; empty for none.
func (p Proof) Names() []string {
	names := make([]string, 0, len(proofNames))
	for i, name := range proofNames {
		if p&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// String joins the names with "+": "address+secret"; "" for none.
func (p Proof) String() string { return strings.Join(p.Names(), "+") }

// MarshalJSON writes the list of names.
func (p Proof) MarshalJSON() ([]byte, error) { return json.Marshal(p.Names()) }

// UnmarshalJSON reads a list of names; an unknown one is an error.
func (p *Proof) UnmarshalJSON(text []byte) error {
	var names []string
	if err := json.Unmarshal(text, &names); err != nil {
		return fmt.Errorf("proofs are a list of names: %w", err)
	}
	var set Proof
	for _, name := range names {
		one, err := ParseProof(name)
		if err != nil {
			return err
		}
		set |= one
	}
	*p = set
	return nil
}

// ParseProof reads what String writes: names joined by "+", "" for none.
func ParseProof(s string) (Proof, error) {
	var set Proof
	if s == "" {
		return 0, nil
	}
next:
	for name := range strings.SplitSeq(s, "+") {
		for i, known := range proofNames {
			if name == known {
				set |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("unknown proof %q: want one of %s", name, strings.Join(proofNames, ", "))
	}
	return set, nil
}

// Port is the kind of port a path arrives at.
type Port string

// The ports.
const (
	TCP       Port = "tcp"       // TLS over TCP
	UDP       Port = "udp"       // QUIC
	Plaintext Port = "plaintext" // HTTP without TLS
)

// Connection says how the connection that carries a request came to be.
type Connection string

// The connections.
const (
	NewConnection Connection = "new"     // after a full handshake
	Resumed       Connection = "resumed" // after a handshake from a ticket
	Pooled        Connection = "pooled"  // kept alive since an earlier request
)

// Path is one way to an origin's content. The zero Port and Connection mean
// TCP and NewConnection.
type Path struct {
	Port       Port       `json:"port,omitempty"`
	Connection Connection `json:"connection,omitempty"`
	// Public: the request is for a public host, by SNI and by Host.
	Public bool `json:"public,omitempty"`
	// Impersonates: what is wanted is to be taken for somebody else, by the
	// application behind a front door. See Profile.
	Impersonates bool `json:"impersonates,omitempty"`
}

// Encrypted says whether the path runs over TLS (or QUIC).
func (p Path) Encrypted() bool { return p.Port != Plaintext }

// Paths lists every path: ports × connections × public or not. A plaintext
// port knows no resumption.
func Paths() []Path {
	var paths []Path
	for _, port := range []Port{TCP, UDP, Plaintext} {
		for _, connection := range []Connection{NewConnection, Resumed, Pooled} {
			if port == Plaintext && connection == Resumed {
				continue
			}
			paths = append(paths, Path{Port: port, Connection: connection}, Path{Port: port, Connection: connection, Public: true})
		}
	}
	return paths
}
