package origin

import (
	"crypto/tls"
	"net/http"
)

// certificateHeaders are in which proxies tell an origin of the certificate
// that they have verified, and what they then say.
var certificateHeaders = [][2]string{
	{"X-Ssl-Client-Verify", "SUCCESS"},
	{"X-Client-Verify", "SUCCESS"},
	{"Cf-Cert-Verified", "true"},
	{"X-Forwarded-Client-Cert", ""},
	{"Client-Cert", ""},
}

func init() {
	registerMistake(Mistake{
		Name:     "trust-forwarded-certificate",
		Title:    "believes a header that says that a proxy has verified a client certificate",
		Fix:      "remove such headers at the door, and decide by the connection's own certificate",
		Strategy: MTLS,
		Drops:    overTLS(certificateProofs),
		plant: func(g *guard) error {
			g.clientAuth = tls.VerifyClientCertIfGiven
			g.excuses = func(r *http.Request) bool {
				for _, h := range certificateHeaders {
					if value := r.Header.Get(h[0]); value != "" && (h[1] == "" || value == h[1]) {
						return true
					}
				}
				return false
			}
			return nil
		},
	})
}
