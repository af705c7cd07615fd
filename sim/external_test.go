package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/sim/consent"
)

// abroad is an origin that the run does not start, and a folder with what its
// owner has.
type abroad struct {
	folder, at, secret string
}

func newAbroad(t *testing.T, pin origin.Pin, strategies ...string) *abroad {
	t.Helper()
	a := &abroad{folder: t.TempDir(), secret: "hush-hush-hush"}
	authority, err := pki.New(pki.Config{Name: "their authority"})
	if err != nil {
		t.Fatal(err)
	}
	keep := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(a.folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	issue := func(name, host string, usage pki.Usage) pki.KeyPair {
		c, err := authority.Issue(pki.Request{Name: name, Usage: usage, DNSNames: []string{host}, Validity: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		keep(name+".pem", c.CertPEM)
		keep(name+".key", c.KeyPEM)
		return pki.KeyPair{Certificate: string(c.CertPEM), Key: string(c.KeyPEM)}
	}
	server := issue("server", "site.test", pki.ServerAuth)
	issue("edge", "edge.test", pki.ClientAuth)
	issue("other", "other.test", pki.ClientAuth)
	keep("ca.pem", authority.Roots())
	keep("secret", []byte(a.secret+"\n"))
	policy, err := origin.NewPolicy("site.test", strategies, origin.Settings{
		ClientRoots: "roots", Pin: pin, PinValue: map[origin.Pin]string{origin.PinSAN: "edge.test"}[pin], SecretHeader: "X-Secret", Secret: "now",
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := origin.New(origin.Config{
		Policy: policy, Certificate: "server", Response: origin.Response{Size: 100},
		Credentials: pki.Credentials{
			Certificates: map[string]pki.KeyPair{"server": server}, Roots: map[string]string{"roots": string(authority.Roots())},
			Secrets: map[string]string{"now": a.secret},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, packets, err := origin.Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Shutdown(context.Background()), <-served, packets.Close()); err != nil {
			t.Error(err)
		}
	})
	a.at = listener.Addr().String()
	return a
}

func (a *abroad) scenario(t *testing.T, strategy, cases, more string) (*Plan, error) {
	t.Helper()
	text := fmt.Sprintf(`version: 1
name: theirs
origin:
  server: external
  url: https://site.test/o/1
  address: %s
  header: {name: X-Secret}
  material: {certificate: edge.pem, key: edge.key, cacert: ca.pem, secret: secret%s}
experiments:
  - name: b
    bypass: {cases: [%s], strategies: [%s], tls: ["1.3"]}
`, a.at, more, cases, strategy)
	s, err := scenarios.Load(scenarios.Source{File: filepath.Join(a.folder, "x.yaml"), Content: []byte(text)})
	if err != nil {
		return nil, err
	}
	return Compile(s)
}

// run makes the attempts with the consent that loopback has.
func (a *abroad) run(t *testing.T, plan *Plan) *results.Result {
	t.Helper()
	cfg := testConfig(t)
	target, err := plan.Experiments[0].Bypass.External.Target(t.Context(), consent.Lookup{})
	if err != nil {
		t.Fatal(err)
	}
	given, err := consent.Lookup{}.Ask(t.Context(), target, consent.Spoken{})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Consents = map[string]consent.Consent{"b": given}
	result, err := Run(t.Context(), plan, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

const ownCertificate = ", certificates: [{case: C09, certificate: other.pem, key: other.key}]"

func TestExternalOrigin(t *testing.T) {
	shut, open := results.StateShut, results.StateOpen
	for _, test := range []struct {
		strategy   string
		pin        origin.Pin
		states     map[string]string // of cases: B03 and C12 are open by design where they are
		findings   string
		conclusion results.Conclusion
	}{
		{"header+mtls", origin.PinSAN, map[string]string{"A01": shut, "A02": shut, "B03": shut, "C09": shut, "C12": shut, "D09": ""}, "", results.Passed},
		{"mtls", origin.PinSAN, map[string]string{"A01": shut, "A02": shut, "C09": shut, "C12": open}, "", results.Passed},
		{"header", origin.PinNone, map[string]string{"A01": shut, "B01": shut, "B03": open}, "", results.Passed},
		{"mtls", origin.PinNone, map[string]string{"A01": shut, "C09": open, "C12": open}, "C09/mtls/external/no-pin", results.Unmet},
	} {
		a := newAbroad(t, test.pin, strings.Split(test.strategy, "+")...)
		plan, err := a.scenario(t, test.strategy, strings.Join(slices.Sorted(maps.Keys(test.states)), ", "), ownCertificate)
		if err != nil {
			t.Fatal(err)
		}
		result := a.run(t, plan)
		for i := range result.Bypass {
			row := &result.Bypass[i]
			if row.Server != external {
				continue
			}
			state, hole := test.states[row.Case], strings.HasPrefix(test.findings, row.Case)
			if row.State != state || (state == "") == row.Ran() || row.OK == hole || state != "" && row.ProvenOn != builtin {
				t.Errorf("%s, pin %q: %+v, want %q", test.strategy, test.pin, row, state)
			}
		}
		var holes []string
		for _, f := range result.Findings {
			holes = append(holes, f.ID)
		}
		if strings.Join(holes, " ") != test.findings || result.Conclude() != test.conclusion {
			t.Errorf("%s, pin %q: %s, findings %q", test.strategy, test.pin, result.Conclude(), holes)
		}
		if e := result.Experiments[0]; e.Target != a.at+" (site.test)" || e.Consent != "it is on this machine" {
			t.Errorf("%+v", e)
		}
		var text bytes.Buffer
		if err := results.Encode(&text, result); err != nil || strings.Contains(text.String(), a.secret) || strings.Contains(text.String(), "PRIVATE KEY") || strings.Contains(text.String(), a.folder) {
			t.Errorf("the result shows a secret, or where its files are: %v", err)
		}
	}
}

// Where the edge is not served, the run is inconclusive, and exits 4.
func TestExternalOriginThatServesNobody(t *testing.T) {
	a := newAbroad(t, origin.PinSAN, origin.MTLS)
	if err := errors.Join(os.Rename(filepath.Join(a.folder, "other.pem"), filepath.Join(a.folder, "edge.pem")), os.Rename(filepath.Join(a.folder, "other.key"), filepath.Join(a.folder, "edge.key"))); err != nil {
		t.Fatal(err)
	}
	plan, err := a.scenario(t, "mtls", "A01, C01", "")
	if err != nil {
		t.Fatal(err)
	}
	result := a.run(t, plan)
	for i := range result.Bypass {
		if row := &result.Bypass[i]; row.Server == external && (row.State != results.StateUnproven || row.OK || !strings.Contains(row.Detail, "the legitimate edge is not served")) {
			t.Errorf("%+v", row)
		}
	}
	if got := result.Conclude(); got != results.Inconclusive || len(result.Findings) > 0 {
		t.Errorf("%s, %v", got, result.Findings)
	}
}

func TestExternalRefused(t *testing.T) {
	a := newAbroad(t, origin.PinSAN, origin.MTLS, origin.Header)
	for _, c := range []struct{ cases, more, want string }{
		{"C09", "", "x.yaml:11: experiments[0].bypass.cases: C09: it shows a certificate that only the origin's authority can issue: name one for it in origin.material.certificates"},
		{"B04", "", "B04: it sends the secret before this one: name its file in origin.material.retiredSecret"},
		{"A01", ", retiredSecret: none", "origin.material.retiredSecret: reading the secret: open "},
		{"A01", ", retiredSecret: edge.key", "the first line of edge.key is no value of a header"},
		{"A01", ", certificates: [{case: A02, certificate: other.pem, key: other.key}]", "A02 takes no certificate of yours"},
		{"A01", ", certificates: [{case: C09, certificate: other.pem, key: edge.key}]", "other.pem with edge.key: tls: private key does not match public key"},
		{"Z01", "", `unknown case "Z01"`},
	} {
		if _, err := a.scenario(t, "header+mtls", c.cases, c.more); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s%s: %v, want %q", c.cases, c.more, err, c.want)
		}
	}
	plan, err := a.scenario(t, "header+mtls", "A01", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), plan, testConfig(t)); !errors.Is(err, consent.ErrRefused) {
		t.Errorf("without consent: %v", err)
	}
	plan.Experiments[0].Bypass.External.address, plan.Experiments[0].Bypass.External.Strategy = "203.0.113.7:443", "allowlist"
	if _, err := plan.Experiments[0].Bypass.External.Target(t.Context(), consent.Lookup{}); err == nil || !strings.Contains(err.Error(), "an allowlist cannot be tried from one address") {
		t.Errorf("%v", err)
	}
}
