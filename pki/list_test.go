package pki

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func rootOf(a *Authority) []*x509.Certificate { return []*x509.Certificate{a.chain[0].cert} }

func mustList(t testing.TB, a *Authority) []byte {
	t.Helper()
	list, err := a.RevocationList()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestRevocation(t *testing.T) {
	for _, intermediates := range []int{0, 2} {
		a := newTestAuthority(t, Config{Intermediates: intermediates})
		taken := mustIssue(t, a, requestFor(ClientAuth, NoFlaw))
		kept := mustIssue(t, a, requestFor(ClientAuth, NoFlaw))
		if r := parseList(t, a); r.Contains(taken.Leaf) || r.Check(taken.Leaf, time.Now()) != nil {
			t.Error("on the list before it was revoked")
		}
		for range 2 {
			if err := a.Revoke(taken); err != nil {
				t.Fatal(err)
			}
		}
		r := parseList(t, a)
		if !r.Contains(taken.Leaf) || !errors.Is(r.Check(taken.Leaf, time.Now()), ErrRevoked) {
			t.Error("revoked and not on the list")
		}
		if r.Contains(kept.Leaf) || r.Check(kept.Leaf, time.Now()) != nil {
			t.Error("on the list and not revoked")
		}
		if got := len(r.lists); got != intermediates+1 {
			t.Errorf("%d lists, want one per authority of the chain", got)
		}
		if got := len(r.lists[0].serials); got != 1 {
			t.Errorf("%d serials, want 1", got)
		}
	}
}

func TestRevokedIsBoundToIssuerAndTime(t *testing.T) {
	a := newTestAuthority(t, Config{Intermediates: 1})
	taken := mustIssue(t, a, requestFor(ClientAuth, NoFlaw))
	if err := a.Revoke(taken); err != nil {
		t.Fatal(err)
	}
	r := parseList(t, a)
	foreign := *mustIssue(t, a, requestFor(ClientAuth, OtherAuthority)).Leaf
	foreign.SerialNumber = taken.Leaf.SerialNumber // one serial, two authorities of one name
	if r.Contains(&foreign) || !errors.Is(r.Check(&foreign, time.Now()), ErrNoList) {
		t.Error("a list speaks for an authority that only shares its issuer's name")
	}
	silent := *taken.Leaf
	silent.AuthorityKeyId = nil
	if !r.Contains(&silent) {
		t.Error("a certificate without authority key identifier must be matched by name")
	}
	good := mustIssue(t, a, requestFor(ClientAuth, NoFlaw)).Leaf
	if next := r.NextUpdate(); !errors.Is(r.Check(good, next), ErrNoList) || r.Check(good, next.Add(-time.Second)) != nil {
		t.Error("a list counts until its next update and not after")
	}
	if !errors.Is(r.Check(taken.Leaf, r.NextUpdate()), ErrRevoked) {
		t.Error("a stale list must not forgive what it names")
	}
}

func TestRevokeRefusesForeignCertificates(t *testing.T) {
	a := newTestAuthority(t, Config{})
	for _, flaw := range []Flaw{OtherAuthority, SelfSigned} {
		if err := a.Revoke(mustIssue(t, a, requestFor(ClientAuth, flaw))); err == nil || !strings.Contains(err.Error(), "did not issue it") {
			t.Errorf("%s: error %v", flaw, err)
		}
	}
	for _, c := range []*Certificate{nil, {}} {
		if err := a.Revoke(c); err == nil {
			t.Error("no certificate: no error")
		}
	}
}

func TestListNumbersIncrease(t *testing.T) {
	a := newTestAuthority(t, Config{})
	var last *big.Int
	for range 3 {
		lists, _, err := splitBundle(mustList(t, a))
		if err != nil {
			t.Fatal(err)
		}
		if last != nil && lists[0].Number.Cmp(last) <= 0 {
			t.Errorf("number %s after %s", lists[0].Number, last)
		}
		last = lists[0].Number
	}
}

// craft signs a list with chain[at] of a after edit has had its way with it.
func craft(t testing.TB, a *Authority, at int, edit func(*x509.RevocationList)) string {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(9), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}
	edit(list)
	der, err := x509.CreateRevocationList(rand.Reader, list, a.chain[at].cert, a.chain[at].key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: blockList, Bytes: der}))
}

func TestParseRevocationListRefuses(t *testing.T) {
	a := newTestAuthority(t, Config{Intermediates: 1})
	other, err := a.impostor()
	if err != nil {
		t.Fatal(err)
	}
	good, middle := string(mustList(t, a)), string(encodeCertificates(a.intermediates()...))
	stale, err := a.RevocationListAt(time.Now().Add(-listValidity - time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	critical := pkix.Extension{Id: []int{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}} // delta list indicator
	for _, c := range []struct{ name, bundle, want string }{
		{"good", good, ""},
		{"empty", "", "no PEM block found"},
		{"garbage", "nothing is revoked", "no PEM block found"},
		{"certificates only", middle, "no revocation list"},
		{"a key", string(mustIssue(t, a, requestFor(ClientAuth, NoFlaw)).KeyPEM), `is a "PRIVATE KEY"`},
		{"not DER", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "PEM block 1"},
		{"damaged", strings.Replace(good, "\n", "\n!", 1), "damaged"},
		{"cut off", good[:len(good)-40], "damaged"},
		{"same name, other root", craft(t, other, 0, func(*x509.RevocationList) {}), "not signed by the trusted authority"},
		{"same names, other authority", string(mustList(t, other)), "no trusted authority"},
		{"intermediate missing", craft(t, a, 1, func(*x509.RevocationList) {}), "no trusted authority"},
		{"stale", string(stale), "is stale since"},
		{"from the future", craft(t, a, 0, func(l *x509.RevocationList) { l.ThisUpdate = time.Now().Add(30 * time.Minute) }), "dated in the future"},
		{"delta", craft(t, a, 0, func(l *x509.RevocationList) { l.ExtraExtensions = []pkix.Extension{critical} }), "critical extension 2.5.29.27"},
		{"critical entry", craft(t, a, 0, func(l *x509.RevocationList) {
			l.RevokedCertificateEntries = []x509.RevocationListEntry{{
				SerialNumber: big.NewInt(1), RevocationTime: time.Now(), ExtraExtensions: []pkix.Extension{critical},
			}}
		}), "critical extension 2.5.29.27"},
		{"twice", good + craft(t, a, 1, func(*x509.RevocationList) {}), "two revocation lists"},
		{"one good, one foreign", good + string(mustList(t, newTestAuthority(t, Config{Name: "other"}))), "no trusted authority"},
	} {
		revoked, err := ParseRevocationList([]byte(c.bundle), rootOf(a))
		if c.want == "" && err == nil && revoked != nil {
			continue
		}
		if err == nil || revoked != nil || c.want == "" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := ParseRevocationList([]byte(good), nil); err == nil {
		t.Error("no roots: no error")
	}
}

// The signature alone must decide: the certificate of the other authority's
// intermediate travels with its list and counts for nothing.
func TestForeignIntermediateVouchesForNothing(t *testing.T) {
	a := newTestAuthority(t, Config{Name: "same", Intermediates: 1})
	other := newTestAuthority(t, Config{Name: "same", Intermediates: 1})
	lists := craft(t, other, 1, func(*x509.RevocationList) {}) + string(encodeCertificates(other.intermediates()...))
	if _, err := ParseRevocationList([]byte(lists), rootOf(a)); err == nil {
		t.Error("a list of an unknown intermediate was accepted")
	}
	// A leaf may not speak for an authority either.
	leaf := mustIssue(t, a, requestFor(ClientAuth, NoFlaw)).Leaf
	if err := mayIssue(&x509.RevocationList{}, leaf); err == nil {
		t.Error("a leaf may sign revocation lists")
	}
}

func TestListGoesStaleByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTestAuthority(t, Config{})
		list := mustList(t, a)
		time.Sleep(listValidity - time.Second)
		if _, err := ParseRevocationList(list, rootOf(a)); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if _, err := ParseRevocationList(list, rootOf(a)); err == nil {
			t.Error("accepted at its next update")
		}
	})
}

func TestIssueRevokeAndListAtOnce(t *testing.T) {
	a := newTestAuthority(t, Config{})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			c, err := a.Issue(requestFor(ClientAuth, NoFlaw))
			if err == nil {
				err = a.Revoke(c)
			}
			if err == nil {
				_, err = a.RevocationList()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := len(parseList(t, a).lists[0].serials); got != 8 {
		t.Errorf("%d serials on the list, want 8", got)
	}
}

func FuzzParseRevocationList(f *testing.F) {
	a, err := New(Config{Intermediates: 1})
	if err != nil {
		f.Fatal(err)
	}
	other, err := a.impostor()
	if err != nil {
		f.Fatal(err)
	}
	good := mustList(f, a)
	for _, seed := range [][]byte{
		nil, []byte("garbage"), good, good[:len(good)/2], mustList(f, other), a.Roots(),
		[]byte(craft(f, a, 0, func(l *x509.RevocationList) { l.NextUpdate = l.ThisUpdate })),
		[]byte("-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, bundle []byte) {
		revoked, err := ParseRevocationList(bundle, rootOf(a))
		if (err == nil) != (revoked != nil) {
			t.Fatalf("list %v with error %v", revoked, err)
		}
		if err != nil {
			return
		}
		// Whatever is accepted was signed by a: no key of it ever leaves.
		for _, list := range revoked.lists {
			if !list.issuer.Equal(a.chain[0].cert) && !list.issuer.Equal(a.chain[1].cert) {
				t.Fatalf("accepted a list by %s", list.issuer.Subject)
			}
		}
	})
}
