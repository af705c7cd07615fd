package origin

import (
	"crypto/tls"
	"net/http"
	"strings"
)

// exemptPath is what an unanchored pattern for health checks and ACME
// challenges matches: anything that has it somewhere.
func exemptPath(r *http.Request) bool {
	return strings.Contains(r.URL.Path, exemptWord)
}

const exemptWord = "healthz"

func init() {
	registerMistake(Mistake{
		Name:     "exempt-path-secret",
		Title:    "asks no secret of paths that match an unanchored pattern for health checks",
		Fix:      "let off whole paths, spelled out, that serve no content",
		Strategy: Header,
		Drops:    everywhere(Secret),
		plant: func(g *guard) error {
			g.secretless = exemptPath
			return nil
		},
	})
	registerMistake(Mistake{
		Name:     "exempt-path-certificate",
		Title:    "asks no client certificate of paths that match an unanchored pattern for health checks",
		Fix:      "let off whole paths, spelled out, that serve no content, or a host of their own",
		Strategy: MTLS,
		Drops:    overTLS(certificateProofs),
		plant: func(g *guard) error {
			g.clientAuth = tls.VerifyClientCertIfGiven
			g.excuses = exemptPath
			return nil
		},
	})
}
