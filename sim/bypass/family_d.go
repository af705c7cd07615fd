package bypass

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"

	"github.com/originpull/originpull/origin"
)

func init() {
	register(
		Attempt{
			ID:         "D03",
			Title:      "server name absent, unknown or in other case",
			Family:     Session,
			Capability: KnowsAddress,
			Class:      Safe,
			Reference:  "CVE-2026-53622, RFC 6066 section 3",
			Steps: []string{
				"handshake without SNI, then request with Host of the site",
				"the same with an unknown SNI",
				"the same with the site's name in capitals",
			},
			Holds:    origin.Authority, // in capitals it is still the site's name
			TwoHosts: true,
			Mistakes: map[string]string{origin.MTLS: "lax-default"},
			Run:      strangeServerNames,
		},
		Attempt{
			ID:         "D04",
			Title:      "public server name, protected Host",
			Family:     Session,
			Capability: KnowsAddress,
			Class:      Safe,
			Reference:  "CVE-2018-21246, CVE-2025-66614, RFC 9110 section 15.5.20",
			Steps: []string{
				"handshake with SNI and Host of the protected site, for a strategy that does not look at names",
				"handshake with SNI of a public site of the same origin, then request with Host of the protected one",
			},
			Holds:    origin.Authority, // in the first step
			TwoHosts: true,
			Unasked:  true,
			Mistakes: map[string]string{origin.MTLS: "no-authority-check"},
			Run:      publicServerName,
		},
		Attempt{
			ID:         "D09",
			Title:      "resumption after revocation, without the key",
			Family:     Session,
			Capability: StolenKey,
			Class:      Safe,
			Reference:  "golang/go#77217; Cloudflare, Authenticated Origin Pulls incident (December 2022)",
			Steps: []string{
				"full handshake with a stolen certificate, one request, keep the session",
				"revoke that certificate",
				"resume the session without any certificate, then request",
			},
			Holds: certificateProofs &^ origin.Freshness,
			Live:  true, SecondLeaf: true,
			Path:     origin.Path{Connection: origin.Resumed},
			Mistakes: map[string]string{origin.MTLS: "pin-in-verify-peer-certificate"},
			Run:      resumption,
		},
		Attempt{
			ID:         "D13",
			Title:      "keep-alive connection after revocation",
			Family:     Session,
			Capability: StolenKey,
			Class:      Safe,
			Reference:  "RFC 9325 section 7.5",
			Steps: []string{
				"connect with a stolen certificate, one request, keep the connection",
				"revoke that certificate",
				"request again on the same connection",
			},
			Holds: certificateProofs &^ origin.Freshness,
			Live:  true, SecondLeaf: true,
			Path:     origin.Path{Connection: origin.Pooled},
			Mistakes: map[string]string{origin.MTLS: "handshake-only-revocation"},
			Run:      keepAlive,
		},
	)
}

func strangeServerNames(ctx context.Context, l *Lab) (Outcome, error) {
	return l.each(ctx,
		Try{Name: "no SNI", NoSNI: true, Lacks: origin.Authority},
		Try{Name: "unknown SNI", ServerName: "unknown.test", Lacks: origin.Authority},
		Try{Name: "SNI in capitals", ServerName: strings.ToUpper(Host)},
	)
}

func publicServerName(ctx context.Context, l *Lab) (Outcome, error) {
	return l.each(ctx,
		Try{Name: "protected SNI and Host"},
		Try{Name: "public SNI, protected Host", ServerName: PublicHost, Lacks: origin.Authority},
	)
}

// resumption proves nothing unless the session was really resumed, which the
// client of a refused TLS 1.2 handshake may not learn: then the origin's log
// knows.
func resumption(ctx context.Context, l *Lab) (Outcome, error) {
	sessions := tls.NewLRUClientSessionCache(1)
	refused, err := l.thenRevoke(ctx, func() (Step, error) {
		return l.Try(ctx, Try{Name: "full handshake before revocation", Certificate: stolenCertificate, Sessions: sessions})
	})
	if refused != nil || err != nil {
		return outcomeOf(refused), err
	}
	step, err := l.Try(ctx, Try{Name: "resumption after revocation", Sessions: sessions})
	if err != nil {
		return Outcome{}, err
	}
	if !step.Resumed && l.server != "" {
		// A server that has forgotten its sessions at the reload asks for
		// everything again, and nothing is shown.
		step.Lacks = certificateProofs
		return Outcome{Steps: []Step{step}}, nil
	}
	if !step.Resumed {
		entry, err := l.Audit(ctx, step.Local)
		if err != nil {
			return Outcome{}, err
		}
		if !entry.Resumed {
			return Outcome{}, errors.New("the session was not resumed")
		}
	}
	return Outcome{Steps: []Step{step}}, nil
}

func keepAlive(ctx context.Context, l *Lab) (Outcome, error) {
	t := Try{Name: "request before revocation", Certificate: stolenCertificate}
	conn, step, err := l.Connect(ctx, t)
	if conn == nil {
		return Outcome{Steps: []Step{step}}, err
	}
	defer conn.Close()
	refused, err := l.thenRevoke(ctx, func() (Step, error) { return conn.Send(ctx, t) })
	if refused != nil || err != nil {
		return outcomeOf(refused), err
	}
	t.Name = "same connection after revocation"
	after, err := conn.Send(ctx, t)
	after.Follows = true
	return Outcome{Steps: []Step{after}}, err
}

// thenRevoke shows that the stolen certificate works, or its refusal
// afterwards would not be the revocation's doing, and has it revoked. The step
// is what decides when it was refused before that already.
func (l *Lab) thenRevoke(ctx context.Context, before func() (Step, error)) (*Step, error) {
	step, err := before()
	if err != nil || !step.Protected() {
		step.Early = true
		return &step, err
	}
	return nil, l.RevokeStolen(ctx)
}

// outcomeOf is the outcome of one step, or of none.
func outcomeOf(step *Step) Outcome {
	if step == nil {
		return Outcome{}
	}
	return Outcome{Steps: []Step{*step}}
}
