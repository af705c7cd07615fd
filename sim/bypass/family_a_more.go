package bypass

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/originpull/originpull/origin"
)

// insider is what anybody can prove from an address in the range.
const insider = origin.Address | origin.Authority

func init() {
	register(
		Attempt{
			ID: "A04", Title: "binary, local, repeated and late PROXY prefixes",
			Family: Reachability, Capability: KnowsAddress, Class: Safe,
			Reference: "The PROXY protocol, versions 1 and 2, section 2: a receiver must not guess",
			Steps: []string{
				"connect from outside and send a PROXY v2 prefix with the edge's address before TLS",
				"a v2 LOCAL prefix, which claims no address",
				"two v1 lines", "a v1 line inside TLS", "no prefix",
			},
			Holds: origin.Authority, Mistakes: map[string]string{origin.Allowlist: "trust-proxy-header"},
			Run: binaryPrefix,
		},
		Attempt{
			ID: "A06", Title: "somebody else's address inside the allowed range",
			Family: Reachability, Capability: AddressInRange, Class: Safe,
			Reference: "F5, Cross Tenant Origin Exposure: shared egress of a cloud WAF",
			Steps:     []string{"connect from an allowed address that is not the edge's, as a worker, a NAT or a forged request of the provider's would, and show nothing"},
			Holds:     insider,
			Mistakes:  map[string]string{origin.Header: "optional-secret", origin.MTLS: "optional-certificate"},
			Run:       single(Try{Name: "inside the range", Source: insideAddress}),
		},
		Attempt{
			ID: "A07", Title: "the edge pulls from a new address that the list lacks",
			Family: Reachability, Capability: Nobody, Class: Safe, Legitimate: true,
			Reference: "Cloudflare, IP ranges: changes are announced and have to be followed",
			Steps:     []string{"pull as the edge, with its certificate and secret, from an address outside the listed range"},
			Holds:     origin.Secret | certificateProofs, Leaf: true,
			Mistakes: map[string]string{origin.Allowlist: "open-allowlist"},
			Run:      fromNewEgress,
		},
		Attempt{
			ID: "A08", Title: "an address that the edge has given back",
			Family: Reachability, Capability: AddressInRange, Class: Safe,
			Reference: "Cloudflare, IP ranges: prefixes are also removed",
			Steps:     []string{"connect from a range that was the edge's once, and show nothing"},
			Holds:     origin.Authority, Mistakes: map[string]string{origin.Allowlist: "wide-allowlist"},
			Run: single(Try{Name: "retired range", Source: retiredEgress}),
		},
		Attempt{
			ID: "A09", Title: "IPv6 past a list of IPv4 addresses",
			Family: Reachability, Capability: KnowsAddress, Class: Safe,
			Reference: "RFC 9099 section 2.3: the same policy for both protocols",
			Steps:     []string{"connect to the origin over [::1] and show nothing"},
			Holds:     origin.Authority, Mistakes: map[string]string{origin.Allowlist: "v4-only-allowlist"},
			Sides: []string{SideV6},
			Run:   single(Try{Name: "over IPv6", Side: SideV6}),
		},
		unbuilt(Reachability, "A10", "an IPv4 edge on a dual-stack listener (::ffff:)", Nobody,
			"measured with net/netip: Prefix.Contains misses mapped addresses",
			"a dual-stack socket has to listen on the unspecified address, which machines outside could reach; tests of package origin hold that mapped addresses and zones are unmapped"),
		unbuilt(Reachability, "A11", "a sweep of other ports: administration, metrics, profiling", KnowsAddress,
			"CWE-1125, excessive attack surface",
			"neither the built-in origin nor the drivers open such a port; of the origin's other listeners A09, A12 and A13 try each").of(Intrusive),
		Attempt{
			ID: "A12", Title: "the plaintext port beside the TLS one",
			Family: Reachability, Capability: KnowsAddress, Class: Safe,
			Reference: "CVE-2026-46579",
			Steps:     []string{"request the object over HTTP without TLS and show nothing"},
			Path:      origin.Path{Port: origin.Plaintext},
			Mistakes: map[string]string{
				origin.Allowlist: "plain-open-allowlist", origin.Header: "plain-no-secret", origin.MTLS: "plain-no-certificate",
			},
			Sides: []string{SidePlain},
			Run:   single(Try{Name: "without TLS", Side: SidePlain}),
		},
		unbuilt(Reachability, "A14", "QUIC from a forged source address", OnPath,
			"CVE-2026-40460; RFC 9000 section 8.1",
			"datagrams with a forged source address need raw sockets, and with them root").of(Disruptive),
		Attempt{
			ID: "A15", Title: "a path that looks like a health check",
			Protocols: everyProtocol,
			Family:    Reachability, Capability: KnowsAddress, Class: Safe,
			Reference: "Cloudflare, ACME path disclosure (January 2026); APISIX skip_mtls_uri_regex",
			Steps:     []string{"request an object whose name contains that of a health check, and show nothing"},
			Holds:     origin.Authority,
			Mistakes:  map[string]string{origin.Header: "exempt-path-secret", origin.MTLS: "exempt-path-certificate"},
			Run:       single(Try{Name: "exempt path", Request: "/o/healthz"}),
		},
		Attempt{
			ID: "A16", Title: "what the router answers before the guard",
			Family: Reachability, Capability: KnowsAddress, Class: Safe, Gain: Leaked,
			Reference: "gorilla/mux, middlewares: only run when a route matches; measured: 404, 405 and 301 unguarded",
			Steps: []string{
				"request a path that has no route", "an object with DELETE", "an object behind a double slash",
			},
			Holds: origin.Authority, Mistakes: map[string]string{origin.Header: "guard-behind-router"},
			Run: pastTheRouter,
		},
		Attempt{
			ID: "A17", Title: "the origin's other public name",
			Family: Reachability, Capability: KnowsAddress, Class: Safe,
			Reference: "AWS, Restrict access to Application Load Balancers: the balancer has a DNS name of its own",
			Steps:     []string{"connect with SNI and Host of a name that is the balancer's and not the site's, and show nothing"},
			Holds:     origin.Authority,
			Mistakes:  map[string]string{origin.Header: "own-name-only", origin.MTLS: "lax-default"},
			Run:       single(Try{Name: "other name", ServerName: OtherHost, Host: OtherHost}),
		},
	)
}

// unbuilt lists a case that cannot be made here, and why.
func unbuilt(f Family, id, title string, c Capability, reference, reason string) Attempt {
	return Attempt{ID: id, Title: title, Family: f, Capability: c, Class: Safe, Reference: reference, Unbuilt: reason}
}

// prefixV2 is a binary PROXY prefix: command 0x21 is PROXY, 0x20 LOCAL.
func prefixV2(l *Lab, command byte) string {
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), command, 0x11, 0, 12)
	source, target := edgeAddress.As4(), l.Target.Addr().As4()
	b = append(append(b, source[:]...), target[:]...)
	b = binary.BigEndian.AppendUint16(b, 40000)
	return string(binary.BigEndian.AppendUint16(b, l.Target.Port()))
}

func binaryPrefix(ctx context.Context, l *Lab) (Outcome, error) {
	line := fmt.Sprintf("PROXY TCP4 %s %s 40000 %d\r\n", edgeAddress, l.Target.Addr(), l.Target.Port())
	return l.each(ctx,
		Try{Name: "PROXY v2", Preface: prefixV2(l, 0x21), Malformed: true},
		Try{Name: "PROXY v2 LOCAL", Preface: prefixV2(l, 0x20), Malformed: true},
		Try{Name: "two lines", Preface: line + line, Malformed: true},
		Try{Name: "line inside TLS", Inside: line, Malformed: true},
		Try{Name: "no prefix"},
	)
}

// edgeTry is a try with everything that the edge shows.
func (l *Lab) edgeTry(name string) Try {
	return Try{
		Name: name, Source: edgeAddress, Certificate: edgeCertificate,
		Header: [][2]string{{SecretHeader, l.Secret()}},
	}
}

func fromNewEgress(ctx context.Context, l *Lab) (Outcome, error) {
	t := l.edgeTry("new egress")
	t.Source = newEgress
	return l.each(ctx, t)
}

func pastTheRouter(ctx context.Context, l *Lab) (Outcome, error) {
	return l.each(ctx,
		Try{Name: "no route", Request: "/admin", Routes: true},
		Try{Name: "wrong method", Method: "DELETE", Routes: true},
		Try{Name: "double slash", Request: "/" + protectedPath, Routes: true},
	)
}
