package origin

import (
	"crypto/tls"
	"net/netip"
	"sync"
	"testing"

	"github.com/originpull/originpull/pki"
)

func TestReloadThatFailsChangesNothing(t *testing.T) {
	l := newLab(t)
	r := l.start(l.config(policy(t, Header)))
	before := r.server.state.Load()
	broken := policy(t, Header)
	broken.Secret = "missing"
	if err := r.server.Reload(broken, l.credentials()); err == nil {
		t.Fatal("a broken policy was loaded")
	}
	if err := r.server.Reload(policy(t, Header), pki.Credentials{}); err == nil {
		t.Fatal("a policy was loaded without credentials")
	}
	if r.server.state.Load() != before {
		t.Error("the state changed")
	}
	r.expect("the edge", l.legitimate(), want{200, StageHTTP, 0})
}

// TestPooledConnectionsAreJudgedAnew: each change of policy is felt on
// connections that are open already.
func TestPooledConnectionsAreJudgedAnew(t *testing.T) {
	type step struct {
		name       string
		strategies []string
		caller     func(*lab) caller
		change     func(*lab, *Policy, *pki.Credentials)
		want       Proof
	}
	edge := func(l *lab) caller { return l.legitimate() }
	for _, test := range []step{
		{"nothing", []string{Allowlist, Header, MTLS}, edge, func(*lab, *Policy, *pki.Credentials) {}, 0},
		{"address", []string{Allowlist}, edge, func(_ *lab, p *Policy, _ *pki.Credentials) {
			p.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.9.0/24")}
		}, Address},
		{"roots", []string{MTLS}, edge, otherRoots, Chain},
		{"secret", []string{Header}, edge, func(_ *lab, _ *Policy, c *pki.Credentials) { c.Secrets["now"] = "next" }, Secret},
		{"mtls switched on", nil, edge, func(_ *lab, p *Policy, _ *pki.Credentials) { *p = policy(t, MTLS) }, Chain},
		{
			"host no longer public",
			[]string{MTLS},
			func(*lab) caller { return caller{from: edgeAddr, sni: publicHost, host: publicHost} },
			func(_ *lab, p *Policy, _ *pki.Credentials) { p.PublicHosts = nil }, Chain,
		},
	} {
		l := newLab(t)
		p := policy(t, test.strategies...)
		r := l.start(l.config(p))
		s := r.open(test.caller(l))
		if o := s.do(); o.status != 200 {
			t.Fatalf("%s: before: %+v", test.name, o)
		}
		c := l.credentials()
		test.change(l, &p, &c)
		r.reload(p, c)
		o, e := s.do(), r.entry(s.peer)
		if test.want == 0 {
			if !o.served() {
				t.Errorf("%s: %+v", test.name, o)
			}
			continue
		}
		if o.status != 403 || e.Proof != test.want.String() || o.closed != (test.want != Secret) {
			t.Errorf("%s: %+v, audit %+v: want 403 for %s", test.name, o, e, test.want)
		}
	}
}

func otherRoots(_ *lab, p *Policy, c *pki.Credentials) {
	p.RevocationList = ""
	c.Roots["roots"] = string(publicAuthority.Roots())
}

// TestTicketsOutliveReload: a session is ended by what is wrong with it, not
// by a lost key.
func TestTicketsOutliveReload(t *testing.T) {
	for _, version := range []string{"1.2", "1.3"} {
		l := newLab(t)
		p := policy(t, MTLS)
		r := l.start(l.config(p))
		c := caller{version: version, cert: l.edge, sessions: tls.NewLRUClientSessionCache(1)}
		r.call(c)
		other := l.client(edgeURI, pki.NoFlaw)
		l.revoke(other)
		r.reload(p, l.credentials())
		if o, _ := r.call(c); !o.served() || !o.resumed {
			t.Errorf("%s: after another's revocation: %+v", version, o)
		}
		l.revoke(l.edge)
		r.reload(p, l.credentials())
		o, peer := r.call(c)
		if e := r.entry(peer); o.err == nil || !e.Resumed || e.Stage != StageTLS || e.Proof != "freshness" {
			t.Errorf("%s: after its own revocation: %+v, audit %+v", version, o, e)
		}
	}
}

// TestReloadUnderLoad is for the race detector: every call is decided by the
// one policy or the other.
func TestReloadUnderLoad(t *testing.T) {
	l := newLab(t)
	p := policy(t, Header, MTLS)
	r := l.start(l.config(p))
	credentials := l.credentials()
	var calls sync.WaitGroup
	for range 4 {
		calls.Go(func() {
			for range 10 {
				if o, _ := r.call(l.legitimate()); !o.served() {
					t.Errorf("%+v", o)
				}
			}
		})
	}
	for range 20 {
		p.PreviousSecret = "before"
		r.reload(p, credentials)
		p.PreviousSecret = ""
		r.reload(p, credentials)
	}
	calls.Wait()
}
