package bypass

import (
	"slices"
	"strings"
	"testing"

	"github.com/originpull/originpull/origin"
)

// TestMatrix runs everything that is built against each strategy by itself.
func TestMatrix(t *testing.T) {
	needsLoopbackNet(t)
	first := measured(t, Plan{}, newStarter(t, nil))
	planned, err := Rows(Plan{})
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != len(planned) {
		t.Fatalf("%d rows of %d planned", len(first), len(planned))
	}
	ran := map[string]bool{}
	for i, r := range first {
		p := planned[i]
		if r.Case != p.Case || r.Strategy != p.Strategy || r.Mistake != p.Mistake || r.TLS != p.TLS || r.Predicted != p.Predicted {
			t.Fatalf("row %d is %+v, planned %+v", i, r, p)
		}
		if r.Skipped != "" {
			continue
		}
		ran[r.Case] = true
		if !r.OK || !r.LegBefore || !r.LegAfter || r.Protocol != p.Protocol {
			t.Errorf("not ok: %+v", r)
		}
		if r.Measured == Blocked && r.Strategy != EdgeStrategy && r.Server != EdgeServer && r.Case != "B12" && (r.Stage != p.Stage || r.Reason == "" || r.Proof == "") {
			t.Errorf("expected to be blocked at %s: %+v", p.Stage, r)
		}
		if r.Measured == Bypassed && (r.Status != 200 || r.Stage != "http") {
			t.Errorf("bypassed without an answer: %+v", r)
		}
	}
	for _, a := range Attempts() {
		if ran[a.ID] != (a.Unbuilt == "" && !a.Profiles) {
			t.Errorf("%s ran: %t, although unbuilt is %q", a.ID, ran[a.ID], a.Unbuilt)
		}
	}
	second := measured(t, Plan{}, newStarter(t, nil))
	again := comparable(second)
	for i, r := range comparable(first) {
		if i >= len(again) || r != again[i] {
			t.Fatalf("row %d of two runs differs:\n%+v\n%+v", i, r, again[min(i, len(again)-1)])
		}
	}
}

// comparable leaves out reasons, which hold the time of day, what family F
// measures, and over HTTP/2 how a refusal looked: the client's preface crosses
// the alert, and what comes of that is a reset as often as the alert.
func comparable(rows []Row) []Row {
	rows = slices.Clone(rows)
	for i := range rows {
		rows[i].Reason = ""
		if rows[i].Price != nil {
			rows[i].Price, rows[i].Detail = nil, ""
		}
		if rows[i].Protocol == overH2 {
			rows[i].Detail = ""
		}
	}
	return rows
}

// TestControlsLetEveryStepThrough: a step that the control of the strategy it
// is aimed at refuses too proves nothing. Each exception has its reason.
func TestControlsLetEveryStepThrough(t *testing.T) {
	needsLoopbackNet(t)
	want := map[string]string{
		"A02 allowlist": "X-Forwarded-For; X-Real-IP; True-Client-IP; CF-Connecting-IP; Forwarded; all headers at once",
		"A03 allowlist": "PROXY v1 line", // without the line it is A01
		"B01 header":    "absent; empty",
		"B06 header":    "right, then wrong; wrong, then right; comma list",
		"C03 mtls":      "another authority; another authority of the same name",
		"D03 mtls":      "no SNI; unknown SNI; SNI in capitals",
		"D04 mtls":      "public SNI, protected Host", // the other step is C01
	}
	rows := measured(t, Plan{Cases: []string{"A02", "A03", "B01", "B06", "C03", "D03", "D04"}}, newStarter(t, nil))
	for _, r := range rows {
		steps, ok := want[r.Case+" "+r.Strategy]
		if ok && r.Mistake != "" && r.Mistake != "first-value" && r.Detail != "got through: "+steps {
			t.Errorf("%s %s %s: %s, want %s", r.Case, r.Strategy, r.TLS, r.Detail, steps)
		}
	}
}

// catalogued are the fixed cases that ask who gets in, and not what it costs.
func catalogued() []string {
	return slices.DeleteFunc(knownCases(), func(id string) bool { return registry[id].Family == Exhaustion || registry[id].Family == Randomised })
}

// TestHoles plants mistakes in the policies that are meant to be correct and
// expects exactly the rows they open to be not ok.
func TestHoles(t *testing.T) {
	needsLoopbackNet(t)
	tests := []struct {
		hole  string
		opens []string
	}{
		{"pin-in-verify-peer-certificate", []string{"D09", "D13"}},
		{"quic-open-allowlist", []string{"A01", "A02", "A13", "A15", "B01", "B03", "B06", "C01", "C03", "C05", "C09", "C11", "D16"}},
		{"quic-no-secret", []string{"A01", "A02", "A05", "A13", "A15", "B01", "B06", "C01", "C03", "C05", "C09", "C11", "D16"}},
		{"quic-optional-certificate", []string{"A01", "A02", "A05", "A13", "A15", "B01", "B03", "B06", "C01", "C03", "C05", "C09", "C11", "D16"}},
		{"no-pin", []string{"A05", "C09", "C10", "C19", "C20"}},
		{"no-revocation", []string{"C11", "D09", "D13"}},
		{"any-purpose", []string{"C07"}},
		{"no-authority-check", []string{"D04", "D05"}},
		{"trust-proxy-header", []string{"A03", "A04"}},
		{"trust-forwarded", []string{"A02"}},
		{"any-secret", []string{"A05", "B02", "B04", "B06", "B07"}},
		{"first-value", []string{"B06"}},
		{"prefix-secret", []string{"B06", "B07"}},
		{"never-retire", []string{"B04"}},
	}
	for _, test := range tests {
		t.Run(test.hole, func(t *testing.T) {
			mistake, ok := origin.MistakeNamed(test.hole)
			if !ok {
				t.Fatalf("no mistake is named %s", test.hole)
			}
			rows := measured(t, Plan{Cases: catalogued(), Strategies: []string{mistake.Strategy}}, newStarter(t, func(p *origin.Policy) {
				if p.Mistake == "" {
					p.Mistake = test.hole
				}
			}))
			var open []string
			for _, r := range rows {
				if r.OK || strings.Contains(r.Detail, "was refused at http, predicted at tcp") {
					continue // the hole has moved the refusal behind the handshake
				}
				if r.Mistake != "" || r.Measured != Bypassed || !strings.Contains(r.Detail, "predicted blocked") {
					t.Errorf("not the hole's doing: %+v", r)
				}
				if at := r.Case + " " + r.TLS; !slices.Contains(open, at) { // over every protocol alike
					open = append(open, at)
				}
			}
			var want []string
			for _, id := range test.opens {
				if !strings.HasPrefix(test.hole, "quic-") {
					want = append(want, id+" 1.2")
				}
				want = append(want, id+" 1.3")
			}
			if !slices.Equal(open, want) {
				t.Errorf("not ok: %q, want %q", open, want)
			}
		})
	}
}
