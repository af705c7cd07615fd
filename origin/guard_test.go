package origin

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/originpull/originpull/pki"
)

// want is a decision: the status, and what the audit line says.
type want struct {
	status int // 0: no reply
	stage  string
	proof  Proof
}

func (r *rig) expect(name string, c caller, w want) {
	r.t.Helper()
	o, peer := r.call(c)
	e := r.entry(peer)
	verdict := Refused
	if w.proof == 0 {
		verdict = Allowed
	}
	if o.status != w.status || e.Verdict != verdict || e.Stage != w.stage || e.Proof != w.proof.String() || e.Status != w.status {
		r.t.Errorf("%s: %+v, audit %+v: want %+v", name, o, e, w)
	}
	if (o.proof != "") != (verdict == Allowed) {
		r.t.Errorf("%s: %s is %q on a reply that was %s", name, ProofHeader, o.proof, verdict)
	}
}

func TestSecretHeader(t *testing.T) {
	l := newLab(t)
	p := policy(t, Header)
	p.PreviousSecret = "before"
	r := l.start(l.config(p))
	refused, allowed := want{403, StageHTTP, Secret}, want{200, StageHTTP, 0}
	for _, test := range []struct {
		name   string
		header []string
		want   want
	}{
		{"current", []string{"X-Origin-Verify: " + secretNow}, allowed},
		{"current, other case of name", []string{"x-ORIGIN-verify: " + secretNow}, allowed},
		{"current, padded", []string{"X-Origin-Verify:   " + secretNow + " "}, allowed},
		{"previous", []string{"X-Origin-Verify: " + secretBefore}, allowed},
		{"absent", nil, refused},
		{"empty", []string{"X-Origin-Verify:"}, refused},
		{"wrong", []string{"X-Origin-Verify: wrong"}, refused},
		{"other case of value", []string{"X-Origin-Verify: " + strings.ToUpper(secretNow)}, refused},
		{"prefix", []string{"X-Origin-Verify: " + secretNow[:5]}, refused},
		{"right and wrong", []string{"X-Origin-Verify: " + secretNow, "X-Origin-Verify: wrong"}, refused},
		{"wrong and right", []string{"X-Origin-Verify: wrong", "X-Origin-Verify: " + secretNow}, refused},
		{"right twice", []string{"X-Origin-Verify: " + secretNow, "X-Origin-Verify: " + secretNow}, refused},
		{"comma list", []string{"X-Origin-Verify: " + secretNow + ", " + secretBefore}, refused},
		{"underscores", []string{"X_Origin_Verify: " + secretNow}, refused},
		{"two names", []string{"X-Origin-Verify: " + secretNow, "x-origin-verify: "}, refused},
	} {
		r.expect(test.name, caller{header: test.header}, test.want)
	}
	p.PreviousSecret = ""
	r.reload(p, l.credentials())
	r.expect("retired", caller{header: []string{"X-Origin-Verify: " + secretBefore}}, refused)
	r.expect("current, later", caller{header: []string{"X-Origin-Verify: " + secretNow}}, allowed)
}

func TestCertificates(t *testing.T) {
	l := newLab(t)
	revoked := l.client(edgeURI, pki.NoFlaw)
	l.revoke(revoked)
	r := l.start(l.config(policy(t, MTLS)))
	for _, version := range []string{"1.2", "1.3"} {
		for flaw, proof := range flawProofs {
			r.expect(string(flaw), caller{version: version, cert: l.client(edgeURI, flaw)}, want{0, StageTLS, proof})
		}
		r.expect("none", caller{version: version}, want{0, StageTLS, Chain})
		r.expect("revoked", caller{version: version, cert: revoked}, want{0, StageTLS, Freshness})
		r.expect("public authority", caller{version: version, cert: publicCertificate(l)}, want{0, StageTLS, Chain})
		r.expect("the edge's", caller{version: version, cert: l.edge}, want{200, StageHTTP, 0})
	}
	if len(flawProofs) != len(pki.Flaws()) {
		t.Errorf("%d of %d flaws are tried", len(flawProofs), len(pki.Flaws()))
	}
}

func TestPinsInHandshakes(t *testing.T) {
	for _, pin := range Pins() {
		l := newLab(t)
		p := policy(t, MTLS)
		value, err := pin.Value(l.edge.Leaf)
		if err != nil {
			t.Fatal(err)
		}
		p.Pin, p.PinValue = pin, value
		r := l.start(l.config(p))
		r.expect("the edge's", caller{cert: l.edge}, want{200, StageHTTP, 0})
		other := l.issue(pki.Request{Name: "tenant-b", Usage: pki.ClientAuth})
		if pin == PinNone {
			r.expect("another's, no pin", caller{cert: other}, want{200, StageHTTP, 0})
		} else {
			r.expect("another's, pin "+string(pin), caller{cert: other}, want{0, StageTLS, Subject})
		}
	}
}

func TestAuthority(t *testing.T) {
	for _, strategy := range []string{"", Header, MTLS} {
		var strategies []string
		if strategy != "" {
			strategies = []string{strategy}
		}
		l := newLab(t)
		r := l.start(l.config(policy(t, strategies...)))
		edge := l.legitimate()
		for _, test := range []struct {
			sni, host string
			want      want
		}{
			{"", protectedHost, want{200, StageHTTP, 0}},
			{"", "SECRET.Test:443", want{200, StageHTTP, 0}},
			{"SECRET.test", protectedHost, want{200, StageHTTP, 0}},
			{"other.test", "other.test", want{200, StageHTTP, 0}}, // protected like any other
			{"", publicHost, want{421, StageHTTP, Authority}},
			{"", "other.test", want{421, StageHTTP, Authority}},
			{publicHost, protectedHost, want{421, StageHTTP, Authority}},
			{"other.test", protectedHost, want{421, StageHTTP, Authority}},
			{"-", protectedHost, want{421, StageHTTP, Authority}},
			{"-", "127.0.0.1", want{421, StageHTTP, Authority}},
			{"-", " ", want{421, StageHTTP, Authority}}, // nothing equals nothing
		} {
			c := edge
			c.sni, c.host = test.sni, test.host
			r.expect(strategy+": SNI "+test.sni+", Host "+test.host, c, test.want)
		}
	}
}

// TestNamesWithoutCertificate: a name nobody knows is asked for as much as the
// protected one, the public one for nothing.
func TestNamesWithoutCertificate(t *testing.T) {
	l := newLab(t)
	r := l.start(l.config(policy(t, MTLS, Header)))
	for _, sni := range []string{"", "SECRET.test", "other.test", "-"} {
		r.expect("SNI "+sni, caller{sni: sni}, want{0, StageTLS, Chain})
	}
	for _, sni := range []string{publicHost, "PUBLIC.test"} {
		o, _ := r.call(caller{sni: sni, host: publicHost})
		if o.status != 200 || o.proof != PublicContent {
			t.Errorf("SNI %s: %+v, want the public object", sni, o)
		}
	}
	r.expect("public SNI, protected Host", caller{sni: publicHost, header: []string{"X-Origin-Verify: " + secretNow}}, want{421, StageHTTP, Authority})
}

// TestTicketOfPublicHost: no session begun without a certificate is resumed
// where one is asked for.
func TestTicketOfPublicHost(t *testing.T) {
	for _, version := range []string{"1.2", "1.3"} {
		l := newLab(t)
		r := l.start(l.config(policy(t, MTLS)))
		sessions := oneTicket{tls.NewLRUClientSessionCache(1)}
		public := caller{version: version, sni: publicHost, host: publicHost, sessions: sessions}
		if o, _ := r.call(public); o.proof != PublicContent || o.resumed {
			t.Fatalf("%s: first: %+v", version, o)
		}
		if o, _ := r.call(public); o.proof != PublicContent || !o.resumed {
			t.Fatalf("%s: second: %+v", version, o)
		}
		r.expect("ticket of the public host", caller{version: version, sessions: sessions}, want{0, StageTLS, Chain})
	}
}

// oneTicket offers whatever session it has to any name.
type oneTicket struct{ tls.ClientSessionCache }

func (o oneTicket) Get(string) (*tls.ClientSessionState, bool) {
	return o.ClientSessionCache.Get("any")
}

func (o oneTicket) Put(_ string, s *tls.ClientSessionState) { o.ClientSessionCache.Put("any", s) }

// TestRouterIsGuarded: what the router answers by itself is behind the guard.
func TestRouterIsGuarded(t *testing.T) {
	l := newLab(t)
	r := l.start(l.config(policy(t, Header)))
	for request, status := range map[string]int{
		"GET /o/k": 200, "HEAD /o/k": 200, "GET /": 200,
		"GET /nowhere": 404, "POST /o/k": 405, "GET //o//k": 301, "OPTIONS *": 301, "OPTIONS /o/k": 405, "TRACE /": 405,
		"GET http://" + protectedHost + "/o/k": 200,
	} {
		r.expect(request+" without secret", caller{request: request}, want{403, StageHTTP, Secret})
		r.expect(request, caller{request: request, header: []string{"X-Origin-Verify: " + secretNow}}, want{status, StageHTTP, 0})
	}
}

func TestStrategiesAreJoined(t *testing.T) {
	l := newLab(t)
	r := l.start(l.config(policy(t, Allowlist, Header, MTLS)))
	edge := l.legitimate()
	r.expect("all held", edge, want{200, StageHTTP, 0})
	c := edge
	c.from = attackerAddr
	r.expect("no address", c, want{0, StageTCP, Address})
	c = edge
	c.header = nil
	r.expect("no secret", c, want{403, StageHTTP, Secret})
	c = edge
	c.cert = nil
	r.expect("no certificate", c, want{0, StageTLS, Chain})
	// The allowlist stands before TLS: a public host is no way around it.
	r.expect("public host", caller{sni: publicHost, host: publicHost}, want{0, StageTCP, Address})
}
