package pki

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"time"
)

const (
	// defaultValidity is a leaf's life when the request does not say.
	defaultValidity = 90 * 24 * time.Hour
	// flawMargin is how far outside its dates an expired or not yet valid leaf
	// is: more than any run takes, so that neither turns good during one.
	flawMargin = 24 * time.Hour

	wrongHost = "wrong-name.invalid"
	wrongURI  = "spiffe://wrong-name.invalid/other"
)

// Usage is the one extended key usage of a leaf.
type Usage string

// The usages of a leaf.
const (
	ServerAuth Usage = "server-auth"
	ClientAuth Usage = "client-auth"
)

// Flaw is what is wrong with a leaf on purpose. All else about it is right.
type Flaw string

// The flaws. Beside each one stands what x509.Certificate.Verify answers.
const (
	NoFlaw         Flaw = ""
	Expired        Flaw = "expired"         // CertificateInvalidError, Expired
	NotYetValid    Flaw = "not-yet-valid"   // CertificateInvalidError, Expired
	WrongUsage     Flaw = "wrong-usage"     // CertificateInvalidError, IncompatibleUsage: the other side's usage only
	WrongName      Flaw = "wrong-name"      // HostnameError; a pin must notice: the chain is good
	OtherAuthority Flaw = "other-authority" // UnknownAuthorityError: another root with the same subject
	SelfSigned     Flaw = "self-signed"     // UnknownAuthorityError
)

// Flaws lists every flaw but NoFlaw.
func Flaws() []Flaw {
	return []Flaw{Expired, NotYetValid, WrongUsage, WrongName, OtherAuthority, SelfSigned}
}

// Request describes a leaf.
type Request struct {
	Name      string        // subject common name; also the only DNS name when no other name is given
	Usage     Usage         // required
	DNSNames  []string      // subject alternative names
	Addresses []netip.Addr  // subject alternative names
	URIs      []string      // subject alternative names, such as spiffe://lab/edge
	Validity  time.Duration // from now on; 0 = 90 days
	Flaw      Flaw
}

// Certificate is an issued leaf with its key.
type Certificate struct {
	Leaf    *x509.Certificate
	CertPEM []byte // leaf first, then intermediates; no root
	KeyPEM  []byte // PKCS #8
}

// Issue makes a leaf with a new key. The error names what is wrong with r.
func (a *Authority) Issue(r Request) (*Certificate, error) {
	template, err := a.template(r)
	if err != nil {
		return nil, fmt.Errorf("issue %q: %w", r.Name, err)
	}
	cert, err := a.issue(template, r.Flaw)
	if err != nil {
		return nil, fmt.Errorf("issue %q: %w", r.Name, err)
	}
	if err := a.dir.recordIssued(cert); err != nil {
		return nil, fmt.Errorf("issue %q: %w", r.Name, err)
	}
	return cert, nil
}

func (a *Authority) issue(template *x509.Certificate, flaw Flaw) (*Certificate, error) {
	key, err := newKey(a.cfg.Key)
	if err != nil {
		return nil, err
	}
	issuer, intermediates := a.issuing(), a.intermediates()
	switch flaw {
	case OtherAuthority:
		other, err := a.impostor()
		if err != nil {
			return nil, err
		}
		issuer, intermediates = other.issuing(), other.intermediates()
	case SelfSigned:
		issuer, intermediates = signer{cert: template, key: key}, nil
	case NoFlaw, Expired, NotYetValid, WrongUsage, WrongName:
	}
	signLeaf := func() (*x509.Certificate, error) { return sign(template, issuer, key) }
	var leaf *x509.Certificate
	if a.cfg.ChainBytes == 0 {
		leaf, err = signLeaf()
	} else {
		leaf, err = padded(template, a.cfg.ChainBytes-encodedSize(intermediates), signLeaf)
	}
	if err != nil {
		return nil, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	certs := append([]*x509.Certificate{leaf}, intermediates...)
	return &Certificate{Leaf: leaf, CertPEM: encodeCertificates(certs...), KeyPEM: keyPEM}, nil
}

func (a *Authority) template(r Request) (*x509.Certificate, error) {
	if r.Name == "" {
		return nil, fmt.Errorf("a name is required")
	}
	if r.Flaw != NoFlaw && !slices.Contains(Flaws(), r.Flaw) {
		return nil, fmt.Errorf("flaw %q is unknown: use one of %q", r.Flaw, Flaws())
	}
	usage, err := extendedUsage(r.Usage, r.Flaw == WrongUsage)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               subject(a.cfg.Name, r.Name),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{usage},
	}
	if err := setNames(template, r); err != nil {
		return nil, err
	}
	if err := a.setDates(template, r); err != nil {
		return nil, err
	}
	return template, nil
}

func extendedUsage(u Usage, other bool) (x509.ExtKeyUsage, error) {
	var server bool
	switch u {
	case ServerAuth:
		server = true
	case ClientAuth:
	default:
		return 0, fmt.Errorf("usage %q is unknown: use %q or %q", u, ServerAuth, ClientAuth)
	}
	if server != other {
		return x509.ExtKeyUsageServerAuth, nil
	}
	return x509.ExtKeyUsageClientAuth, nil
}

// setNames writes the subject alternative names. A wrong name is wrong in
// kind's stead: where a URI was asked for there is another URI, so that a pin
// meets a value and not an absence.
func setNames(template *x509.Certificate, r Request) error {
	dns, uris, addresses := r.DNSNames, r.URIs, r.Addresses
	if len(dns)+len(uris)+len(addresses) == 0 {
		dns = []string{r.Name}
	}
	if r.Flaw == WrongName {
		if len(uris) > 0 {
			uris = []string{wrongURI}
		}
		if len(dns) > 0 || len(uris) == 0 {
			dns = []string{wrongHost}
		}
		addresses = nil
	}
	for _, text := range uris {
		uri, err := url.Parse(text)
		if err != nil {
			return fmt.Errorf("URI name: %w", err)
		}
		if uri.Scheme == "" {
			return fmt.Errorf("URI name %q has no scheme", text)
		}
		template.URIs = append(template.URIs, uri)
	}
	for _, address := range addresses {
		if !address.IsValid() || address.Zone() != "" {
			return fmt.Errorf("address name %q is no plain IP address", address)
		}
		template.IPAddresses = append(template.IPAddresses, address.Unmap().AsSlice())
	}
	if slices.Contains(dns, "") {
		return fmt.Errorf("a DNS name is empty")
	}
	template.DNSNames = dns
	return nil
}

func (a *Authority) setDates(template *x509.Certificate, r Request) error {
	validity := r.Validity
	if validity == 0 {
		validity = defaultValidity
	}
	if validity < time.Second {
		return fmt.Errorf("validity %s: use at least one second", validity)
	}
	now := a.cfg.now()
	template.NotBefore, template.NotAfter = now.Add(-skew), now.Add(validity)
	switch r.Flaw {
	case Expired:
		template.NotBefore, template.NotAfter = now.Add(-skew-flawMargin-validity), now.Add(-flawMargin)
	case NotYetValid:
		template.NotBefore, template.NotAfter = now.Add(flawMargin), now.Add(flawMargin+validity)
	case NoFlaw, WrongUsage, WrongName, OtherAuthority, SelfSigned:
	}
	if end := a.issuing().cert.NotAfter; template.NotAfter.After(end) {
		return fmt.Errorf("validity %s ends after the authority does (%s): ask for less or make a new authority",
			validity, end.UTC().Format(time.RFC3339))
	}
	return nil
}

// TLS returns the certificate as crypto/tls takes it.
func (c *Certificate) TLS() (tls.Certificate, error) {
	cert, err := tls.X509KeyPair(c.CertPEM, c.KeyPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate %q: %w", c.Leaf.Subject.CommonName, err)
	}
	return cert, nil
}

// KeyPair returns the certificate as Credentials carry it.
func (c *Certificate) KeyPair() KeyPair {
	return KeyPair{Certificate: string(c.CertPEM), Key: string(c.KeyPEM)}
}

// Format prints name and serial for every verb, never the key.
func (c *Certificate) Format(s fmt.State, _ rune) {
	writeName(s, fmt.Sprintf("certificate %q serial %s", c.Leaf.Subject.CommonName, SerialText(c.Leaf)))
}

// SerialText returns cert's serial number as lower-case hexadecimal, the one
// spelling used in records, lists and audit logs.
func SerialText(cert *x509.Certificate) string {
	return serialText(cert.SerialNumber)
}
