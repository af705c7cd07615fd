package bypass

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
)

// maxMutations is how many mutations one attempt has at most.
const maxMutations = 6

// drawMutations draws one to maxMutations mutations, no kind of them twice.
func (l *Lab) drawMutations(draw *rand.Rand) []mutation {
	kinds := slices.Clone(mutationKinds)
	draw.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	var drawn []mutation
	for _, kind := range kinds[:1+draw.IntN(maxMutations)] {
		drawn = append(drawn, kind(l, draw))
	}
	return drawn
}

// mutationKinds draw a mutation each.
var mutationKinds = []func(*Lab, *rand.Rand) mutation{
	drawNames, drawDates, drawUsage, drawSigner, drawKey, drawIntermediate,
	drawServerName, drawHost, drawSecret, drawForwarded, drawCertificateHeader, drawRequest, drawMethod, drawHello, drawSource,
}

func pick[T any](draw *rand.Rand, from ...T) T { return from[draw.IntN(len(from))] }

// flaw is something that is wrong with the attacker's certificate, each by
// itself enough to refuse it.
type flaw struct {
	change       func(*x509.Certificate)
	stranger     bool // another authority signs
	foreignKey   bool // its key is not the one that signs the handshake
	leaveOutRest bool // the intermediate is not sent
}

// flawed issues a certificate in the edge's name with all of the flaws.
func (m *Material) flawed(flaws []flaw) (tls.Certificate, error) {
	from := m.lab
	var all flaw
	for _, f := range flaws {
		if f.stranger {
			from = m.stranger
		}
		all.foreignKey, all.leaveOutRest = all.foreignKey || f.foreignKey, all.leaveOutRest || f.leaveOutRest
	}
	issued, err := from.Forge(pki.Forgery{Name: "randomised", Change: func(c *x509.Certificate) {
		named(edgeName)(c)
		for _, f := range flaws {
			if f.change != nil {
				f.change(c)
			}
		}
	}})
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("forging a randomised certificate: %w", err)
	}
	pair, err := issued.TLS()
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("reading a randomised certificate: %w", err)
	}
	if all.leaveOutRest {
		pair.Certificate = pair.Certificate[:1]
	}
	if all.foreignKey {
		pair.PrivateKey = m.clients[selfSigned].PrivateKey
	}
	return pair, nil
}

func drawNames(_ *Lab, draw *rand.Rand) mutation {
	names := pick(draw,
		nil, []string{"*.cdn.test"}, []string{attackerName}, []string{tenantName}, []string{"x." + edgeName},
		[]string{edgeName + ".attacker.test"}, []string{edgeName[1:]}, []string{edgeName[:len(edgeName)-1]},
		[]string{strings.ReplaceAll(edgeName, ".", "-")}, []string{tenantName, attackerName},
	)
	return mutation{name: fmt.Sprintf("certificate for %q", names), flaw: &flaw{change: named(names...)}}
}

func drawDates(_ *Lab, draw *rand.Rand) mutation {
	// Rounded up: a certificate's dates have no fractions, and clocks differ.
	by := time.Duration(60+draw.IntN(1<<20)) * time.Second
	if draw.IntN(2) == 0 {
		return mutation{name: fmt.Sprintf("certificate expired %s ago", by), flaw: &flaw{change: func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-by-time.Hour), time.Now().Add(-by)
		}}}
	}
	return mutation{name: fmt.Sprintf("certificate valid in %s", by), flaw: &flaw{change: func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(by), time.Now().Add(by+time.Hour)
	}}}
}

func drawUsage(_ *Lab, draw *rand.Rand) mutation {
	usage := pick(draw, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageCodeSigning, x509.ExtKeyUsageEmailProtection, x509.ExtKeyUsageTimeStamping)
	return mutation{name: fmt.Sprintf("certificate for usage %d alone", usage), flaw: &flaw{change: func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{usage}
	}}}
}

func drawSigner(*Lab, *rand.Rand) mutation {
	return mutation{name: "certificate of another authority", flaw: &flaw{stranger: true}}
}

func drawKey(*Lab, *rand.Rand) mutation {
	return mutation{name: "certificate with another key", flaw: &flaw{foreignKey: true}}
}

func drawIntermediate(*Lab, *rand.Rand) mutation {
	return mutation{name: "certificate without its intermediate", flaw: &flaw{leaveOutRest: true}}
}

// mixed writes the name with some of its letters in capitals.
func mixed(name string, draw *rand.Rand) string {
	b := []byte(name)
	for i, c := range b {
		if c >= 'a' && c <= 'z' && draw.IntN(2) == 0 {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

func drawServerName(_ *Lab, draw *rand.Rand) mutation {
	name := pick(draw, "", PublicHost, OtherHost, attackerName, "x."+Host, mixed(Host, draw), Host+".")
	return mutation{name: fmt.Sprintf("SNI %q", name), apply: func(t *Try) { t.ServerName, t.NoSNI = name, name == "" }}
}

func drawHost(_ *Lab, draw *rand.Rand) mutation {
	name := pick(draw, PublicHost, OtherHost, attackerName, mixed(Host, draw), Host+".", Host+":443", Host+":1", "localhost", edgeAddress.String())
	return mutation{name: fmt.Sprintf("Host %q", name), apply: func(t *Try) { t.Host = name }}
}

// drawSecret draws a header that is wrong. Where nobody's secret is needed, as
// for mtls, that does no harm. The value is not in the name: it is made of the
// right one.
func drawSecret(l *Lab, draw *rand.Rand) mutation {
	right := l.Secret()
	cut := 1 + draw.IntN(len(right)-1)
	at := draw.IntN(len(right))
	turned := []byte(right)
	turned[at] ^= 1 // of A–Z and 2–7: never what a header may not hold
	kind := draw.IntN(9)
	header := [][][2]string{
		{{SecretHeader, ""}},
		{{SecretHeader, right[:cut]}},
		{{SecretHeader, right + right[:cut]}},
		{{SecretHeader, strings.ToLower(right)}},
		{{SecretHeader, string(turned)}},
		{{SecretHeader, right}, {SecretHeader, right[:cut]}},
		{{SecretHeader, right[:cut]}, {SecretHeader, right}},
		{{strings.ReplaceAll(SecretHeader, "-", "_"), right}},
		{{SecretHeader, right + "," + right[:cut]}},
	}[kind]
	name := []string{
		"empty secret", fmt.Sprintf("first %d letters of the secret", cut), fmt.Sprintf("secret and %d letters more", cut),
		"secret in small letters", fmt.Sprintf("secret with letter %d changed", at+1), "right secret, then a wrong one",
		"wrong secret, then the right one", "secret under an alias", "secret in a list",
	}[kind]
	return mutation{name: name, apply: func(t *Try) { t.Header = append(t.Header, header...) }}
}

func drawForwarded(_ *Lab, draw *rand.Rand) mutation {
	field := pick(draw, "X-Forwarded-For", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "X-Forwarded-Host", "Forwarded")
	value := pick(draw, edgeAddress.String(), "127.0.0.1", "::1", "::ffff:"+edgeAddress.String(), edgeAddress.String()+", 127.0.9.1", Host)
	if field == "Forwarded" {
		value = "for=" + value + ";host=" + Host
	}
	return mutation{name: field + ": " + value, apply: func(t *Try) { t.Header = append(t.Header, [2]string{field, value}) }}
}

func drawCertificateHeader(_ *Lab, draw *rand.Rand) mutation {
	field := pick(draw, "X-SSL-Client-Verify", "X-SSL-Client-S-DN", "Client-Cert", "X-Forwarded-Client-Cert", "X-Client-Cert", "Connection", "Host-Override", "X-Original-URL")
	value := pick(draw, "SUCCESS", "CN="+edgeName, "By="+edgeName, SecretHeader, protectedPath)
	return mutation{name: field + ": " + value, apply: func(t *Try) { t.Header = append(t.Header, [2]string{field, value}) }}
}

func drawRequest(_ *Lab, draw *rand.Rand) mutation {
	target := pick(draw, "//o/bypass", "/./o/bypass", "/x/../o/bypass", "/%6f/bypass", "/o//bypass", "/o/bypass?x=1", "/o/bypass#x",
		"https://"+Host+protectedPath, "http://"+PublicHost+protectedPath, "/healthz", "/.well-known/acme-challenge/../../o/bypass", "*")
	return mutation{name: "request for " + target, apply: func(t *Try) { t.Request = target }}
}

func drawMethod(_ *Lab, draw *rand.Rand) mutation {
	method := pick(draw, "HEAD", "POST", "OPTIONS", "TRACE", "get", "PURGE", "PROPFIND")
	return mutation{name: "method " + method, apply: func(t *Try) { t.Method = method }}
}

func drawHello(_ *Lab, draw *rand.Rand) mutation {
	if draw.IntN(2) == 0 {
		return mutation{name: "ClientHello in two records", apply: func(t *Try) { t.SplitHello = true }}
	}
	line := fmt.Sprintf("PROXY TCP4 %s 127.0.0.1 %d 443\r\n", edgeAddress, 1024+draw.IntN(60000))
	return mutation{name: "PROXY line of the edge", apply: func(t *Try) { t.Preface = line }}
}

// drawSource draws another address, out of the edge's range where that is
// asked for.
func drawSource(l *Lab, draw *rand.Rand) mutation {
	from := pick(draw, newEgress, retiredEgress)
	if !slices.Contains(l.pristine.Strategies, origin.Allowlist) && draw.IntN(2) == 0 {
		from = insideAddress
	}
	return mutation{name: "from " + from.String(), apply: func(t *Try) { t.Source = from }}
}
