package origin

import (
	"encoding/json"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/originpull/originpull/pki"
)

func TestRequires(t *testing.T) {
	const mtls = "chain+purpose+validity+subject+authority+freshness+possession"
	for _, test := range []struct {
		strategies []string
		path       Path
		change     func(*Policy)
		want       string
	}{
		{nil, Path{}, nil, "authority"},
		{nil, Path{Port: Plaintext}, nil, ""},
		{[]string{Allowlist}, Path{}, nil, "address+authority"},
		{[]string{Allowlist}, Path{Port: UDP, Public: true}, nil, "address+authority"},
		{[]string{Allowlist}, Path{Port: Plaintext, Connection: Pooled}, nil, "address"},
		{[]string{Header}, Path{Port: TCP}, nil, "secret+authority"},
		{[]string{Header}, Path{Public: true}, nil, "authority"},
		{[]string{MTLS}, Path{Connection: NewConnection}, nil, mtls},
		{[]string{MTLS}, Path{Connection: Resumed}, nil, mtls},
		{[]string{MTLS}, Path{Connection: Pooled}, nil, mtls},
		{[]string{MTLS}, Path{Public: true}, nil, "authority"},
		{[]string{MTLS}, Path{}, func(p *Policy) { p.Pin = PinNone }, "chain+purpose+validity+authority+freshness+possession"},
		{[]string{MTLS}, Path{}, func(p *Policy) { p.RevocationList = "" }, "chain+purpose+validity+subject+authority+possession"},
		{[]string{Allowlist, Header, MTLS}, Path{}, nil, "address+secret+" + mtls},
		{[]string{Allowlist, Header, MTLS}, Path{}, func(p *Policy) { p.Mistake = "optional-certificate" }, "address+secret+authority"},
		{[]string{MTLS}, Path{Connection: Pooled}, func(p *Policy) { p.Mistake = "handshake-only-revocation" }, "chain+purpose+validity+subject+authority+possession"},
		{[]string{MTLS}, Path{Connection: Resumed}, func(p *Policy) { p.Mistake = "handshake-only-revocation" }, mtls},
		{[]string{Header}, Path{}, func(p *Policy) { p.Mistake = "lax-default" }, "secret+authority"}, // not this policy's strategy
	} {
		p := policy(t, test.strategies...)
		if test.change != nil {
			test.change(&p)
		}
		if got := p.Requires(test.path).String(); got != test.want {
			t.Errorf("%v mistake %q on %+v: requires %q, want %q", test.strategies, p.Mistake, test.path, got, test.want)
		}
	}
}

func TestProofTravelsAsNames(t *testing.T) {
	for p := Proof(0); p <= everyProof; p++ {
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var back Proof
		if err := json.Unmarshal(text, &back); err != nil || back != p {
			t.Fatalf("%s reads as %s, %v", text, back, err)
		}
		if back, err := ParseProof(p.String()); err != nil || back != p {
			t.Fatalf("%q reads as %s, %v", p, back, err)
		}
	}
	if got := (Address | Secret | Freshness).Without(Secret).String(); got != "address+freshness" {
		t.Errorf("String: %q", got)
	}
	var p Proof
	if err := json.Unmarshal([]byte(`["address","luck"]`), &p); err == nil || !strings.Contains(err.Error(), `unknown proof "luck"`) {
		t.Errorf("unknown proof: %v", err)
	}
}

func TestPolicyIsPlainJSON(t *testing.T) {
	p := policy(t, Allowlist, Header, MTLS)
	p.PreviousSecret, p.Mistake = "before", "no-pin"
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), secretNow) {
		t.Errorf("the policy holds a secret: %s", text)
	}
	var back Policy
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, p) {
		t.Errorf("%s reads as %+v, %v", text, back, err)
	}
}

func TestStrategies(t *testing.T) {
	var listed []string
	for _, s := range Strategies() {
		listed = append(listed, s.Name)
		if s.Title == "" || s.Fill == nil || s.requires == nil || s.equip == nil {
			t.Errorf("strategy %q is not complete", s.Name)
		}
		if policy(t, s.Name).Requires(Path{}).Without(Authority) == 0 {
			t.Errorf("strategy %q asks for nothing", s.Name)
		}
		newLab(t).start(newLab(t).config(policy(t, s.Name))).stop()
	}
	if got := strings.Join(listed, " "); got != "allowlist header mtls" {
		t.Errorf("strategies: %s", got)
	}
	if _, err := NewPolicy(protectedHost, []string{"luck"}, Settings{}); err == nil {
		t.Error("an unknown strategy filled a policy")
	}
}

func TestRegistriesPanicOnDuplicates(t *testing.T) {
	for name, register := range map[string]func(){
		"strategy": func() { registerStrategy(Strategy{Name: MTLS}) },
		"mistake":  func() { registerMistake(Mistake{Name: "no-pin"}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: registered twice", name)
				}
			}()
			register()
		}()
	}
}

func TestPins(t *testing.T) {
	l := newLab(t)
	edge := l.edge.Leaf
	named := l.issue(pki.Request{Name: "other", Usage: pki.ClientAuth, DNSNames: []string{"Edge.test", "*.wild.test"}}).Leaf
	bare := l.issue(pki.Request{Name: edgeURI, Usage: pki.ClientAuth, URIs: []string{"spiffe://lab/x"}}).Leaf
	for _, pin := range Pins() {
		value, err := pin.Value(edge)
		if err != nil || !pin.matches(edge, value) {
			t.Errorf("%s: value %q, %v does not match its own certificate", pin, value, err)
		}
		if pin != PinNone && pin.matches(named, value) {
			t.Errorf("%s: %q matches another certificate", pin, value)
		}
	}
	for _, test := range []struct {
		pin   Pin
		value string
		want  bool
	}{
		{PinSAN, "edge.TEST", true},
		{PinSAN, "a.wild.test", false},
		{PinSAN, "*.wild.test", true},
		{PinSAN, "other", false},
		{PinSAN, "", false},
		{"", "", false},
		{"luck", "x", false},
	} {
		if got := test.pin.matches(named, test.value); got != test.want {
			t.Errorf("pin %q %q: %v, want %v", test.pin, test.value, got, test.want)
		}
	}
	if PinSAN.matches(bare, edgeURI) {
		t.Error("a common name stood in for a SAN")
	}
	if _, err := Pin("luck").Value(edge); err == nil {
		t.Error("an unknown pin has a value")
	}
}

func TestHostName(t *testing.T) {
	for in, want := range map[string]string{
		"Secret.Test": "secret.test", "secret.test.": "secret.test", "secret.test:443": "secret.test", "secret.test.:443": "secret.test",
		"": "", "127.0.0.1:8443": "127.0.0.1", "[::1]:443": "[::1]", "[::1]": "[::1]",
	} {
		if got := hostName(in); got != want {
			t.Errorf("hostName(%q) = %q, want %q", in, got, want)
		}
	}
}

type textAddr string

func (textAddr) Network() string  { return "text" }
func (a textAddr) String() string { return string(a) }

func TestSocketAddressesAgainstPrefixes(t *testing.T) {
	p := policy(t, Allowlist)
	p.Allow = []netip.Prefix{
		netip.MustParsePrefix("127.0.1.9/24"), netip.MustParsePrefix("::ffff:10.1.0.0/112"), netip.MustParsePrefix("fe80::/10"),
	}
	g, err := newGuard(p, newLab(t).credentials(), true, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		peer net.Addr
		want bool
	}{
		{&net.TCPAddr{IP: net.ParseIP("127.0.1.1").To4()}, true},
		{&net.TCPAddr{IP: net.ParseIP("127.0.1.1").To16()}, true}, // as a dual-stack listener gives it
		{&net.TCPAddr{IP: net.ParseIP("127.0.2.1")}, false},
		{&net.TCPAddr{IP: net.ParseIP("10.1.2.3")}, true}, // the prefix was written mapped
		{&net.TCPAddr{IP: net.ParseIP("10.2.2.3")}, false},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"}, true},
		{&net.TCPAddr{IP: net.ParseIP("::1")}, false},
		{textAddr("127.0.1.1:80"), true},
		{textAddr("pipe"), false},
		{nil, false},
	} {
		if got := g.admits(peerOf(test.peer).Addr()); got != test.want {
			t.Errorf("%v: admitted %v, want %v", test.peer, got, test.want)
		}
	}
}
