package bypass

import (
	"context"
	"fmt"

	"github.com/originpull/originpull/origin"
)

func init() {
	register(
		Attempt{
			ID:         "A01",
			Protocols:  everyProtocol,
			Title:      "direct request to the origin's address",
			Family:     Reachability,
			Capability: KnowsAddress,
			Class:      Safe,
			Reference:  "Zafran, BreakingWAF (2024)",
			Steps:      []string{"connect from outside with SNI and Host of the site, show nothing"},
			Holds:      origin.Authority,
			Mistakes: map[string]string{
				origin.Allowlist: "open-allowlist",
				origin.Header:    "optional-secret",
				origin.MTLS:      "optional-certificate",
			},
			Also: map[string]string{origin.Allowlist: "answer-before-allowlist"},
			Run:  single(Try{Name: "direct request"}),
		},
		Attempt{
			ID:         "A02",
			Protocols:  everyProtocol,
			Title:      "forwarding headers that claim the edge's address",
			Family:     Reachability,
			Capability: KnowsAddress,
			Class:      Safe,
			Reference:  "GHSA-9g5q-2w5x-hmxf, CVE-2025-66508",
			Steps: []string{
				"connect from outside and send X-Forwarded-For with the edge's address",
				"the same with X-Real-IP, True-Client-IP, CF-Connecting-IP and Forwarded",
				"all five at once",
			},
			Holds:    origin.Authority,
			Mistakes: map[string]string{origin.Allowlist: "trust-forwarded"},
			Run:      forwardingHeaders,
		},
		Attempt{
			ID:         "A03",
			Title:      "PROXY protocol prefix that claims the edge's address",
			Family:     Reachability,
			Capability: KnowsAddress,
			Class:      Safe,
			Reference:  "CVE-2024-35175",
			Steps: []string{
				"connect from outside and send a PROXY v1 line with the edge's address before TLS",
				"the same without the line, for an origin that takes it for a broken ClientHello",
			},
			Holds:    origin.Authority,
			Mistakes: map[string]string{origin.Allowlist: "trust-proxy-header"},
			Run:      proxyPrefix,
		},
		Attempt{
			ID:         "A05",
			Protocols:  everyProtocol,
			Title:      "another tenant's edge pulls with its own credentials",
			Family:     Reachability,
			Capability: OtherTenant,
			Class:      Safe,
			Reference:  "F5, Cross Tenant Origin Exposure; Cloudflare, Authenticated Origin Pulls: the global certificate is not exclusive to an account",
			Steps:      []string{"connect from an address inside the allowed range with another tenant's certificate and secret"},
			Holds:      origin.Address | origin.Chain | origin.Purpose | origin.Validity | origin.Freshness | origin.Possession | origin.Authority,
			Mistakes:   map[string]string{origin.Header: "any-secret", origin.MTLS: "no-pin"},
			Run:        otherTenant,
		},
		Attempt{
			ID:         "A13",
			Title:      "QUIC to the same port",
			Family:     Reachability,
			Capability: KnowsAddress,
			Class:      Safe,
			Reference:  "GHSA-gv8r-9rw9-9697, CVE-2026-53622",
			Steps: []string{
				"dial QUIC to the UDP port with the origin's number, GET over HTTP/3 and show nothing",
				"give up after 500 ms: a silent origin has blocked only if its audit log says that it dropped these packets",
			},
			Holds:       origin.Authority,
			Path:        origin.Path{Port: origin.UDP},
			BuiltinOnly: "the drivers open no UDP port for attempts",
			Mistakes: map[string]string{
				origin.Allowlist: "quic-open-allowlist",
				origin.Header:    "quic-no-secret",
				origin.MTLS:      "quic-optional-certificate",
			},
			Run: func(ctx context.Context, l *Lab) (Outcome, error) {
				step, err := l.TryQUIC(ctx, Try{Name: "QUIC"})
				return Outcome{Steps: []Step{step}}, err
			},
		},
	)
}

// single is an attempt of one try.
func single(t Try) func(context.Context, *Lab) (Outcome, error) {
	return func(ctx context.Context, l *Lab) (Outcome, error) { return l.each(ctx, t) }
}

// each makes the tries in turn. It goes on after one that gets through: a
// control shows which steps it lets pass, and a step it never lets pass can
// prove nothing against the correct policy.
func (l *Lab) each(ctx context.Context, tries ...Try) (Outcome, error) {
	var o Outcome
	for _, t := range tries {
		step, err := l.Try(ctx, t)
		if err != nil {
			return o, err
		}
		o.Steps = append(o.Steps, step)
	}
	return o, nil
}

func forwardingHeaders(ctx context.Context, l *Lab) (Outcome, error) {
	claim := edgeAddress.String()
	all := [][2]string{
		{"X-Forwarded-For", claim},
		{"X-Real-IP", claim},
		{"True-Client-IP", claim},
		{"CF-Connecting-IP", claim},
		{"Forwarded", "for=" + claim},
	}
	tries := make([]Try, 0, len(all)+1)
	for _, h := range all {
		tries = append(tries, Try{Name: h[0], Header: [][2]string{h}})
	}
	return l.each(ctx, append(tries, Try{Name: "all headers at once", Header: all})...)
}

func proxyPrefix(ctx context.Context, l *Lab) (Outcome, error) {
	line := fmt.Sprintf("PROXY TCP4 %s %s 40000 %d\r\n", edgeAddress, l.Target.Addr(), l.Target.Port())
	return l.each(ctx,
		Try{Name: "PROXY v1 line", Preface: line, Malformed: true},
		Try{Name: "without the line"},
	)
}

func otherTenant(ctx context.Context, l *Lab) (Outcome, error) {
	certificate := tenantCertificate
	if l.shared {
		certificate = edgeCertificate
	}
	return l.each(ctx, Try{
		Name: "another tenant's edge", Source: tenantAddress, Certificate: certificate,
		Header: [][2]string{{SecretHeader, l.Material.tenant}},
	})
}
