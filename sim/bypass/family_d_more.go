package bypass

import (
	"context"
	"crypto/tls"

	"github.com/originpull/originpull/origin"
)

func init() {
	register(
		Attempt{
			ID: "D01", Title: "nothing newer than TLS 1.1 offered",
			Family: Session, Capability: KnowsAddress, Class: Safe,
			Reference: "RFC 8996",
			Steps:     []string{"offer TLS 1.0 and 1.1 alone", "request without a certificate, for an origin that goes on"},
			Holds:     origin.Authority, Mistakes: map[string]string{origin.MTLS: "optional-certificate"},
			Run: func(ctx context.Context, l *Lab) (Outcome, error) {
				return l.each(ctx, Try{Name: "TLS 1.1", OldTLS: true, Malformed: true}, Try{Name: "no certificate"})
			},
		},
		Attempt{
			ID: "D02", Title: "ClientHello in two records",
			Family: Session, Capability: KnowsAddress, Class: Safe,
			Reference: "CVE-2026-32305",
			Steps:     []string{"send the ClientHello in two TLS records, the server name in the second, and show nothing"},
			Holds:     origin.Authority, Mistakes: map[string]string{origin.MTLS: "never-asks"},
			Run: single(Try{Name: "split ClientHello", SplitHello: true}),
		},
		Attempt{
			ID: "D05", Title: "HTTP/2 connection coalescing: another host on the same connection",
			Family: Session, Capability: KnowsAddress, Class: Safe,
			Reference: "CVE-2026-65637; RFC 9113 section 9.1.1",
			Steps: []string{
				"over HTTP/2, handshake with SNI and authority of the protected site, for a strategy that does not look at names",
				"handshake with SNI of a public site of the same origin, then ask for the authority of the protected one",
			},
			Holds: origin.Authority, TwoHosts: true, Unasked: true, Protocols: []string{overH2},
			Mistakes: map[string]string{origin.MTLS: "no-authority-check"},
			Run:      publicServerName,
		},
		unbuilt(Session, "D06", "two rules that disagree, and the laxer one that wins", KnowsAddress,
			"CVE-2026-85596, CVE-2026-85597, CVE-2026-114656",
			"a policy has one rule for one host: there is nothing to disagree, and a host that is both protected and public is refused at the start"),
		Attempt{
			ID: "D07", Title: "a session of the public host resumed at the protected one",
			Family: Session, Capability: KnowsAddress, Class: Safe,
			Reference: "CVE-2025-23419, CVE-2025-23048",
			Steps: []string{
				"handshake for the public host, without a certificate, and keep the session",
				"offer that session for the protected host",
			},
			Holds: origin.Authority, Mistakes: map[string]string{origin.MTLS: "optional-certificate"},
			TwoHosts:    true,
			OnServers13: "a session of TLS 1.2 brings the server name along under which it was made, and is refused for that, whatever is asked of certificates",
			Run:         foreignSession,
		},
		Attempt{
			ID: "D08", Title: "resumption after the authority was rotated out",
			Family: Session, Capability: OtherCertificate, Class: Safe, Live: true, SecondLeaf: true,
			Reference: "CVE-2025-68121, CVE-2022-21654",
			Steps: []string{
				"full handshake with a certificate of today's authority, one request, keep the session",
				"put another authority in its place",
				"offer the session without any certificate, then request; put the authority back",
			},
			Holds:    certificateProofs &^ (origin.Chain | origin.Freshness),
			Path:     origin.Path{Connection: origin.Resumed},
			Mistakes: map[string]string{origin.MTLS: "never-asks"},
			Run:      resumedAfterRotation,
		},
		unbuilt(Session, "D10", "resumption after the certificate has expired", OtherCertificate,
			"RFC 8446 section 4.6.1",
			"a certificate that expires within a run makes every row wait for it; that crypto/tls ends such sessions was measured by hand with Go 1.26.8, and that open connections end is held by tests of package origin"),
		Attempt{
			ID: "D11", Title: "a session ticket that the origin has not sealed",
			Family: Session, Capability: OtherCertificate, Class: Safe, SecondLeaf: true,
			Reference: "CVE-2026-97629, CVE-2014-7189",
			Steps: []string{
				"full handshake with a certificate of the lab, one request, keep the session",
				"change a byte of its ticket and offer it without any certificate",
			},
			Holds:    certificateProofs &^ origin.Chain,
			Mistakes: map[string]string{origin.MTLS: "never-asks"},
			Run:      forgedTicket,
		},
		unbuilt(Session, "D12", "the edge's connections and sessions across customers", OtherTenant,
			"CVE-2016-5420, CVE-2017-7468, CVE-2022-27782, CVE-2026-8932",
			"it is about the edge's pool, not the origin: tests of edge/pool hold that connections and session caches are keyed by identity"),
		unbuilt(Session, "D14", "renegotiation in TLS 1.2", KnowsAddress,
			"CVE-2021-3449",
			"crypto/tls begins no renegotiation as a client, and refuses one as a server with unexpected_message"),
		unbuilt(Session, "D15", "replay of 0-RTT over HTTP/3", OnPath,
			"RFC 8470; measured: quic-go accepts it by default",
			"0-RTT is off in the reference policies; tests of package origin hold that replayable requests are answered 425 on every route but objects"),
		Attempt{
			ID: "D16", Title: "headers that claim a verified client certificate",
			Protocols: everyProtocol,
			Family:    Session, Capability: KnowsAddress, Class: Safe,
			Reference: "CVE-2026-46579; RFC 9440 section 4",
			Steps:     []string{"request without a certificate, with each of the headers in which proxies tell of one", "with all of them"},
			Holds:     origin.Authority, Mistakes: map[string]string{origin.MTLS: "trust-forwarded-certificate"},
			Run: claimedCertificate,
		},
	)
}

// oneSession keeps a session whatever host it was made for.
type oneSession struct{ state *tls.ClientSessionState }

func (s *oneSession) Get(string) (*tls.ClientSessionState, bool)  { return s.state, s.state != nil }
func (s *oneSession) Put(_ string, state *tls.ClientSessionState) { s.state = state }

func foreignSession(ctx context.Context, l *Lab) (Outcome, error) {
	sessions := &oneSession{}
	public, err := l.Try(ctx, Try{Name: "public host", ServerName: PublicHost, Host: PublicHost, Sessions: sessions})
	if err != nil {
		return Outcome{}, err
	}
	// An origin that lets nobody in at all gives no session either.
	if public.Status == 0 {
		public.Early = true
		return Outcome{Steps: []Step{public}}, nil
	}
	return l.each(ctx, Try{Name: "session of the public host", Sessions: sessions})
}

func resumedAfterRotation(ctx context.Context, l *Lab) (Outcome, error) {
	sessions := &oneSession{}
	first, err := l.Try(ctx, Try{Name: "before the rotation", Certificate: stolenCertificate, Sessions: sessions})
	if err != nil || !first.Protected() {
		first.Early = true
		return Outcome{Steps: []Step{first}}, err
	}
	if err := l.Reload(ctx, l.Policy(), l.Material.rotated); err != nil {
		return Outcome{}, err
	}
	o, err := l.each(ctx, Try{Name: "after the rotation", Sessions: sessions})
	if restored := l.Restore(ctx); restored != nil {
		return o, restored
	}
	return o, err
}

func forgedTicket(ctx context.Context, l *Lab) (Outcome, error) {
	sessions := &oneSession{}
	first, err := l.Try(ctx, Try{Name: "full handshake", Certificate: stolenCertificate, Sessions: sessions})
	if err != nil || !first.Protected() || sessions.state == nil {
		first.Early = true
		return Outcome{Steps: []Step{first}}, err
	}
	ticket, state, err := sessions.state.ResumptionState()
	if err != nil {
		return Outcome{}, err
	}
	ticket = append([]byte{}, ticket...)
	ticket[len(ticket)/2] ^= 1
	if sessions.state, err = tls.NewResumptionState(ticket, state); err != nil {
		return Outcome{}, err
	}
	return l.each(ctx, Try{Name: "forged ticket", Sessions: sessions})
}

func claimedCertificate(ctx context.Context, l *Lab) (Outcome, error) {
	all := [][2]string{
		{"X-SSL-Client-Verify", "SUCCESS"},
		{"X-Client-Verify", "SUCCESS"},
		{"Cf-Cert-Verified", "true"},
		{"X-Forwarded-Client-Cert", "Hash=00;URI=" + edgeName},
		{"Client-Cert", ":MIIB:"},
	}
	tries := make([]Try, 0, len(all)+1)
	for _, h := range all {
		tries = append(tries, Try{Name: h[0], Header: [][2]string{h}})
	}
	return l.each(ctx, append(tries, Try{Name: "all headers at once", Header: all})...)
}
