package bypass

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/wire"
)

// External stands for a Site in rows, where a server's name stands otherwise.
const External = "external"

// State is what is known of an origin that cannot be given a control.
type State string

// The states. Each of the first two needs the legitimate edge to be served
// before and after.
const (
	Open     State = "open"     // the attempt got the protected answer
	Shut     State = "shut"     // every step of it was refused
	Unproven State = "unproven" // nobody can tell
)

// Site is an origin that somebody else runs: it is asked, and never told
// anything. It shows nothing of its secrets when printed.
type Site struct {
	Network  wire.Network // reaches Address alone
	Address  netip.AddrPort
	Name     string // of the protected site, in SNI and Host
	Path     string // of the protected object
	Strategy string // of Strategies: what the origin is meant to ask for
	// Answer is a text in the protected answer's body or one of its header lines
	// ("Name: value"); "": the answer must be the same each time, and is known by
	// its sum.
	Answer string
	Roots  *x509.CertPool   // of the origin's certificate; nil: the system's
	Edge   *tls.Certificate // that the legitimate edge shows; nil: none
	// Header carries Secret; Retired was its value once, "" for none.
	Header, Secret, Retired string
	// Certificates are the user's own for cases that only the origin's authority
	// can issue one for, by case.
	Certificates map[string]tls.Certificate
	// Intrusive: attempts of that class are made too.
	Intrusive bool

	sum [sha256.Size]byte // of the protected answer, where Answer is ""
}

// Format writes the site's name: a secret or a key is in no log.
func (s *Site) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "origin %s", s.Name) }

// need is what of a site's material a case takes.
type need struct {
	edge, secret, retired, certificate bool
}

// elsewhere are the cases that are made on an origin of somebody else's, and
// what they need. For others there is the reason that elsewhereNot gives.
var elsewhere = map[string]need{
	"A01": {}, "A02": {}, "A03": {}, "A04": {}, "A16": {},
	"A05": {certificate: true},
	"B01": {}, "B02": {}, "B03": {secret: true}, "B04": {retired: true}, "B06": {secret: true}, "B07": {secret: true},
	"B08": {secret: true}, "B09": {secret: true},
	"C01": {}, "C02": {}, "C03": {}, "C04": {}, "C12": {edge: true}, "C13": {edge: true}, "C22": {},
	"C05": {certificate: true}, "C06": {certificate: true}, "C07": {certificate: true}, "C08": {certificate: true},
	"C09": {certificate: true}, "C10": {certificate: true}, "C11": {certificate: true}, "C14": {certificate: true},
	"C15": {certificate: true}, "C16": {certificate: true}, "C19": {certificate: true}, "C20": {certificate: true}, "C24": {certificate: true},
	"D01": {}, "D02": {}, "D16": {},
}

// MadeElsewhere reports whether a case can be made on a Site at all, and
// whether it takes a certificate that only the origin's authority can issue.
func MadeElsewhere(id string) (made, certificate bool) {
	n, made := elsewhere[id]
	return made, n.certificate
}

// elsewhereNot says why a case is not made on an origin of somebody else's, or
// "".
func (s *Site) elsewhereNot(a Attempt, v variant) string {
	n, made := elsewhere[a.ID]
	mutual := slices.Contains(v.strategies, origin.MTLS)
	switch {
	case a.Unbuilt != "":
		return a.Unbuilt
	case a.Class == Disruptive:
		return "it is disruptive, and never leaves this machine's own origins"
	case a.Class == Intrusive && !s.Intrusive:
		return "it is intrusive, and made with --intrusive alone"
	case a.Live:
		return "it changes the origin's policy while it runs"
	case a.Rogue != nil:
		return "it meets the edge, not the origin"
	case (a.ID == "A03" || a.ID == "A04") && !s.Address.Addr().Is4():
		return "its prefix claims an IPv4 address, and the origin's is none"
	case !made:
		return "it needs more of the origin than its address: a listener, a host or a path of its own"
	case n.certificate && !mutual && a.ID != "A05":
		return "the origin is not meant to ask for certificates"
	}
	return s.lacks(a, v)
}

// Lacks says which of the user's material a case needs and does not have, or "".
func (s *Site) Lacks(id string) string {
	v, err := variantNamed(s.Strategy)
	if err != nil {
		return ""
	}
	if a, known := registry[id]; known && a.concerns(v) && a.Unbuilt == "" && a.Class != Disruptive {
		return s.lacks(a, v)
	}
	return ""
}

func (s *Site) lacks(a Attempt, v variant) string {
	n := elsewhere[a.ID]
	switch {
	case n.certificate && slices.Contains(v.strategies, origin.MTLS) && s.Certificates[a.ID].Certificate == nil:
		return "it shows a certificate that only the origin's authority can issue: name one for it in origin.material.certificates"
	case n.edge && s.Edge == nil:
		return "it shows the edge's certificate: name that in origin.material"
	case n.secret && s.Secret == "":
		return "it sends the secret: name its file in origin.material.secret"
	case n.retired && s.Retired == "":
		return "it sends the secret before this one: name its file in origin.material.retiredSecret"
	}
	return ""
}

// Rows predicts the rows of the cases on the site: what its strategy would do
// where it is what the origin does. Nothing is sent.
func (s *Site) Rows(cases, versions []string) ([]Planned, error) {
	v, err := variantNamed(s.Strategy)
	if err != nil {
		return nil, err
	}
	plan := Plan{Cases: cases, TLS: versions}.complete()
	if err := plan.validate(); err != nil {
		return nil, err
	}
	var rows []Planned
	for _, id := range plan.Cases {
		a := registry[id]
		if !a.concerns(v) {
			continue
		}
		for _, version := range plan.TLS {
			row := Planned{Case: id, Title: a.Title, Server: External, Strategy: v.name, TLS: version, Protocol: overH1}
			if row, err = predict(row, a, v); err != nil {
				return nil, err
			}
			if row.Skipped == "" {
				row.Skipped = s.elsewhereNot(a, v)
			}
			if row.Skipped != "" {
				row.Predicted = NotRun
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// Run makes the rows' attempts, one after the other. The error is that not one
// was made: the legitimate edge itself is not served, or its answer cannot be
// told from others.
func (s *Site) Run(ctx context.Context, planned []Planned, progress func(done, total int)) ([]Row, error) {
	m, err := s.material()
	if err != nil {
		return nil, err
	}
	if err := s.know(ctx, m); err != nil {
		return nil, err
	}
	rows := make([]Row, 0, len(planned))
	for i := range planned {
		if ctx.Err() != nil {
			return rows, fmt.Errorf("stopped after %d of %d rows: %w", i, len(planned), ctx.Err())
		}
		row := skippedRow(planned[i])
		if planned[i].Skipped == "" {
			row = s.judged(threeLegs(ctx, bench{planned: planned[i], attempt: registry[planned[i].Case], lab: s.labFor(m, planned[i], i)}))
		}
		if ctx.Err() == nil {
			rows = append(rows, row)
		}
		if progress != nil {
			progress(i+1, len(planned))
		}
	}
	return rows, ctx.Err()
}

// judged is the row with its state. What was blocked or got through says
// nothing where the edge itself was not served around it.
func (s *Site) judged(r Row) Row {
	legs := r.LegBefore && r.LegAfter
	switch {
	case r.Measured == Bypassed || r.Measured == Leaked:
		r.State = Open
	case legs && r.Measured == Blocked:
		r.State = Shut
	default:
		r.State, r.OK = Unproven, false
	}
	switch {
	case r.State == Open && !legs:
		r.State, r.OK = Unproven, false
	case r.State == Shut && r.Predicted != Blocked:
		r.OK = true // stricter than its strategy
	}
	return r
}

// sitePatience is with one step: a distance is in between.
const sitePatience = 10 * time.Second

// lab is what one row on the site may use.
func (s *Site) lab(m *Material, version string, n int) *Lab {
	attacker := attackerAddress(n)
	if !s.Address.Addr().IsLoopback() || !s.Address.Addr().Is4() {
		attacker = netip.Addr{} // this machine's own
	}
	return &Lab{
		Profile: wire.Profile{Version: version}, Target: s.Address, Attacker: attacker, Material: m,
		server: External, site: s, secret: currentSecret, patience: sitePatience,
	}
}

func (s *Site) labFor(m *Material, planned Planned, n int) *Lab {
	l := s.lab(m, planned.TLS, n)
	l.of = planned.Case
	return l
}

// material is the lab's, with the user's in place of what the origin knows.
func (s *Site) material() (*Material, error) {
	m, err := NewMaterial(time.Now())
	if err != nil {
		return nil, err
	}
	m.Origin.Secrets = map[string]string{currentSecret: s.Secret, retiredSecret: s.Retired}
	m.retired = s.Retired
	m.trusting = &tls.Config{RootCAs: s.Roots, ServerName: s.Name}
	if s.Edge == nil {
		return m, nil
	}
	leaf, err := x509.ParseCertificate(s.Edge.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("the edge's certificate: %w", err)
	}
	m.clients[edgeCertificate] = *s.Edge
	m.clients[wrongKey] = tls.Certificate{Certificate: s.Edge.Certificate, PrivateKey: m.clients[tenantCertificate].PrivateKey}
	return m, m.resemble(leaf)
}

// resemble issues the certificates of strangers in the name of somebody's edge,
// one of them below an authority of the same name.
func (m *Material) resemble(leaf *x509.Certificate) error {
	name := leaf.Subject.CommonName
	if len(leaf.DNSNames) > 0 {
		name = leaf.DNSNames[0]
	}
	if name == "" {
		return nil // there is none to take: they keep the lab's
	}
	same, err := pki.New(pki.Config{Name: leaf.Issuer.CommonName, Now: time.Now()})
	if err != nil {
		return fmt.Errorf("making an authority of the same name: %w", err)
	}
	for _, c := range []struct {
		from *pki.Authority
		client
	}{
		{m.lab, client{selfSigned, name, pki.ClientAuth, pki.SelfSigned}},
		{m.stranger, client{otherAuthority, name, pki.ClientAuth, pki.NoFlaw}},
		{same, client{sameNameAuthority, name, pki.ClientAuth, pki.NoFlaw}},
	} {
		if _, err := m.issue(c.from, c.client); err != nil {
			return err
		}
	}
	return nil
}
