package pki_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/originpull/originpull/pki"
)

// An authority issues an identity for the edge and takes it back; the guard of
// the origin notices.
func Example() {
	authority, err := pki.New(pki.Config{Intermediates: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	edge, err := authority.Issue(pki.Request{Name: "edge", Usage: pki.ClientAuth, URIs: []string{"spiffe://lab/edge"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := authority.Revoke(edge); err != nil {
		fmt.Println(err)
		return
	}
	list, err := authority.RevocationList()
	if err != nil {
		fmt.Println(err)
		return
	}

	credentials := pki.Credentials{
		Certificates:    map[string]pki.KeyPair{"edge": edge.KeyPair()},
		Roots:           map[string]string{"clients": string(authority.Roots())},
		RevocationLists: map[string]string{"clients": string(list)},
		Secrets:         map[string]string{"current": "correct horse"},
	}
	fmt.Println(credentials)
	revoked, err := credentials.RevocationList("clients", "clients")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(edge.Leaf.URIs[0], edge.Leaf.ExtKeyUsage[0] == x509.ExtKeyUsageClientAuth)
	fmt.Println(errors.Is(revoked.Check(edge.Leaf, time.Now()), pki.ErrRevoked))
	// Output:
	// credentials{certificates: edge; roots: clients; revocation lists: clients; secrets: current}
	// spiffe://lab/edge true
	// true
}
