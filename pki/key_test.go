package pki

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// authorities are made once for the tests of one process: an RSA authority
// takes seconds. Only Issue is called on them.
var authorities = map[KeyType]func() (*Authority, error){}

func init() {
	for _, key := range KeyTypes() {
		authorities[key] = sync.OnceValues(func() (*Authority, error) { return New(Config{Key: key, Intermediates: 1}) })
	}
}

func authorityOf(t *testing.T, key KeyType) *Authority {
	t.Helper()
	a, err := authorities[key]()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// described names a public key as key types do, by its own account.
func described(key any) KeyType {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return KeyType(fmt.Sprintf("ecdsa-p%d", k.Curve.Params().BitSize))
	case *rsa.PublicKey:
		return KeyType(fmt.Sprintf("rsa-%d", k.N.BitLen()))
	case ed25519.PublicKey:
		return Ed25519
	}
	return ""
}

// TestKeyTypes is the conformance test of the key types: every key of an
// authority is of its type, a key pair survives its way to a worker, and both
// versions of TLS shake hands with it on both sides.
func TestKeyTypes(t *testing.T) {
	if got := KeyTypes(); !slices.Equal(got, []KeyType{ECDSAP256, ECDSAP384, Ed25519, RSA2048, RSA3072}) {
		t.Fatalf("key types %q", got)
	}
	for _, key := range KeyTypes() {
		t.Run(string(key), func(t *testing.T) {
			t.Parallel()
			a := authorityOf(t, key)
			leaf := mustIssue(t, a, requestFor(ClientAuth, NoFlaw))
			chain, err := ParseCertificates(slices.Concat(leaf.CertPEM, a.Roots()))
			if err != nil || len(chain) != 3 {
				t.Fatalf("%d certificates, %v", len(chain), err)
			}
			for _, cert := range chain {
				if got := described(cert.PublicKey); got != key {
					t.Errorf("%s has a key of type %s", cert.Subject.CommonName, got)
				}
			}
			credentials := Credentials{Certificates: map[string]KeyPair{"edge": leaf.KeyPair()}}
			if _, err := credentials.Certificate("edge"); err != nil {
				t.Error(err)
			}
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				l := newLab(t, a, version, NoFlaw, NoFlaw)
				if clientErr, serverErr := pull(t, l.client, l.server); clientErr != nil || serverErr != nil {
					t.Errorf("%s: client %v, server %v", tls.VersionName(version), clientErr, serverErr)
				}
			}
		})
	}
	if _, err := NewKey("dsa"); err == nil || !strings.Contains(err.Error(), `key type "dsa" is unknown: use one of ["ecdsa-p256"`) {
		t.Errorf("an unknown type: %v", err)
	}
	if key, err := NewKey(""); err != nil || described(key.Public()) != ECDSAP256 {
		t.Errorf("the default: %T, %v", key, err)
	}
}

// A folder keeps every key type: PKCS #8 holds them all.
func TestOpenKeepsKeyTypes(t *testing.T) {
	for _, key := range []KeyType{ECDSAP384, RSA2048, Ed25519} {
		t.Run(string(key), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "authority")
			first, err := Open(dir, Config{Key: key})
			if err != nil {
				t.Fatal(err)
			}
			again, err := Open(dir, Config{})
			if err != nil {
				t.Fatal(err)
			}
			if string(first.Roots()) != string(again.Roots()) {
				t.Error("another root")
			}
			if got := described(mustIssue(t, again, requestFor(ServerAuth, NoFlaw)).Leaf.PublicKey); got != key {
				t.Errorf("issues a key of type %s", got)
			}
		})
	}
}
