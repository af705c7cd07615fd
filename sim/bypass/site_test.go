package bypass

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/wire"
)

// counting dials over loopback, and keeps where to.
type counting struct {
	wire.Direct
	t      *testing.T
	target netip.AddrPort
	dials  int
}

func (c *counting) Dial(ctx context.Context, source netip.Addr, target netip.AddrPort) (net.Conn, error) {
	if target != c.target {
		c.t.Errorf("dialed %s, and the site is %s", target, c.target)
	}
	c.dials++
	return c.Direct.Dial(ctx, source, target)
}

// ownCertificates are the lab's, as a user would bring them.
var ownCertificates = map[string]string{
	"A05": tenantCertificate, "C05": expiredCertificate, "C06": notYetValid, "C07": wrongUsage, "C08": anyPurpose,
	"C09": wrongNameOfSameRoot, "C10": wildcardName, "C11": revokedBefore, "C14": leafAsIssuer, "C15": pathTooLong,
	"C16": constrainedName, "C19": authorityAsLeaf, "C20": unrelatedBehind, "C24": retiredAuthority,
}

// siteOf is an origin of this process, as a user who runs it somewhere would
// describe it.
func siteOf(t *testing.T, strategy, mistake string) (*Site, *counting) {
	t.Helper()
	v, err := variantNamed(strategy)
	if err != nil {
		t.Fatal(err)
	}
	p, err := v.policy(mistake)
	if err != nil {
		t.Fatal(err)
	}
	o, stop, err := newStarter(t, nil).start(t.Context(), p, material.Origin, Environment{PublicRoots: material.PublicRoots})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	edge := material.clients[edgeCertificate]
	n := &counting{t: t, target: o.Address()}
	s := &Site{
		Network: n, Address: o.Address(), Name: Host, Path: "/o/elsewhere", Strategy: strategy,
		Answer: origin.ProofHeader + ": " + origin.ProtectedContent,
		Roots:  material.trusting.RootCAs, Edge: &edge, Header: SecretHeader,
		Secret: material.Origin.Secrets[currentSecret], Retired: material.retired, Certificates: map[string]tls.Certificate{},
	}
	for id, name := range ownCertificates {
		s.Certificates[id] = material.clients[name]
	}
	return s, n
}

// What the correct policy stops is shut, and what it cannot stop is open by
// design, in every case that can be made elsewhere.
func TestSiteOfACorrectOrigin(t *testing.T) {
	needsLoopbackNet(t)
	for _, strategy := range []string{"allowlist", "header", "mtls", "mtls-ca", "header+mtls"} {
		s, n := siteOf(t, strategy, "")
		planned, err := s.Rows(slices.DeleteFunc(knownCases(), func(id string) bool { return id == "C08" }), nil) // Go lets any purpose pass
		if err != nil {
			t.Fatal(err)
		}
		if n.dials != 0 {
			t.Errorf("%s: predicting dialed %d times", strategy, n.dials)
		}
		rows, err := s.Run(t.Context(), planned, nil)
		if err != nil {
			t.Fatalf("%s: %v", strategy, err)
		}
		ran := 0
		for _, r := range rows {
			if r.Skipped != "" {
				continue
			}
			ran++
			want := Shut
			if r.Predicted != Blocked {
				want = Open
			}
			if r.State != want || !r.OK || !r.LegBefore || !r.LegAfter {
				t.Errorf("%s, %s, TLS %s: %s, ok %t, predicted %s, measured %s: %s", strategy, r.Case, r.TLS, r.State, r.OK, r.Predicted, r.Measured, r.Detail)
			}
		}
		if ran < 25 {
			t.Errorf("%s: only %d rows ran", strategy, ran)
		}
	}
}

// An origin with a mistake is open to exactly the attempts that the mistake
// lets through.
func TestSiteWithAMistake(t *testing.T) {
	needsLoopbackNet(t)
	for _, c := range []struct {
		strategy, mistake string
		open              []string
	}{
		{"mtls", "no-pin", []string{"A05", "C09", "C10", "C19", "C20"}},
		{"mtls", "no-revocation", []string{"C11"}},
		{"mtls", "extra-roots", []string{"C24"}},
		{"mtls", "trust-forwarded-certificate", []string{"D16"}},
		{"header", "prefix-secret", []string{"B06", "B07"}},
		{"header", "case-insensitive-secret", []string{"B06", "B07"}},
		{"header", "never-retire", []string{"B04"}},
		{"allowlist", "trust-forwarded", []string{"A02"}},
		{"allowlist", "trust-proxy-header", []string{"A03", "A04"}},
	} {
		s, _ := siteOf(t, c.strategy, c.mistake)
		planned, err := s.Rows(slices.DeleteFunc(knownCases(), func(id string) bool { return id == "C08" }), []string{"1.3"})
		if err != nil {
			t.Fatal(err)
		}
		rows, err := s.Run(t.Context(), planned, nil)
		if err != nil {
			t.Fatalf("%s: %v", c.mistake, err)
		}
		var open []string
		for _, r := range rows {
			if r.State == Open && !r.OK {
				open = append(open, r.Case)
				if r.Evidence == nil || r.Evidence.Answer == "" {
					t.Errorf("%s, %s: no evidence", c.mistake, r.Case)
				}
			}
		}
		if !slices.Equal(open, c.open) {
			t.Errorf("%s with %s is open to %q, want %q", c.strategy, c.mistake, open, c.open)
		}
	}
}

// Where the edge itself is not served, nothing that was refused says anything.
func TestSiteThatServesNobody(t *testing.T) {
	needsLoopbackNet(t)
	s, _ := siteOf(t, "mtls", "")
	stranger := material.clients[selfSigned]
	s.Edge = &stranger
	planned, err := s.Rows([]string{"A01"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if rows, err := s.Run(t.Context(), planned, nil); err == nil || !strings.Contains(err.Error(), "the legitimate edge is not served") || len(rows) != 0 {
		t.Errorf("%v, %v", rows, err)
	}
	s, _ = siteOf(t, "mtls", "")
	s.Answer = "a text that is not there"
	if _, err := s.Run(t.Context(), planned, nil); err == nil || !strings.Contains(err.Error(), "origin.answer must be a text of it") {
		t.Errorf("%v", err)
	}
	s, _ = siteOf(t, "mtls", "")
	s.Roots = x509.NewCertPool()
	if _, err := s.Run(t.Context(), planned, nil); err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
		t.Errorf("an origin of another authority: %v", err)
	}
}

func TestJudged(t *testing.T) {
	for _, c := range []struct {
		row   Row
		state State
		ok    bool
	}{
		{Row{Measured: Blocked, Predicted: Blocked, LegBefore: true, LegAfter: true, OK: true}, Shut, true},
		{Row{Measured: Blocked, Predicted: Bypassed, LegBefore: true, LegAfter: true}, Shut, true},
		{Row{Measured: Bypassed, Predicted: Bypassed, LegBefore: true, LegAfter: true, OK: true}, Open, true},
		{Row{Measured: Bypassed, Predicted: Blocked, LegBefore: true, LegAfter: true}, Open, false},
		{Row{Measured: Leaked, Predicted: Blocked, LegBefore: true, LegAfter: true}, Open, false},
		{Row{Measured: Blocked, Predicted: Blocked, LegBefore: true, OK: true}, Unproven, false},
		{Row{Measured: Bypassed, Predicted: Bypassed, LegBefore: true, OK: true}, Unproven, false},
		{Row{Measured: NotRun, Predicted: Blocked, LegBefore: true, LegAfter: true}, Unproven, false},
		{Row{Measured: Denied, Predicted: Blocked, LegAfter: true}, Unproven, false},
	} {
		if got := new(Site).judged(c.row); got.State != c.state || got.OK != c.ok {
			t.Errorf("%+v is %s, ok %t; want %s, %t", c.row, got.State, got.OK, c.state, c.ok)
		}
	}
}

// Every case of the catalogue is made elsewhere or says why it is not, and none
// that is disruptive ever is.
func TestElsewhere(t *testing.T) {
	s := &Site{Address: netip.MustParseAddrPort("127.0.0.1:1"), Strategy: "allowlist+header+mtls", Intrusive: true}
	v, err := variantNamed(s.Strategy)
	if err != nil {
		t.Fatal(err)
	}
	for id := range elsewhere {
		a, known := registry[id]
		if !known || a.Live || a.Class == Disruptive || len(a.Sides) > 0 || a.TwoHosts || a.Legitimate || a.Rogue != nil || a.overQUIC() || a.Unbuilt != "" {
			t.Errorf("%s cannot be made on somebody else's origin", id)
		}
	}
	for _, a := range Attempts() {
		if _, made := elsewhere[a.ID]; !made && s.elsewhereNot(a, v) == "" {
			t.Errorf("%s is not made, and nobody says why", a.ID)
		}
		if a.Class == Intrusive {
			if quiet := (&Site{Address: s.Address, Strategy: s.Strategy}); quiet.elsewhereNot(a, v) == "" {
				t.Errorf("%s is intrusive and would be made unasked", a.ID)
			}
		}
	}
	if got := (&Site{Name: "x", Secret: "hush", Strategy: origin.Header}); strings.Contains(fmt.Sprintf("%+v %v", got, got), "hush") {
		t.Error("a site shows its secret")
	}
}
