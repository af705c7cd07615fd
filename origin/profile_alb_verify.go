package origin

import (
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"strings"
	"time"
)

// The five headers and their forms are those of verify mode. That a client's
// own are overwritten is what a front door has to do, and is not in the
// reference.
func init() {
	registerProfile(Profile{
		Name:      "alb-verify",
		Title:     "an application load balancer that verifies against a trust store and passes the identity on in headers",
		Reference: "AWS, Mutual authentication with TLS in Application Load Balancer: verify mode, HTTP headers",
		Identity: []IdentityHeader{
			{"X-Amzn-Mtls-Clientcert-Serial-Number", func(c *x509.Certificate) string { return strings.ToUpper(c.SerialNumber.Text(16)) }},
			{"X-Amzn-Mtls-Clientcert-Issuer", func(c *x509.Certificate) string { return c.Issuer.String() }},
			{IdentityClaim, func(c *x509.Certificate) string { return c.Subject.String() }},
			{"X-Amzn-Mtls-Clientcert-Validity", func(c *x509.Certificate) string {
				return "NotBefore=" + c.NotBefore.UTC().Format(time.RFC3339) + ";NotAfter=" + c.NotAfter.UTC().Format(time.RFC3339)
			}},
			{"X-Amzn-Mtls-Clientcert-Leaf", encodedLeaf},
		},
	})
}

// encodedLeaf is PEM, URL-encoded but for + = and /.
func encodedLeaf(c *x509.Certificate) string {
	text := url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))
	return strings.NewReplacer("%2F", "/", "%2B", "+", "%3D", "=").Replace(text)
}
