package bypass

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/originpull/originpull/origin"
)

// TestEvidence plants holes over every protocol and looks at what is kept of
// them.
func TestEvidence(t *testing.T) {
	needsLoopbackNet(t)
	s := newStarter(t, func(p *origin.Policy) {
		if p.Mistake == "" {
			p.Mistake = "no-pin"
		}
	})
	rows := measured(t, Plan{Cases: []string{"C09"}, Strategies: []string{"mtls"}}, s)
	open := 0
	for _, r := range rows {
		if r.Mistake != "" {
			if r.Evidence != nil {
				t.Errorf("a control has evidence: %+v", r.Evidence)
			}
			continue
		}
		e := r.Evidence
		if e == nil {
			t.Fatalf("no evidence of %+v", r)
		}
		open++
		if e.Status != 200 || e.TLS != r.TLS || e.Cipher == "" || e.Group != Group || e.Step != "wrong name" {
			t.Errorf("%s TLS %s: %+v", r.Protocol, r.TLS, e)
		}
		if !strings.Contains(e.Answer, "200 OK") || !strings.Contains(e.Answer, origin.ProofHeader+": "+origin.ProtectedContent) || len(e.Answer) > keptBytes {
			t.Errorf("%s TLS %s: answer %q", r.Protocol, r.TLS, e.Answer)
		}
		if !strings.Contains(e.Audit, `"verdict":"allowed"`) || len(e.Audit) > keptLine {
			t.Errorf("%s TLS %s: audit %q", r.Protocol, r.TLS, e.Audit)
		}
		if !strings.Contains(e.Shown, " sha256:") || !strings.Contains(e.Peer, Host) || e.Shown == e.Peer {
			t.Errorf("%s TLS %s: shown %q to %q", r.Protocol, r.TLS, e.Shown, e.Peer)
		}
	}
	if open != 5 { // h1 and h2 with both versions, h3
		t.Errorf("%d open rows", open)
	}
}

// TestNoEvidenceOfWhatIsRefused: a row as predicted keeps nothing.
func TestNoEvidenceOfWhatIsRefused(t *testing.T) {
	needsLoopbackNet(t)
	for _, r := range measured(t, Plan{Cases: []string{"A05", "B03"}, Strategies: []string{"allowlist", "header"}, TLS: []string{"1.3"}, Protocols: []string{overH1}}, newStarter(t, nil)) {
		if r.Evidence != nil {
			t.Errorf("%s %s %s: %+v", r.Case, r.Strategy, r.Mistake, r.Evidence)
		}
	}
}

// TestRedacted: no form of a secret that a server may repeat is kept, and no
// private key.
func TestRedacted(t *testing.T) {
	for _, secret := range []string{material.Origin.Secrets[currentSecret], material.next, material.retired, material.tenant} {
		for _, form := range []string{
			secret, strings.ToLower(secret), fmt.Sprintf("%x", secret), strings.ToUpper(hex.EncodeToString([]byte(secret))),
			base64.StdEncoding.EncodeToString([]byte(secret)),
		} {
			got := material.redacted("before " + form + " after")
			if strings.Contains(strings.ToLower(got), strings.ToLower(strings.TrimRight(form, "="))) || !strings.HasPrefix(got, "before [secret]") || !strings.HasSuffix(got, " after") {
				t.Errorf("%q became %q", form, got)
			}
		}
	}
	pem := material.Origin.Certificates[ServerCertificate].Key
	if got := material.redacted("before " + pem + " after"); got != "before [private key]" {
		t.Errorf("a key became %q", got)
	}
	if got := clipped("aé", 2); got != "a" {
		t.Errorf("clipped to %q", got)
	}
}

// TestEdgeFaultsHaveFixes: every fault that a control makes is named.
func TestEdgeFaultsHaveFixes(t *testing.T) {
	for name := range edgeFaults {
		if fault, known := EdgeFaultNamed(name); !known || fault.Name != name || fault.Title == "" || fault.Fix == "" {
			t.Errorf("%s: %+v", name, fault)
		}
	}
	if len(edgeFixes) != len(edgeFaults) {
		t.Errorf("%d fixes of %d faults", len(edgeFixes), len(edgeFaults))
	}
}
