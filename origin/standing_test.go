package origin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/originpull/originpull/pki"
)

// link is a certificate with its key.
type link struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func makeLink(t *testing.T, name string, above *link, until time.Time) *link {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(name))), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		BasicConstraintsValid: true, IsCA: name != "leaf", KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	if name == "leaf" {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	issuer := &link{template, key}
	if above != nil {
		issuer = above
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.cert, key.Public(), issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &link{cert, key}
}

// list is a PEM revocation list of one authority.
func (l *link) list(t *testing.T, revoked ...*link) []byte {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}
	for _, r := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: r.cert.SerialNumber, RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, l.cert, l.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}

func TestFreshnessOfAuthorities(t *testing.T) {
	later := time.Now().Add(time.Hour)
	root := makeLink(t, "root", nil, later)
	middle := makeLink(t, "middle", root, later)
	leaf := makeLink(t, "leaf", middle, later)
	stranger := makeLink(t, "stranger", nil, later)
	roots := []*x509.Certificate{root.cert}
	middlePEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: middle.cert.Raw})
	for _, test := range []struct {
		name    string
		bundle  [][]byte
		sent    []*x509.Certificate
		refused bool
	}{
		{"nobody is revoked", [][]byte{root.list(t), middle.list(t), middlePEM}, []*x509.Certificate{leaf.cert, middle.cert}, false},
		{"the leaf is revoked", [][]byte{root.list(t), middle.list(t, leaf), middlePEM}, []*x509.Certificate{leaf.cert, middle.cert}, true},
		{"the intermediate is revoked", [][]byte{root.list(t, middle), middle.list(t), middlePEM}, []*x509.Certificate{leaf.cert, middle.cert}, true},
		{"an unrelated certificate behind", [][]byte{root.list(t), middle.list(t), middlePEM}, []*x509.Certificate{leaf.cert, middle.cert, stranger.cert}, false},
		{"nobody speaks for the intermediate", [][]byte{middle.list(t), middlePEM}, []*x509.Certificate{leaf.cert, middle.cert}, true},
	} {
		var bundle []byte
		for _, block := range test.bundle {
			bundle = append(bundle, block...)
		}
		revoked, err := pki.ParseRevocationList(bundle, roots)
		if err != nil {
			t.Fatal(err)
		}
		if d := checkFreshness(revoked, test.sent, roots); (d != nil) != test.refused || d != nil && d.proof != Freshness {
			t.Errorf("%s: %v", test.name, d)
		}
	}
}

// TestStandingOfDates: an open connection ends with the first certificate of
// its chain to expire, and not with one of no importance.
func TestStandingOfDates(t *testing.T) {
	past, later := time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	root := makeLink(t, "root", nil, later)
	stale, fresh := makeLink(t, "middle", root, past), makeLink(t, "middle", root, later)
	old := makeLink(t, "leaf", fresh, past)
	g := &guard{roots: x509.NewCertPool(), usages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	g.roots.AddCert(root.cert)
	g.chain = g.verifyChain
	for name, test := range map[string]struct {
		sent []*x509.Certificate
		want bool
	}{
		"all good":                   {[]*x509.Certificate{makeLink(t, "leaf", fresh, later).cert, fresh.cert}, true},
		"the leaf has expired":       {[]*x509.Certificate{old.cert, fresh.cert}, false},
		"its authority has expired":  {[]*x509.Certificate{makeLink(t, "leaf", stale, later).cert, stale.cert}, false},
		"an expired one beside them": {[]*x509.Certificate{makeLink(t, "leaf", fresh, later).cert, fresh.cert, stale.cert}, true},
	} {
		if d := g.certificateStanding(test.sent, false); (d == nil) != test.want {
			t.Errorf("%s: %v", name, d)
		}
	}
}
