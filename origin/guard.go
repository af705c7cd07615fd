package origin

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"

	"github.com/originpull/originpull/pki"
)

// guard is a policy made ready to decide: the correct checks, then at most one
// mistake planted in them. It is immutable once built; Reload builds another.
type guard struct {
	policy      Policy
	credentials pki.Credentials
	encrypted   bool // the server speaks TLS
	lifts       refusal
	public      map[string]bool // by hostName
	previous    *guard          // the guard this one replaces, while being built

	// overQUIC decides on QUIC connections; the guard itself in a correct
	// policy.
	overQUIC *guard
	// overPlain is the same for a plaintext port beside the TLS one.
	overPlain *guard

	// admits decides on the socket address, before any byte; nil admits all.
	admits func(netip.Addr) bool
	// claims decides on an address that the request itself names; always nil
	// in a correct policy.
	claims func(*http.Request, netip.Addr) bool
	// preface says that a PROXY preface is believed; never in a correct policy.
	preface bool

	// secret decides on the secret header; nil asks for none.
	secret func(http.Header) *denial
	// secrets are the values that are accepted now.
	secrets []secretSum

	// What follows is only ever set by mistake. secretless says whose secret is
	// not asked for, excuses whose certificate; trailers counts a trailer as
	// header; behindRouter guards matched routes only; echoes answers TRACE.
	secretless, excuses            func(*http.Request) bool
	trailers, behindRouter, echoes bool

	// profile is the front door that the server stands for; nil: none. believes:
	// its identity headers are taken from the caller, by mistake.
	profile  *Profile
	believes bool

	// anyAuthority serves whatever Host asks for, whatever SNI said.
	anyAuthority bool
	// laxDefault gives a name that is not literally Host the public treatment.
	laxDefault bool

	clientAuth tls.ClientAuthType
	roots      *x509.CertPool
	usages     []x509.ExtKeyUsage
	// ownChain: crypto/tls does not verify the chain, VerifyConnection does.
	ownChain bool
	// chain, subject and freshness decide on a client certificate with its
	// intermediates; nil decides nothing.
	chain, subject, freshness func([]*x509.Certificate) *denial
	// fullOnly: subject and freshness are decided at full handshakes only.
	fullOnly bool
	// handshakeOnly: freshness is decided at handshakes only.
	handshakeOnly bool
}

// denial is why a caller was turned away.
type denial struct {
	proof  Proof // the one proof found missing; 0: it never came to that
	reason string
	status int  // HTTP status, at the http stage
	closes bool // the connection is not to be used again
}

func (d *denial) Error() string { return d.reason }

func deny(proof Proof, format string, args ...any) *denial {
	return &denial{proof: proof, reason: fmt.Sprintf(format, args...), status: http.StatusForbidden}
}

// newGuard refuses an unsafe policy, unless its mistake lifts that refusal.
func newGuard(p Policy, c pki.Credentials, encrypted bool, previous *guard) (*guard, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	g := &guard{policy: p, credentials: c, encrypted: encrypted, previous: previous, public: map[string]bool{}}
	for _, host := range p.PublicHosts {
		g.public[hostName(host)] = true
	}
	if profile, known := ProfileNamed(p.Profile); known {
		g.profile = &profile
	}
	mistake, wrong := MistakeNamed(p.Mistake)
	g.lifts = mistake.lifts
	for _, name := range p.Strategies {
		strategy, _ := StrategyNamed(name)
		if err := strategy.equip(g); err != nil {
			return nil, fmt.Errorf("strategy %s: %w", name, err)
		}
	}
	if wrong {
		if err := mistake.plant(g); err != nil {
			return nil, fmt.Errorf("mistake %s: %w", mistake.Name, err)
		}
	}
	g.previous = nil
	if g.overQUIC == nil {
		g.overQUIC = g
	}
	if g.overPlain == nil {
		g.overPlain = g
	}
	return g, nil
}

// refuse returns the error, unless the planted mistake lifts this refusal.
func (g *guard) refuse(r refusal, format string, args ...any) error {
	if r != "" && g.lifts == r {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// asksCertificate says whether a handshake without a certificate must fail.
func (g *guard) asksCertificate() bool {
	return g.clientAuth == tls.RequireAnyClientCert || g.clientAuth == tls.RequireAndVerifyClientCert
}

// verifyConnection runs after every handshake, a resumed one included: unlike
// VerifyPeerCertificate it is not skipped there. crypto/tls has verified the
// chain by then, on resumption its dates and root only.
func (g *guard) verifyConnection(state tls.ConnectionState) error {
	certs := state.PeerCertificates
	if len(certs) == 0 {
		if g.asksCertificate() {
			return deny(Chain, "no client certificate")
		}
		return nil
	}
	if g.ownChain {
		if d := g.chain(certs); d != nil {
			return d
		}
	}
	if g.fullOnly {
		return nil
	}
	return g.verifyIdentity(certs)
}

// verifyIdentity returns an untyped nil error when nothing is wrong.
func (g *guard) verifyIdentity(certs []*x509.Certificate) error {
	for _, check := range []func([]*x509.Certificate) *denial{g.subject, g.freshness} {
		if check == nil {
			continue
		}
		if d := check(certs); d != nil {
			return d
		}
	}
	return nil
}

// admit decides on one request. The order is fixed: authority, the
// connection's own standing, the secret.
func (g *guard) admit(c *identity, r *http.Request) *denial {
	host := hostName(r.Host)
	unchecked := !c.encrypted || g.anyAuthority || g.laxDefault && c.lax
	if !unchecked && (c.sni == "" || c.sni != host) {
		d := deny(Authority, "server name %q is not host %q", c.sni, host)
		d.status = http.StatusMisdirectedRequest
		return d
	}
	if d := g.standing(c, g.public[host]); d != nil {
		d.closes = true
		return d
	}
	if g.claims != nil && !g.claims(r, c.peer.Addr()) {
		return deny(Address, "neither the socket address %s nor a forwarded one is allowed", c.peer.Addr())
	}
	if g.excuses != nil && c.encrypted && len(c.certs) == 0 && !g.public[host] && !g.excuses(r) {
		return deny(Chain, "no client certificate")
	}
	if g.secret == nil || g.public[host] || g.secretless != nil && g.secretless(r) {
		return nil
	}
	header := r.Header
	if g.trailers {
		header = withTrailer(r)
	}
	return g.secret(header)
}

// withTrailer reads the body to its end, where the trailer is.
func withTrailer(r *http.Request) http.Header {
	// A body that breaks off has no trailer.
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, maxHeader))
	header := r.Header.Clone()
	for name, values := range r.Trailer {
		header[name] = append(header[name], values...)
	}
	return header
}

// standing decides whether a connection that was good when it began is good
// under this guard now: a connection outlives policies, revocations and dates.
func (g *guard) standing(c *identity, public bool) *denial {
	changed := c.guard != g
	if changed && g.admits != nil && !g.admits(c.peer.Addr()) {
		return deny(Address, "address %s is not allowed", c.peer.Addr())
	}
	if public || g.clientAuth == tls.NoClientCert || g.laxDefault && c.lax {
		return nil
	}
	if len(c.certs) == 0 {
		if (changed || !c.encrypted) && g.asksCertificate() {
			return deny(Chain, "no client certificate")
		}
		return nil
	}
	if d := g.certificateStanding(c.certs, changed); d != nil {
		return d
	}
	c.guard = g
	return nil
}

// certificateStanding repeats in full what a changed guard may see otherwise;
// time alone changes dates and revocation lists only.
func (g *guard) certificateStanding(certs []*x509.Certificate, changed bool) *denial {
	switch {
	case g.chain == nil:
	case changed:
		if d := g.chain(certs); d != nil {
			return d
		}
	default:
		if d := g.datesStanding(certs); d != nil {
			return d
		}
	}
	if g.fullOnly {
		return nil
	}
	if changed && g.subject != nil {
		if d := g.subject(certs); d != nil {
			return d
		}
	}
	if g.freshness != nil && !g.handshakeOnly {
		return g.freshness(certs)
	}
	return nil
}

// datesStanding looks at the leaf, and when one of the other certificates has
// expired, whether the leaf has a chain without it.
func (g *guard) datesStanding(certs []*x509.Certificate) *denial {
	now := time.Now()
	for i, cert := range certs {
		if !now.After(cert.NotAfter) {
			continue
		}
		if i > 0 {
			return g.chain(certs)
		}
		return deny(Validity, "client certificate expired at %s", cert.NotAfter.Format(time.RFC3339))
	}
	return nil
}
