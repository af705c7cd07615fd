package origin

import (
	"crypto/x509"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/originpull/originpull/pki"
)

// TestProfilesConform: every profile is described, and its headers are made of
// the certificate that was shown, whatever the caller has sent.
func TestProfilesConform(t *testing.T) {
	if len(Profiles()) < 2 {
		t.Fatalf("profiles %v", Profiles())
	}
	l := newLab(t)
	shown := l.client("spiffe://lab/tenant-b", pki.NoFlaw).Leaf
	for _, p := range Profiles() {
		if p.Title == "" || p.Reference == "" || strings.Contains(p.Title, "\n") {
			t.Errorf("%+v is badly described", p)
		}
		for _, believes := range []bool{false, true} {
			r := &http.Request{Header: http.Header{}}
			for _, h := range p.Identity {
				r.Header[h.Name] = []string{"forged", "forged again"}
			}
			r.Header.Set(IdentityClaim, "forged")
			g := &guard{profile: &p, believes: believes}
			taken := g.introduce(&identity{certs: []*x509.Certificate{shown}}, r)
			passedOn := len(p.Identity) == 0 || believes
			if (taken == "forged") != passedOn {
				t.Errorf("%s, believes %t: taken for %q", p.Name, believes, taken)
			}
			for _, h := range p.Identity {
				if got := r.Header[h.Name]; !believes && (len(got) != 1 || got[0] != h.value(shown) || strings.ContainsAny(got[0], "\r\n")) {
					t.Errorf("%s: %s is %q", p.Name, h.Name, got)
				}
			}
			// Who shows none is nobody, and not whom he says he is.
			r.Header.Set(IdentityClaim, "forged")
			if taken := g.introduce(&identity{}, r); len(p.Identity) > 0 && !believes && taken != "" {
				t.Errorf("%s: without a certificate taken for %q", p.Name, taken)
			}
		}
	}
}

// TestALBHeaders holds the forms of the reference.
func TestALBHeaders(t *testing.T) {
	l := newLab(t)
	leaf := l.client("spiffe://lab/edge", pki.NoFlaw).Leaf
	p, _ := ProfileNamed("alb-verify")
	got := map[string]string{}
	for _, h := range p.Identity {
		got[strings.TrimPrefix(h.Name, "X-Amzn-Mtls-Clientcert-")] = h.value(leaf)
	}
	if len(got) != 5 || got["Subject"] != leaf.Subject.String() || got["Issuer"] != leaf.Issuer.String() {
		t.Errorf("headers %v", got)
	}
	if v := got["Validity"]; !strings.HasPrefix(v, "NotBefore=") || !strings.Contains(v, "Z;NotAfter=") {
		t.Errorf("validity %q", v)
	}
	text, err := url.PathUnescape(got["Leaf"])
	if err != nil || strings.Contains(got["Leaf"], "%2B") || strings.Contains(got["Leaf"], "%2F") {
		t.Errorf("leaf %q, %v", got["Leaf"], err)
	}
	if certs, err := pki.ParseCertificates([]byte(text)); err != nil || len(certs) != 1 || !certs[0].Equal(leaf) {
		t.Errorf("the leaf is another certificate: %v", err)
	}
}

// TestProfilesAreChecked: a front door pins nothing and needs certificates.
func TestProfilesAreChecked(t *testing.T) {
	for want, p := range map[string]Policy{
		`unknown profile "other"`: {Host: "h", Strategies: []string{MTLS}, Pin: PinNone, Profile: "other"},
		`belongs to strategy`:     {Host: "h", Strategies: []string{Allowlist}, Profile: "alb-verify"},
		`it pins no san`:          {Host: "h", Strategies: []string{MTLS}, Pin: PinSAN, PinValue: "x", Profile: "alb-verify"},
	} {
		if err := p.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
	if err := (Setup{Config: Config{Certificate: "c", Policy: Policy{Profile: "nlb-verify"}}}).check(); err == nil || !strings.Contains(err.Error(), "built-in origin alone") {
		t.Errorf("a driver takes a profile: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a profile can be registered twice")
		}
	}()
	registerProfile(Profile{Name: "alb-verify"})
}
