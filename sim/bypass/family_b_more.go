package bypass

import (
	"context"
	"fmt"
	"strings"

	"github.com/originpull/originpull/origin"
)

func init() {
	register(
		Attempt{
			ID: "B02", Title: "guesses of a weak secret",
			Family: SharedSecret, Capability: KnowsAddress, Class: Intrusive,
			Reference: "OWASP, Credential stuffing: count what is accepted unthrottled",
			Steps:     []string{fmt.Sprintf("send %d guesses on one connection, those of tutorials last", len(guesses()))},
			Holds:     origin.Authority, Mistakes: map[string]string{origin.Header: "weak-secret"},
			Run: guessSecret,
		},
		Attempt{
			ID: "B05", Title: "the edge sends the new secret first",
			Family: SharedSecret, Capability: Nobody, Class: Safe, Legitimate: true, Concerns: []string{origin.Header},
			Reference: "AWS, Restrict access to Application Load Balancers (CloudFront Developer Guide), rotation",
			Steps: []string{
				"hand the origin a second secret beside the one that the edge sends",
				"pull as the edge with the second one",
			},
			Holds: origin.Address | origin.Secret | certificateProofs, Leaf: true, Live: true,
			Mistakes: map[string]string{origin.Header: "single-secret"},
			Run:      newSecretFirst,
		},
		Attempt{
			ID: "B07", Title: "the secret in another case",
			Family: SharedSecret, Capability: LeakedSecret, Class: Safe,
			Reference: "RFC 9110 section 5.1: names know no case, values do",
			Steps:     []string{"send the right value in small letters", "send it with a letter more", "send it with a letter less"},
			Holds:     origin.Authority, Mistakes: map[string]string{origin.Header: "case-insensitive-secret"},
			Also: map[string]string{origin.Header: "prefix-secret"},
			Run:  otherCase,
		},
		Attempt{
			ID: "B08", Title: "underscores and dots in the header's name",
			Family: SharedSecret, Capability: LeakedSecret, Class: Safe,
			Reference: "CVE-2025-64484, CVE-2026-88011",
			Steps:     []string{"send the right value in a header whose name has underscores", "in one whose name has dots"},
			Holds:     origin.Authority, Mistakes: map[string]string{origin.Header: "alias-header"},
			Run: aliasedHeader,
		},
		Attempt{
			ID: "B09", Title: "the secret in a trailer",
			Family: SharedSecret, Capability: LeakedSecret, Class: Safe,
			Reference: "RFC 9110 section 6.5.1: a trailer is no header",
			Steps:     []string{"send an empty chunked body with the secret in its trailer"},
			Holds:     origin.Authority, Mistakes: map[string]string{origin.Header: "trailer-secret"},
			Run: secretInTrailer,
		},
		Attempt{
			ID: "B10", Title: "a viewer names the secret header in Connection",
			Family: SharedSecret, Capability: Viewer, Class: Safe, Legitimate: true, Concerns: []string{origin.Header},
			Reference: "CVE-2024-45410, CVE-2026-29054, CVE-2022-31813",
			Steps:     []string{"pull through the edge for a viewer who sends Connection with the secret header's name"},
			Holds:     origin.Address | origin.Secret | certificateProofs, Leaf: true,
			Run: throughEdge("hop-by-hop", [2]string{"Connection", SecretHeader}),
		},
		Attempt{
			ID: "B11", Title: "a viewer sends the secret header himself",
			Family: SharedSecret, Capability: Viewer, Class: Safe, Legitimate: true, Concerns: []string{origin.Header},
			Reference: "AWS, CloudFront: custom origin headers overwrite those of viewers",
			Steps:     []string{"pull through the edge for a viewer who sends the secret header with a wrong value"},
			Holds:     origin.Address | origin.Secret | certificateProofs, Leaf: true,
			Run: throughEdge("preset header", [2]string{SecretHeader, "wrong"}),
		},
		Attempt{
			ID: "B12", Title: "an answer that returns the secret",
			Family: SharedSecret, Capability: Viewer, Class: Safe, Gain: Leaked, Concerns: []string{origin.Header},
			Reference: "RFC 9110 section 9.3.8: TRACE",
			Steps: []string{
				"have the edge ask with TRACE, and look for the secret in the answer",
				"have it ask for a path that has no route, and look for the secret in the error page",
			},
			Holds: origin.Address | certificateProofs, Leaf: true,
			Mistakes: map[string]string{origin.Header: "echo-header"},
			Run:      echoedSecret,
		},
		unbuilt(SharedSecret, "B14", "a request smuggled through the edge", Viewer,
			"CVE-2025-22871, CVE-2025-55315, CVE-2022-1705",
			"viewers call the simulated edge as a function: there is no viewer socket whose bytes could be read in two ways, and the edge writes every request afresh"),
		unbuilt(SharedSecret, "B15", "a request injected when HTTP/2 becomes HTTP/1.1", Viewer,
			"CVE-2026-42926",
			"viewers call the simulated edge as a function: there is no HTTP/2 from a viewer to be translated"),
		unbuilt(SharedSecret, "B16", "a comparison whose time tells of the secret", KnowsAddress,
			"CWE-208, observable timing discrepancy",
			"a timing says nothing exact: the comparison is read instead, over SHA-256 sums by crypto/subtle"),
	)
}

// guesses are bounded: what counts is that none is throttled, and the weak one.
func guesses() []string {
	var all []string
	for i := range 36 {
		all = append(all, fmt.Sprintf("guess-%d", i))
	}
	return append(all, "secret", "changeme", "my-secret", "cloudfront")
}

// guessSecret goes on where a server closes the connection after each refusal.
func guessSecret(ctx context.Context, l *Lab) (Outcome, error) {
	all := guesses()
	t := Try{Name: fmt.Sprintf("%d guesses", len(all))}
	conn, step, err := l.Connect(ctx, t)
	if conn == nil {
		return Outcome{Steps: []Step{step}}, err
	}
	defer func() { conn.Close() }()
	for _, guess := range all {
		t.Header = [][2]string{{SecretHeader, guess}}
		step, err = conn.Send(ctx, t)
		if err != nil || step.Status == 0 || step.Protected() {
			break
		}
	}
	return Outcome{Steps: []Step{step}}, err
}

func newSecretFirst(ctx context.Context, l *Lab) (Outcome, error) {
	overlap := l.Policy()
	overlap.PreviousSecret = nextSecret
	if err := l.Reload(ctx, overlap, l.Material.Origin); err != nil {
		return Outcome{}, err
	}
	t := l.edgeTry("new secret first")
	t.Header = [][2]string{{SecretHeader, l.Material.next}}
	return l.each(ctx, t)
}

func otherCase(ctx context.Context, l *Lab) (Outcome, error) {
	right := l.Secret()
	with := func(name, value string) Try {
		return Try{Name: name, Header: [][2]string{{SecretHeader, value}}}
	}
	return l.each(ctx, with("other case", strings.ToLower(right)), with("longer", right+"A"), with("shorter", right[:len(right)-1]))
}

func aliasedHeader(ctx context.Context, l *Lab) (Outcome, error) {
	return l.each(ctx,
		Try{Name: "underscores", Header: [][2]string{{strings.ReplaceAll(SecretHeader, "-", "_"), l.Secret()}}},
		Try{Name: "dots", Header: [][2]string{{strings.ReplaceAll(SecretHeader, "-", "."), l.Secret()}}},
	)
}

func secretInTrailer(ctx context.Context, l *Lab) (Outcome, error) {
	return l.each(ctx, Try{Name: "trailer", Trailer: [][2]string{{SecretHeader, l.Secret()}}})
}

func echoedSecret(ctx context.Context, l *Lab) (Outcome, error) {
	trace, lost := l.edgeTry("TRACE"), l.edgeTry("error page")
	trace.Method, trace.Seeks = "TRACE", l.Secret()
	lost.Request, lost.Seeks = "/no-such-path", l.Secret()
	return l.each(ctx, trace, lost)
}
