package pki

import (
	"bytes"
	"crypto/x509"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	edgeURI    = "spiffe://lab/edge"
	originHost = "origin.test"
)

func newTestAuthority(t *testing.T, cfg Config) *Authority {
	t.Helper()
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mustIssue(t *testing.T, a *Authority, r Request) *Certificate {
	t.Helper()
	c, err := a.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func requestFor(usage Usage, flaw Flaw) Request {
	if usage == ServerAuth {
		return Request{Name: "origin", Usage: usage, DNSNames: []string{originHost}, Flaw: flaw}
	}
	return Request{Name: "edge", Usage: usage, DNSNames: []string{"edge.test"}, URIs: []string{edgeURI}, Flaw: flaw}
}

func pool(t *testing.T, bundle []byte) *x509.CertPool {
	t.Helper()
	certs, err := ParseCertificates(bundle)
	if err != nil {
		t.Fatal(err)
	}
	p := x509.NewCertPool()
	for _, cert := range certs {
		p.AddCert(cert)
	}
	return p
}

// verify verifies c as its peer would, for the usage that the peer wants.
func verify(t *testing.T, a *Authority, c *Certificate, usage Usage) error {
	t.Helper()
	options := x509.VerifyOptions{Roots: pool(t, a.Roots()), Intermediates: pool(t, c.CertPEM)}
	options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if usage == ServerAuth {
		options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		options.DNSName = originHost
	}
	_, err := c.Leaf.Verify(options)
	return err
}

// class names the kind of a verification error, exactly.
func class(err error) string {
	if err == nil {
		return "none"
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		switch e.Reason {
		case x509.Expired:
			return "expired"
		case x509.IncompatibleUsage:
			return "incompatible usage"
		default:
			return "invalid: " + e.Error()
		}
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "unknown authority"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "hostname"
	}
	return "other: " + err.Error()
}

// flawClasses is the one place that says how each flaw is caught, by usage.
// A client's wrong name is caught by no chain check: only a pin notices.
var flawClasses = map[Flaw]map[Usage]string{
	NoFlaw:         {ServerAuth: "none", ClientAuth: "none"},
	Expired:        {ServerAuth: "expired", ClientAuth: "expired"},
	NotYetValid:    {ServerAuth: "expired", ClientAuth: "expired"},
	WrongUsage:     {ServerAuth: "incompatible usage", ClientAuth: "incompatible usage"},
	WrongName:      {ServerAuth: "hostname", ClientAuth: "none"},
	OtherAuthority: {ServerAuth: "unknown authority", ClientAuth: "unknown authority"},
	SelfSigned:     {ServerAuth: "unknown authority", ClientAuth: "unknown authority"},
}

// TestEveryFlawIsCaughtForItsReason is the conformance test of the flaws.
func TestEveryFlawIsCaughtForItsReason(t *testing.T) {
	for _, intermediates := range []int{0, 2} {
		a := newTestAuthority(t, Config{Intermediates: intermediates})
		for _, flaw := range append(Flaws(), NoFlaw) {
			for _, usage := range []Usage{ServerAuth, ClientAuth} {
				want, known := flawClasses[flaw][usage]
				if !known {
					t.Errorf("flaw %q: no expectation", flaw)
				}
				c := mustIssue(t, a, requestFor(usage, flaw))
				if got := class(verify(t, a, c, usage)); got != want {
					t.Errorf("%d intermediates, %s, flaw %q: caught as %q, want %q", intermediates, usage, flaw, got, want)
				}
			}
		}
	}
}

// A flawed leaf must fail for its flaw alone, so all else has to be right.
func TestFlawChangesNothingElse(t *testing.T) {
	a := newTestAuthority(t, Config{Intermediates: 1})
	for _, usage := range []Usage{ServerAuth, ClientAuth} {
		good := mustIssue(t, a, requestFor(usage, NoFlaw)).Leaf
		for _, flaw := range Flaws() {
			leaf := mustIssue(t, a, requestFor(usage, flaw)).Leaf
			same := map[string]bool{
				"subject": bytes.Equal(leaf.RawSubject, good.RawSubject),
				"issuer":  bytes.Equal(leaf.RawIssuer, good.RawIssuer) != (flaw == SelfSigned),
				"usage":   slices.Equal(leaf.ExtKeyUsage, good.ExtKeyUsage) != (flaw == WrongUsage),
				"names": slices.Equal(leaf.DNSNames, good.DNSNames) != (flaw == WrongName) &&
					len(leaf.DNSNames) == len(good.DNSNames) && len(leaf.URIs) == len(good.URIs),
				"key usage":  leaf.KeyUsage == x509.KeyUsageDigitalSignature,
				"one usage":  len(leaf.ExtKeyUsage) == 1 && len(leaf.UnknownExtKeyUsage) == 0,
				"leaf":       leaf.BasicConstraintsValid && !leaf.IsCA,
				"valid now":  validNow(leaf) != (flaw == Expired || flaw == NotYetValid),
				"own serial": leaf.SerialNumber.Cmp(good.SerialNumber) != 0,
			}
			for what, ok := range same {
				if !ok {
					t.Errorf("%s with flaw %q: %s is not as it should be", usage, flaw, what)
				}
			}
		}
	}
}

func validNow(leaf *x509.Certificate) bool {
	now := time.Now()
	return leaf.NotBefore.Before(now) && now.Before(leaf.NotAfter)
}

func TestWrongNameReplacesEveryKindOfName(t *testing.T) {
	a := newTestAuthority(t, Config{})
	address := []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	for _, r := range []Request{
		{Name: "x"},
		{Name: "x", DNSNames: []string{originHost}},
		{Name: "x", URIs: []string{edgeURI}},
		{Name: "x", Addresses: address},
		{Name: "x", DNSNames: []string{originHost}, URIs: []string{edgeURI}, Addresses: address},
	} {
		r.Usage, r.Flaw = ClientAuth, WrongName
		leaf := mustIssue(t, a, r).Leaf
		if len(leaf.DNSNames)+len(leaf.URIs) == 0 || len(leaf.IPAddresses) != 0 {
			t.Errorf("%+v: names are %v %v %v", r, leaf.DNSNames, leaf.URIs, leaf.IPAddresses)
		}
		if slices.Contains(leaf.DNSNames, originHost) || slices.Contains(leaf.DNSNames, "x") {
			t.Errorf("%+v: DNS names are %v", r, leaf.DNSNames)
		}
		if len(r.URIs) > 0 && (len(leaf.URIs) != 1 || leaf.URIs[0].String() != wrongURI) {
			t.Errorf("%+v: URI names are %v", r, leaf.URIs)
		}
	}
}

func TestAuthoritiesAreProper(t *testing.T) {
	a := newTestAuthority(t, Config{Name: "shop", Intermediates: 2})
	other, err := a.impostor()
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for i, s := range a.chain {
		cert, twin := s.cert, other.chain[i].cert
		if !cert.BasicConstraintsValid || !cert.IsCA || cert.MaxPathLen != 2-i {
			t.Errorf("authority %d: basic constraints: valid %t, CA %t, path length %d", i, cert.BasicConstraintsValid, cert.IsCA, cert.MaxPathLen)
		}
		if cert.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
			t.Errorf("authority %d: key usage %b", i, cert.KeyUsage)
		}
		if !bytes.Equal(cert.RawSubject, twin.RawSubject) || bytes.Equal(cert.SubjectKeyId, twin.SubjectKeyId) {
			t.Errorf("authority %d: impostor must have the same subject and another key", i)
		}
		if len(cert.SubjectKeyId) == 0 || keys[string(cert.SubjectKeyId)] {
			t.Errorf("authority %d: subject key identifier %x is empty or not its own", i, cert.SubjectKeyId)
		}
		keys[string(cert.SubjectKeyId)] = true
		if age := time.Since(cert.NotBefore); age < 4*time.Minute || age > 10*time.Minute {
			t.Errorf("authority %d starts %s ago, want a few minutes", i, age)
		}
	}
	leaf := mustIssue(t, a, requestFor(ServerAuth, NoFlaw))
	if !bytes.Equal(leaf.Leaf.AuthorityKeyId, a.issuing().cert.SubjectKeyId) {
		t.Error("leaf does not name the key of its issuer")
	}
	sent, err := ParseCertificates(leaf.CertPEM)
	if err != nil {
		t.Fatal(err)
	}
	if len(sent) != 3 || !sent[0].Equal(leaf.Leaf) || !sent[1].Equal(a.chain[2].cert) || !sent[2].Equal(a.chain[1].cert) {
		t.Errorf("chain of %d certificates, want leaf, intermediate 2, intermediate 1", len(sent))
	}
}

func TestSerialsAreSixteenOctetsAndDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 2000 {
		serial, err := newSerial()
		if err != nil {
			t.Fatal(err)
		}
		if serial.Sign() != 1 || serial.BitLen() != 127 || seen[serial.String()] {
			t.Fatalf("serial %x: sign %d, %d bits, seen before %t", serial, serial.Sign(), serial.BitLen(), seen[serial.String()])
		}
		seen[serial.String()] = true
	}
}

func TestFixedTime(t *testing.T) {
	now := time.Date(2020, 5, 1, 12, 0, 0, 0, time.UTC)
	a := newTestAuthority(t, Config{Now: now})
	leaf := mustIssue(t, a, Request{Name: "x", Usage: ServerAuth, Validity: time.Hour}).Leaf
	if !leaf.NotBefore.Equal(now.Add(-5*time.Minute)) || !leaf.NotAfter.Equal(now.Add(time.Hour)) {
		t.Errorf("valid from %s to %s", leaf.NotBefore, leaf.NotAfter)
	}
	if !slices.Equal(leaf.DNSNames, []string{"x"}) {
		t.Errorf("DNS names %v, want the name", leaf.DNSNames)
	}
}

func TestRefusals(t *testing.T) {
	for want, cfg := range map[string]Config{
		`key type "dsa" is unknown`: {Key: "dsa"},
		`-1 intermediates`:          {Intermediates: -1},
		`9 intermediates`:           {Intermediates: 9},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%+v): error %v, want %q", cfg, err, want)
		}
	}
	a := newTestAuthority(t, Config{})
	for want, r := range map[string]Request{
		"a name is required":            {Usage: ServerAuth},
		`usage "" is unknown`:           {Name: "x"},
		`flaw "bent" is unknown`:        {Name: "x", Usage: ServerAuth, Flaw: "bent"},
		"validity -1s":                  {Name: "x", Usage: ServerAuth, Validity: -time.Second},
		"ends after the authority does": {Name: "x", Usage: ServerAuth, Validity: 20 * 365 * 24 * time.Hour},
		"has no scheme":                 {Name: "x", Usage: ServerAuth, URIs: []string{"edge"}},
		"URI name":                      {Name: "x", Usage: ServerAuth, URIs: []string{"a b:%zz"}},
		"a DNS name is empty":           {Name: "x", Usage: ServerAuth, DNSNames: []string{""}},
		"is no plain IP address":        {Name: "x", Usage: ServerAuth, Addresses: []netip.Addr{{}}},
	} {
		if _, err := a.Issue(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Issue(%+v): error %v, want %q", r, err, want)
		}
	}
}
