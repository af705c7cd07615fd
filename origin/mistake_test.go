package origin

import (
	"crypto/tls"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/originpull/originpull/pki"
)

// attack is a crafted caller that one mistake lets in.
type attack struct {
	name    string
	mistake string
	stage   string
	proof   Proof // found missing by the correct policy
	held    Proof // by the attacker
	path    Path
	// run attacks a rig whose policy is p and returns what came back.
	run func(r *rig, p Policy, version string) (outcome, netip.AddrPort)
}

const everyProof = Address | Secret | Chain | Purpose | Validity | Subject | Authority | Freshness | Possession

// simple is an attack of one call from the attacker's address.
func simple(craft func(l *lab) caller) func(*rig, Policy, string) (outcome, netip.AddrPort) {
	return func(r *rig, _ Policy, version string) (outcome, netip.AddrPort) {
		c := craft(r.lab)
		c.version = version
		return r.call(c)
	}
}

func headers(lines ...string) func(*lab) caller {
	return func(*lab) caller { return caller{header: lines} }
}

func certificate(issue func(*lab) *pki.Certificate) func(*lab) caller {
	return func(l *lab) caller { return caller{cert: issue(l)} }
}

func named(sni string) func(*lab) caller {
	return func(*lab) caller { return caller{sni: sni} }
}

func flawed(flaw pki.Flaw) func(*lab) caller {
	return certificate(func(l *lab) *pki.Certificate { return l.client(edgeURI, flaw) })
}

func attacks() []attack {
	const noCertificate = everyProof &^ certificateProofs
	forwarded := func(name, line string) attack {
		return attack{name: name, mistake: "trust-forwarded", stage: StageTCP, proof: Address, held: everyProof &^ Address, run: simple(headers(line))}
	}
	table := []attack{
		{name: "foreign address", mistake: "open-allowlist", stage: StageTCP, proof: Address, held: everyProof &^ Address, run: simple(headers())},
		forwarded("X-Forwarded-For", "X-Forwarded-For: 127.0.1.7, 10.0.0.1"),
		forwarded("X-Real-IP", "X-Real-IP: 127.0.1.7"),
		forwarded("True-Client-IP", "True-Client-IP: ::ffff:127.0.1.7"),
		forwarded("CF-Connecting-IP", "CF-Connecting-IP: 127.0.1.7"),
		forwarded("Forwarded", `Forwarded: for="127.0.1.7:80";proto=https`),
		{
			name: "PROXY v1", mistake: "trust-proxy-header", stage: StageTCP, proof: Address, held: everyProof &^ Address,
			run: simple(func(*lab) caller { return caller{preface: "PROXY TCP4 127.0.1.7 127.0.0.1 4711 443\r\n"} }),
		},

		{name: "absent", mistake: "optional-secret", stage: StageHTTP, proof: Secret, held: everyProof &^ Secret, run: simple(headers())},
		{name: "absent", mistake: "empty-secret", stage: StageHTTP, proof: Secret, held: everyProof &^ Secret, run: simple(headers())},
		{name: "empty", mistake: "empty-secret", stage: StageHTTP, proof: Secret, held: everyProof &^ Secret, run: simple(headers("X-Origin-Verify: "))},
		{name: "another tenant's", mistake: "any-secret", stage: StageHTTP, proof: Secret, held: everyProof &^ Secret, run: simple(headers("X-Origin-Verify: tenant-b"))},
		{name: "retired", mistake: "never-retire", stage: StageHTTP, proof: Secret, held: everyProof &^ Secret, run: simple(headers("X-Origin-Verify: " + secretBefore))},
		{
			name: "right then wrong", mistake: "first-value", stage: StageHTTP, proof: Secret, held: everyProof &^ Secret,
			run: simple(headers("X-Origin-Verify: "+secretNow, "X-Origin-Verify: wrong")),
		},
		{
			name: "comma list", mistake: "first-value", stage: StageHTTP, proof: Secret, held: everyProof &^ Secret,
			run: simple(headers("X-Origin-Verify: " + secretNow + ", wrong")),
		},

		{
			name: "wrong then right", mistake: "any-value", stage: StageHTTP, proof: Secret, held: everyProof &^ Secret,
			run: simple(headers("X-Origin-Verify: wrong", "X-Origin-Verify: "+secretNow)),
		},
		{name: "underscores", mistake: "alias-header", stage: StageHTTP, proof: Secret, held: everyProof &^ Secret, run: simple(headers("X_Origin_Verify: " + secretNow))},
		{name: "other case", mistake: "case-insensitive-secret", stage: StageHTTP, proof: Secret, held: everyProof &^ Secret, run: simple(headers("X-Origin-Verify: " + strings.ToUpper(secretNow)))},
		{name: "the beginning", mistake: "prefix-secret", stage: StageHTTP, proof: Secret, held: everyProof &^ Secret, run: simple(headers("X-Origin-Verify: " + secretNow[:comparedPrefix] + "-guessed"))},
		{name: "tutorial", mistake: "weak-secret", stage: StageHTTP, proof: Secret, held: everyProof &^ Secret, run: simple(headers("X-Origin-Verify: changeme"))},
		{name: "none", mistake: "never-asks", stage: StageTLS, proof: Chain, held: noCertificate, run: simple(headers())},
		{name: "claimed", mistake: "trust-forwarded-certificate", stage: StageTLS, proof: Chain, held: noCertificate, run: simple(headers("Client-Cert: :MII=:"))},

		{name: "foreign address over QUIC", mistake: "quic-open-allowlist", stage: StageTCP, proof: Address, held: everyProof &^ Address, path: Path{Port: UDP}, run: overH3},
		{name: "absent over QUIC", mistake: "quic-no-secret", stage: StageHTTP, proof: Secret, held: everyProof &^ Secret, path: Path{Port: UDP}, run: overH3},
		{name: "none over QUIC", mistake: "quic-optional-certificate", stage: StageTLS, proof: Chain, held: noCertificate, path: Path{Port: UDP}, run: overH3},
		{name: "none", mistake: "optional-certificate", stage: StageTLS, proof: Chain, held: noCertificate, run: simple(headers())},
		{name: "public authority", mistake: "system-roots", stage: StageTLS, proof: Chain, held: noCertificate | Purpose | Validity | Possession, run: simple(certificate(publicCertificate))},
		{
			name: "another tenant's", mistake: "no-pin", stage: StageTLS, proof: Subject, held: everyProof &^ Subject,
			run: simple(certificate(func(l *lab) *pki.Certificate { return l.client("spiffe://lab/tenant-b", pki.NoFlaw) })),
		},
		{name: "server's usage", mistake: "any-purpose", stage: StageTLS, proof: Purpose, held: everyProof &^ Purpose, run: simple(flawed(pki.WrongUsage))},
		{name: "revoked", mistake: "no-revocation", stage: StageTLS, proof: Freshness, held: everyProof &^ Freshness, run: revoked},
		{name: "upper case SNI", mistake: "lax-default", stage: StageTLS, proof: Chain, held: noCertificate, run: simple(named("SECRET.test"))},
		{name: "unknown SNI", mistake: "lax-default", stage: StageTLS, proof: Chain, held: noCertificate &^ Authority, run: simple(named("unknown.test"))},
		{name: "no SNI", mistake: "lax-default", stage: StageTLS, proof: Chain, held: noCertificate &^ Authority, run: simple(named("-"))},
		{name: "public SNI", mistake: "no-authority-check", stage: StageHTTP, proof: Authority, held: noCertificate &^ Authority, run: simple(named(publicHost))},
		{
			name: "resumed after revocation", mistake: "pin-in-verify-peer-certificate", stage: StageTLS, proof: Freshness, held: everyProof &^ Freshness,
			path: Path{Connection: Resumed}, run: resumedAfter(revokeCaller),
		},
		{
			name: "resumed after another pin", mistake: "pin-in-verify-peer-certificate", stage: StageTLS, proof: Subject, held: everyProof &^ Subject,
			path: Path{Connection: Resumed}, run: resumedAfter(pinAnother),
		},
		{
			name: "pooled after another pin", mistake: "pin-in-verify-peer-certificate", stage: StageHTTP, proof: Subject, held: everyProof &^ Subject,
			path: Path{Connection: Pooled}, run: pooledAfter(pinAnother),
		},
		{
			name: "pooled after revocation", mistake: "handshake-only-revocation", stage: StageHTTP, proof: Freshness, held: everyProof &^ Freshness,
			path: Path{Connection: Pooled}, run: pooledAfter(revokeCaller),
		},
	}
	for flaw, proof := range flawProofs {
		table = append(table, attack{name: string(flaw), mistake: "any-certificate", stage: StageTLS, proof: proof, held: everyProof &^ proof, run: simple(flawed(flaw))})
	}
	return table
}

// provenByAttempts need a second port, a second authority or a request that
// this rig does not make: the matrix of sim/bypass proves them, which holds
// that every mistake is some attempt's control.
var provenByAttempts = []string{
	"plain-open-allowlist", "plain-no-secret", "plain-no-certificate", "v4-only-allowlist", "wide-allowlist",
	"exempt-path-secret", "exempt-path-certificate", "guard-behind-router", "trailer-secret", "echo-header",
	"single-secret", "own-name-only", "any-index", "extra-roots", "answer-before-allowlist", "trust-identity-header",
}

// flawProofs is what each flawed certificate lacks.
var flawProofs = map[pki.Flaw]Proof{
	pki.Expired: Validity, pki.NotYetValid: Validity, pki.WrongUsage: Purpose, pki.WrongName: Subject,
	pki.OtherAuthority: Chain, pki.SelfSigned: Chain,
}

func publicCertificate(l *lab) *pki.Certificate {
	l.t.Helper()
	c, err := publicAuthority.Issue(pki.Request{Name: "attacker.example", Usage: pki.ClientAuth})
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

func revoked(r *rig, p Policy, version string) (outcome, netip.AddrPort) {
	stolen := r.lab.client(edgeURI, pki.NoFlaw)
	r.lab.revoke(stolen)
	r.reload(p, r.lab.credentials())
	return r.call(caller{cert: stolen, version: version})
}

// revokeCaller and pinAnother change the policy under a caller's feet. The
// edge that the rig knows is left as it was, where it can be.
func revokeCaller(r *rig, p Policy, c *pki.Certificate) {
	r.lab.revoke(c)
	r.reload(p, r.lab.credentials())
}

func pinAnother(r *rig, p Policy, _ *pki.Certificate) {
	const another = "spiffe://lab/next-edge"
	p.PinValue = another
	r.lab.edge = r.lab.client(another, pki.NoFlaw)
	r.reload(p, r.lab.credentials())
}

type change func(*rig, Policy, *pki.Certificate)

// resumedAfter keeps a ticket, loses its standing and comes back without key.
func resumedAfter(change change) func(*rig, Policy, string) (outcome, netip.AddrPort) {
	return func(r *rig, p Policy, version string) (outcome, netip.AddrPort) {
		stolen := r.lab.client(edgeURI, pki.NoFlaw)
		c := caller{cert: stolen, version: version, sessions: tls.NewLRUClientSessionCache(1)}
		if o, _ := r.call(c); !o.served() || o.resumed {
			r.t.Fatalf("before the change: %+v", o)
		}
		change(r, p, stolen)
		c.cert = nil
		return r.call(c)
	}
}

// pooledAfter keeps a connection.
func pooledAfter(change change) func(*rig, Policy, string) (outcome, netip.AddrPort) {
	return func(r *rig, p Policy, version string) (outcome, netip.AddrPort) {
		stolen := r.lab.client(edgeURI, pki.NoFlaw)
		s := r.open(caller{cert: stolen, version: version})
		if o := s.do(); !o.served() {
			r.t.Fatalf("before the change: %+v", o)
		}
		change(r, p, stolen)
		return s.do(), s.peer
	}
}

// TestMistakes is the conformance test of the registry: the correct policy
// refuses each attack at the right stage for the right reason, the same policy
// with the mistake lets it through, and the edge is served all the while.
func TestMistakes(t *testing.T) {
	tried := map[string]bool{}
	for _, a := range attacks() {
		tried[a.mistake] = true
		mistake, ok := MistakeNamed(a.mistake)
		if !ok {
			t.Errorf("%s: no mistake %q", a.name, a.mistake)
			continue
		}
		for _, version := range []string{"1.2", "1.3"} {
			t.Run(a.mistake+"/"+a.name+"/"+version, func(t *testing.T) {
				if a.mistake == "system-roots" && !hasSystemRoots() {
					t.Skip("the system's roots cannot be set here")
				}
				t.Parallel()
				a.check(t, mistake, version)
			})
		}
	}
	for _, mistake := range Mistakes() {
		if !tried[mistake.Name] && !slices.Contains(provenByAttempts, mistake.Name) {
			t.Errorf("mistake %q: no attack proves it", mistake.Name)
		}
		if mistake.Title == "" || mistake.Fix == "" {
			t.Errorf("mistake %q: no title or no fix", mistake.Name)
		}
		if _, ok := StrategyNamed(mistake.Strategy); !ok {
			t.Errorf("mistake %q: unknown strategy %q", mistake.Name, mistake.Strategy)
		}
	}
}

func (a attack) check(t *testing.T, mistake Mistake, version string) {
	correct := policy(t, mistake.Strategy)
	if required := correct.Requires(a.path); a.held.Has(required) {
		t.Errorf("correct policy requires %s: the attacker holds it all", required)
	} else if !required.Without(a.held).Has(a.proof) {
		t.Errorf("correct policy requires %s: the attacker does not lack %s", required, a.proof)
	}
	control := correct
	control.Mistake = mistake.Name
	if required := control.Requires(a.path); !a.held.Has(required) {
		t.Errorf("with the mistake %s is required: the attacker lacks %s", required, required.Without(a.held))
	}

	for _, p := range []Policy{correct, control} {
		l := newLab(t)
		r := l.start(l.config(p))
		r.edgeServed("before", version)
		o, peer := a.run(r, p, version)
		e := r.entry(peer)
		r.edgeServed("after", version)
		if p.Mistake != "" {
			if !o.served() || e.Verdict != Allowed {
				t.Errorf("control: %+v, audit %+v: want the protected object", o, e)
			}
			continue
		}
		if o.proof != "" || o.status == 200 || e.Verdict != Refused || e.Stage != a.stage || e.Proof != a.proof.String() || e.Reason == "" {
			t.Errorf("correct: %+v, audit %+v: want refused at %s for %s", o, e, a.stage, a.proof)
		}
	}
}

func (r *rig) edgeServed(when, version string) {
	r.t.Helper()
	c := r.lab.legitimate()
	if version == "1.3" {
		if o, _ := r.callH3(c); !o.served() {
			r.t.Errorf("the edge over HTTP/3, %s: %+v", when, o)
		}
	}
	c.version = version
	if o, _ := r.call(c); !o.served() {
		r.t.Errorf("the edge, %s: %+v", when, o)
	}
}

func TestMistakesDropOnlyWhatTheirStrategyAsks(t *testing.T) {
	for _, mistake := range Mistakes() {
		p := policy(t, mistake.Strategy)
		var dropped Proof
		for _, path := range append(Paths(), Path{Impersonates: true}) {
			required := p.Requires(path)
			p.Mistake = mistake.Name
			left := p.Requires(path)
			p.Mistake = ""
			if !required.Has(left) {
				t.Errorf("%s on %+v: requires more (%s) than the correct policy (%s)", mistake.Name, path, left, required)
			}
			dropped |= required.Without(left)
		}
		if dropped == 0 && mistake.Locks == 0 {
			t.Errorf("%s drops nothing on any path", mistake.Name)
		}
	}
}
