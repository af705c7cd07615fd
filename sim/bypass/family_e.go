package bypass

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"sync/atomic"

	"github.com/originpull/originpull/edge"
)

func init() {
	const sp14 = "Liang et al., When HTTPS Meets CDN, IEEE S&P 2014; Cloudflare, Full mode does not verify"
	register(
		rogueCase("E01", "an origin with a self-signed certificate", sp14, rogueSelfSigned, "unknown authority"),
		rogueCase("E02", "an origin with another authority's certificate", sp14, rogueOther, "unknown authority"),
		rogueCase("E03", "an origin with another name's certificate", sp14, rogueName, "is valid for"),
		rogueCase("E04", "an origin named in the common name alone", "RFC 9525 section 6.3; CVE-2018-16886", rogueCommonName, "Common Name"),
		rogueCase("E05", "an origin with an expired certificate", sp14, rogueExpired, "expired"),
		rogueCase("E06", "an origin with a client's certificate", "RFC 5280 section 4.2.1.12", rogueUsage, "incompatible key usage"),
		Attempt{
			ID: "E07", Title: "an origin with a revoked certificate", Family: RogueOrigin, Capability: ControlsOrigin, Class: Safe,
			Reference: "measured: crypto/x509 checks no revocation; an edge has to add it",
			Steps:     []string{"pull from an origin whose certificate is on its authority's revocation list"},
			EdgeFault: acceptAny, OpenByDesign: true,
			Rogue: pullFrom(rogue{certificate: rogueRevoked}),
		},
		Attempt{
			ID: "E08", Title: "an origin that speaks no TLS", Family: RogueOrigin, Capability: ControlsOrigin, Class: Safe,
			Reference: "Cloudflare, Flexible mode: the edge speaks HTTP to the origin",
			Steps:     []string{"pull from an origin that answers in plaintext on the TLS port"},
			EdgeFault: "speak-plaintext", Refusal: "first record does not look like a TLS handshake",
			Rogue: pullFrom(rogue{}),
		},
		Attempt{
			ID: "E09", Title: "an origin that never asks for the edge's certificate", Family: RogueOrigin, Capability: ControlsOrigin, Class: Safe,
			Reference: "Cloudflare, Authenticated Origin Pulls: the origin must be told to ask",
			Steps:     []string{"pull from an origin that finishes the handshake without asking for a client certificate"},
			EdgeFault: continueUnasked, Refusal: "ask",
			Rogue: pullFrom(rogue{certificate: rogueNone, never: true}),
		},
		Attempt{
			ID: "E10", Title: "an origin resumed after its authority was dropped", Family: RogueOrigin, Capability: ControlsOrigin, Class: Safe,
			Reference: "CVE-2025-68121",
			Steps: []string{
				"pull from the origin, and keep the session",
				"take another authority for the only one, keep the session, and pull again",
			},
			EdgeFault: acceptAny, Refusal: "unknown authority",
			Rogue: resumedWithoutRoots,
		},
		Attempt{
			ID: "B13", Title: "an origin that redirects the edge elsewhere", Family: SharedSecret, Capability: ControlsOrigin, Class: Safe, Legitimate: true,
			Reference: "CVE-2024-45336, CVE-2025-4673",
			Steps:     []string{"pull from an origin that answers with a redirect to another host, which must not hear of the edge, let alone of its secret"},
			Rogue:     redirected,
		},
	)
}

func rogueCase(id, title, reference, certificate, refusal string) Attempt {
	return Attempt{
		ID: id, Title: title, Family: RogueOrigin, Capability: ControlsOrigin, Class: Safe, Reference: reference,
		Steps:     []string{"have the edge pull from " + title},
		EdgeFault: acceptAny, Refusal: refusal,
		Rogue: pullFrom(rogue{certificate: certificate}),
	}
}

func pullFrom(r rogue) func(context.Context, *EdgeLab) (Outcome, error) {
	return func(ctx context.Context, l *EdgeLab) (Outcome, error) {
		step, err := l.pull(ctx, "pull from the rogue", r, nil)
		return Outcome{Steps: []Step{step}}, err
	}
}

func commonNameServer(c *x509.Certificate) {
	c.Subject, c.ExtKeyUsage = pkix.Name{CommonName: Host}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
}

func resumedWithoutRoots(ctx context.Context, l *EdgeLab) (Outcome, error) {
	sessions := &oneSession{}
	keep := func(c *edge.Config) { c.Target.TLS.ClientSessionCache = sessions }
	at := rogue{certificate: rogueNone}
	first, err := l.pull(ctx, "before", at, keep)
	if err != nil || !first.Protected() {
		return Outcome{Steps: []Step{first}}, err
	}
	step, err := l.pull(ctx, "after the authority was dropped", at, func(c *edge.Config) {
		keep(c)
		c.Target.TLS.RootCAs = x509.NewCertPool()
	})
	return Outcome{Steps: []Step{step}}, err
}

func redirected(ctx context.Context, l *EdgeLab) (Outcome, error) {
	var heard atomic.Int64
	elsewhere, stop, err := l.serve(rogue{handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { heard.Add(1) })})
	if err != nil {
		return Outcome{}, err
	}
	defer stop()
	step, err := l.pull(ctx, "redirected", rogue{certificate: rogueNone, handler: http.RedirectHandler("http://"+elsewhere.String()+"/", http.StatusFound)}, nil)
	step.Leaked = step.Status == http.StatusFound && heard.Load() == 0 // what a sound edge comes to
	return Outcome{Steps: []Step{step}}, err
}
