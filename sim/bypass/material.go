package bypass

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"sync"
	"time"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
)

// The names every bypass experiment uses.
const (
	Host              = "origin.test"         // protected
	PublicHost        = "public.test"         // on the same origin, for everybody
	OtherHost         = "lb-17.balancer.test" // what the origin is also called
	SecretHeader      = "X-Origin-Verify"
	ServerCertificate = "server" // the origin's certificate in the credentials
	Group             = "x25519" // the key-exchange group of every connection
)

// Names of credentials that a policy refers to.
const (
	clientRoots    = "clients"
	currentSecret  = "secret"
	nextSecret     = "secret-next"
	retiredSecret  = "secret-retired"
	revocationList = "revoked"
)

// Subject alternative names of client certificates.
const (
	edgeName     = "edge.cdn.test" // what the policy pins
	tenantName   = "tenant-b.cdn.test"
	attackerName = "attacker.test"
)

// validity is that of every certificate, longer than any run.
const validity = 24 * time.Hour

// Names of client certificates. None of them is in the origin's credentials.
const (
	edgeCertificate     = "edge"
	stolenCertificate   = "stolen" // a second one of the edge, same SAN
	tenantCertificate   = "tenant"
	selfSigned          = "self-signed"
	otherAuthority      = "other-authority"
	sameNameAuthority   = "same-name-authority"
	publicCertificate   = "public"
	expiredCertificate  = "expired"
	wrongUsage          = "wrong-usage"
	wrongNameOfSameRoot = "wrong-name"
	notYetValid         = "not-yet-valid"
	noPurpose           = "no-purpose"
	anyPurpose          = "any-purpose"
	commonNameOnly      = "common-name-only"
	wildcardName        = "wildcard"
	leafAsIssuer        = "leaf-as-issuer"
	pathTooLong         = "path-too-long"
	constrainedName     = "constrained-name"
	withoutIntermediate = "without-intermediate"
	authorityAsLeaf     = "authority-as-leaf"
	unrelatedBehind     = "unrelated-behind"
	hugeChain           = "huge-chain"
	hugeKey             = "huge-key"
	wrongKey            = "wrong-key"
	retiredAuthority    = "retired-authority"
	revokedAuthority    = "revoked-authority"
	revokedBefore       = "revoked-before" // on the list from the start
)

// retiredRoots names the roots that only a mistake still trusts.
const retiredRoots = "clients-retired"

// The source addresses that tell clients apart.
var (
	edgeAddress   = netip.AddrFrom4([4]byte{127, 0, 1, 1})
	tenantAddress = netip.AddrFrom4([4]byte{127, 0, 1, 2})
	insideAddress = netip.AddrFrom4([4]byte{127, 0, 1, 3})
	newEgress     = netip.AddrFrom4([4]byte{127, 0, 3, 1})
	retiredEgress = netip.AddrFrom4([4]byte{127, 0, 4, 1})
	allowed       = netip.PrefixFrom(edgeAddress, 24).Masked() // the CDN's range: both
)

// Material is every certificate and secret of a bypass experiment. It is
// read-only once made, and shows nothing of them when printed.
type Material struct {
	// Origin is what the origin is handed at the start.
	Origin pki.Credentials

	// PublicRoots is the PEM bundle of the lab's public authority, which the
	// origin's process must take for the system's roots.
	PublicRoots []byte

	lab, stranger *pki.Authority // they sign randomised certificates

	rogues   map[string]tls.Certificate // what rogue origins show
	edgeLeaf string                     // the fingerprint of the edge's certificate
	rotated  pki.Credentials            // the origin's under another authority
	revoked  string                     // the revocation list that names the stolen certificate
	retired  string                     // the secret before the current one
	next     string                     // the secret after a rotation
	tenant   string                     // the other tenant's own secret
	clients  map[string]tls.Certificate
	trusting *tls.Config // how the legitimate edge verifies the origin

	hiding func() *regexp.Regexp // what evidence leaves out
}

// Format writes, for every verb, the names of the credentials: a secret or a
// key is in no log.
func (m *Material) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "bypass material: %v", m.Origin)
}

// NewMaterial issues everything a bypass experiment needs, valid around now.
func NewMaterial(now time.Time) (*Material, error) {
	lab, err := pki.New(pki.Config{Name: "originpull lab", Intermediates: 1, Now: now})
	if err != nil {
		return nil, fmt.Errorf("making the lab authority: %w", err)
	}
	m := &Material{lab: lab, retired: rand.Text(), next: rand.Text(), tenant: rand.Text(), clients: map[string]tls.Certificate{}}
	if err := m.issueClients(lab, now); err != nil {
		return nil, err
	}
	if err := m.forgeClients(lab); err != nil {
		return nil, err
	}
	if err := m.issueRogues(lab); err != nil {
		return nil, err
	}
	if err := m.assemble(lab); err != nil {
		return nil, err
	}
	if err := m.rotate(now); err != nil {
		return nil, err
	}
	m.hiding = sync.OnceValue(m.secrets)
	return m, nil
}

// client describes one client certificate of the lab's authority.
type client struct {
	name  string
	san   string
	usage pki.Usage
	flaw  pki.Flaw
}

var labClients = []client{
	{edgeCertificate, edgeName, pki.ClientAuth, pki.NoFlaw},
	{tenantCertificate, tenantName, pki.ClientAuth, pki.NoFlaw},
	{selfSigned, edgeName, pki.ClientAuth, pki.SelfSigned},
	{sameNameAuthority, edgeName, pki.ClientAuth, pki.OtherAuthority},
	{expiredCertificate, edgeName, pki.ClientAuth, pki.Expired},
	{wrongUsage, edgeName, pki.ClientAuth, pki.WrongUsage},
	{wrongNameOfSameRoot, edgeName, pki.ClientAuth, pki.WrongName},
	{notYetValid, edgeName, pki.ClientAuth, pki.NotYetValid},
}

// issueClients makes the client certificates of the lab's authority and of
// the two others.
func (m *Material) issueClients(lab *pki.Authority, now time.Time) error {
	for _, c := range labClients {
		if _, err := m.issue(lab, c); err != nil {
			return err
		}
	}
	other, err := pki.New(pki.Config{Name: "another private authority", Now: now})
	if err != nil {
		return fmt.Errorf("making another authority: %w", err)
	}
	public, err := pki.New(pki.Config{Name: "public web authority", Now: now})
	if err != nil {
		return fmt.Errorf("making the public authority: %w", err)
	}
	m.PublicRoots, m.stranger = public.Roots(), other
	if _, err := m.issue(other, client{name: otherAuthority, san: edgeName, usage: pki.ClientAuth}); err != nil {
		return err
	}
	_, err = m.issue(public, client{name: publicCertificate, san: attackerName, usage: pki.ClientAuth})
	return err
}

func (m *Material) issue(from *pki.Authority, c client) (*pki.Certificate, error) {
	issued, err := from.Issue(pki.Request{
		Name: c.name, Usage: c.usage, DNSNames: []string{c.san},
		Validity: validity, Flaw: c.flaw,
	})
	if err != nil {
		return nil, fmt.Errorf("issuing the %s certificate: %w", c.name, err)
	}
	pair, err := issued.TLS()
	if err != nil {
		return nil, fmt.Errorf("reading the %s certificate: %w", c.name, err)
	}
	m.clients[c.name] = pair
	return issued, nil
}

// assemble makes the origin's certificate, the revocation lists before and
// after the theft is noticed, and the credentials of the origin.
func (m *Material) assemble(lab *pki.Authority) error {
	server, err := lab.Issue(pki.Request{
		Name: ServerCertificate, Usage: pki.ServerAuth,
		DNSNames: []string{Host, PublicHost, OtherHost}, Validity: validity,
	})
	if err != nil {
		return fmt.Errorf("issuing the origin's certificate: %w", err)
	}
	stolen, err := m.issue(lab, client{name: stolenCertificate, san: edgeName, usage: pki.ClientAuth})
	if err != nil {
		return err
	}
	revokedBefore, err := m.issue(lab, client{name: revokedBefore, san: edgeName, usage: pki.ClientAuth})
	if err != nil {
		return err
	}
	if err := lab.Revoke(revokedBefore); err != nil {
		return fmt.Errorf("revoking a certificate: %w", err)
	}
	before, err := lab.RevocationList()
	if err != nil {
		return fmt.Errorf("making the revocation list: %w", err)
	}
	if err := lab.Revoke(stolen); err != nil {
		return fmt.Errorf("revoking the stolen certificate: %w", err)
	}
	after, err := lab.RevocationList()
	if err != nil {
		return fmt.Errorf("making the second revocation list: %w", err)
	}
	m.revoked = string(after)
	m.Origin = pki.Credentials{
		Certificates:    map[string]pki.KeyPair{ServerCertificate: {Certificate: string(server.CertPEM), Key: string(server.KeyPEM)}},
		Roots:           map[string]string{clientRoots: string(lab.Roots())},
		RevocationLists: map[string]string{revocationList: string(before)},
		Secrets:         map[string]string{currentSecret: rand.Text(), nextSecret: m.next, retiredSecret: m.retired},
	}
	roots, err := m.Origin.Pool(clientRoots)
	if err != nil {
		return fmt.Errorf("reading the lab's roots: %w", err)
	}
	m.trusting = &tls.Config{RootCAs: roots, ServerName: Host}
	return nil
}

// afterTheft returns the credentials with the list that revokes the stolen
// certificate.
func (m *Material) afterTheft() pki.Credentials {
	c := m.Origin
	c.RevocationLists = maps.Clone(c.RevocationLists)
	c.RevocationLists[revocationList] = m.revoked
	return c
}

// afterRotation returns the credentials without the old secret.
func (m *Material) afterRotation() pki.Credentials {
	c := m.Origin
	c.Secrets = map[string]string{nextSecret: m.next}
	return c
}

// settings is how the lab fills every strategy. It names credentials and
// holds none, so that rows can be predicted before any is made.
func settings() origin.Settings {
	return origin.Settings{
		EdgeAddresses:  []netip.Prefix{allowed},
		SecretHeader:   SecretHeader,
		Secret:         currentSecret,
		ClientRoots:    clientRoots,
		RevocationList: revocationList,
		Pin:            origin.PinSAN,
		PinValue:       edgeName,
	}
}
