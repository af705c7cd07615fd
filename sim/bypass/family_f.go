package bypass

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/wire"
)

// everything but the address: what comes before any other proof is asked.
const beforeProofs = certificateProofs | origin.Secret

// exhausting completes an attempt of family F. What it costs is in Row.Price;
// the verdict is on who got in, or on what the origin still holds.
func exhausting(a Attempt) Attempt {
	a.Family, a.Class = Exhaustion, Disruptive
	if a.Capability == "" {
		a.Capability = KnowsAddress
	}
	if a.Gain == Costly {
		a.Holds |= beforeProofs
	}
	a.Holds |= origin.Authority
	if a.Mistakes == nil {
		a.Mistakes = map[string]string{origin.Allowlist: "open-allowlist", origin.Header: "optional-secret", origin.MTLS: "optional-certificate"}
	}
	return a
}

// unheard is why a version of TLS makes no difference.
const unheard = "no handshake is made: the row with TLS 1.3 is the same"

// What servers are known to hold on to, whoever asks.
const (
	takesKeyUpdates = "OpenSSL takes any number of key updates, until the server's timeout for a request's header"
	lingers         = "after its answer it reads on for a while, so that the answer is not lost (lingering close)"
)

func init() {
	for _, a := range []Attempt{
		{
			ID: "F01", Title: "a flood of full handshakes beside one of resumed ones",
			Reference: "RFC 8446 appendix C.2; THC-SSL-DOS (2011)",
			Steps:     []string{"connect, shake hands, request and be refused, again and again", "the same for the public host, full and with a session resumed"},
			Run:       handshakeFlood,
		},
		{
			ID: "F02", Title: "connections that are opened and left", Gain: Costly, NoTLS12: unheard,
			Reference: "GHSA-cwjm-3f7h-9hwq",
			Steps:     []string{"open connections and send nothing; count those that the origin still holds"},
			Run:       flooded(100, leftOpen("")),
		},
		{
			ID: "F03", Title: "a client certificate sent byte by byte", Gain: Costly,
			Reference: "CWE-400; Slowloris (2009)",
			Steps:     []string{"shake hands until it is the client's turn, send a few bytes of it one by one, and stop", "count the connections that the origin still holds"},
			Run:       flooded(40, drippedFlight),
		},
		{
			ID: "F04", Title: "a flood of invalid client certificates",
			Reference: "CVE-2018-16875, CVE-2025-58188",
			Steps:     []string{"handshake with certificates that are self-signed, expired, of a chain of 80 and of a key of 8200 bits, in turn"},
			Run:       flooded(60, invalidCertificates),
		},
		{
			ID: "F05", Title: "a flood of key updates", NoTLS12: "TLS 1.2 has no key updates",
			Reference: "CVE-2026-32283, CVE-2026-56862",
			Steps:     []string{fmt.Sprintf("shake hands, send %d key updates and nothing else, and wait for the origin to end the connection", keyUpdates)},
			HeldBy:    map[string]string{"nginx": takesKeyUpdates, "haproxy": takesKeyUpdates, "apache": takesKeyUpdates, "caddy": "the crypto/tls that Debian builds it with takes any number of key updates"},
			Run:       flooded(40, keyUpdateFlood),
		},
		{
			ID: "F06", Title: "HTTP/2 streams reset at once, and endless CONTINUATION",
			Reference: "CVE-2023-39325, CVE-2023-45288",
			Steps: []string{
				fmt.Sprintf("open and reset %d streams on one connection, and wait for the origin's word", rapidResets),
				"begin a header and continue it without an end, and wait for the origin's word",
			},
			Run: flooded(40, streamFlood),
		},
		{
			ID: "F07", Title: "QPACK expansion", Path: origin.Path{Port: origin.UDP},
			Reference: "CVE-2025-64702, CVE-2026-40898", BuiltinOnly: "the drivers open no UDP port for attempts",
			Steps: []string{fmt.Sprintf("send an HTTP/3 header of %d one-byte references to the static table", qpackLines)},
			Mistakes: map[string]string{
				origin.Allowlist: "quic-open-allowlist", origin.Header: "quic-no-secret", origin.MTLS: "quic-optional-certificate",
			},
			Run: flooded(6, qpackFlood),
		},
		{
			ID: "F08", Title: "a PROXY header that stalls", Gain: Costly, NoTLS12: unheard, Concerns: []string{origin.Allowlist},
			Reference: "CVE-2021-23409", BuiltinOnly: "the drivers write no PROXY protocol",
			Steps:    []string{"open connections, send the beginning of a PROXY line and nothing else; count those that the origin still holds"},
			Mistakes: map[string]string{origin.Allowlist: "trust-proxy-header"},
			Run:      flooded(60, leftOpen("PROXY TCP4 127.0.1.1 ")),
		},
		{
			ID: "F09", Title: "cache-busting queries and ranges through the edge", Capability: Viewer, Gain: Costly, Leaf: true,
			Reference: "RangeAmp, DSN 2020; CDN Judo, NDSS 2020; Triukose et al., ESORICS 2009",
			Holds:     origin.Address,
			Steps:     []string{"have a caching edge asked for one object with a new query each time, every second time for its first byte alone", "count the requests that reach the origin"},
			Run:       bustedCache,
		},
		{
			ID: "F11", Title: "an oversized or slow body",
			Reference: "CWE-400",
			Steps:     []string{"announce a body of 1 GiB, send its beginning, read the answer, and wait for the origin to end the connection"},
			HeldBy:    map[string]string{"nginx": lingers, "apache": "it waits for the body before it answers"},
			Run:       flooded(40, slowBody),
		},
	} {
		register(exhausting(a))
	}
	register(Attempt{
		ID: "F10", Title: "a forwarding loop between edges", Family: Exhaustion, Capability: ControlsOrigin, Class: Disruptive,
		Reference: "RFC 8586; Chen et al., Forwarding-Loop Attacks in CDNs, NDSS 2016",
		Steps:     []string{fmt.Sprintf("have the edge pull from an origin that asks the edge again, %d times at most", loopHops)},
		EdgeFault: "forward-loops", Refusal: fmt.Sprint(http.StatusLoopDetected),
		Rogue: forwardingLoop,
	})
}

func handshakeFlood(ctx context.Context, l *Lab) (Outcome, error) {
	o, err := flooded(60, tries(func(int) Try { return Try{Name: "full handshake"} }))(ctx, l)
	if err != nil || o.Denied != "" || l.price == nil {
		return o, err
	}
	sessions := &oneSession{}
	public := Try{Name: "public host", ServerName: PublicHost, Host: PublicHost, Sessions: sessions}
	first, err := l.Try(ctx, public)
	if err != nil || first.Status == 0 {
		return o, err // nobody gets in at all, and no session either
	}
	attempts, before := l.price.Attempts, time.Duration(0)
	before, known := l.cpu()
	for range attempts {
		step, err := l.Try(ctx, public)
		if err != nil {
			return o, err
		}
		known = known && step.Resumed
	}
	if after, still := l.cpu(); known && still {
		l.price.ResumedCPU = (after - before) / time.Duration(attempts)
	}
	return o, nil
}

// tries is a flood of whole attempts.
func tries(next func(n int) Try) flood {
	return func(ctx context.Context, l *Lab, n int) (burst, error) {
		step, err := l.Try(ctx, next(n))
		return burst{sent: step.sent, received: step.received, ended: ending(step)}, err
	}
}

func ending(s Step) string {
	if s.Protected() {
		return "served"
	}
	return "refused at " + string(s.Stage)
}

var invalidCertificates = tries(func(n int) Try {
	shown := []string{selfSigned, expiredCertificate, hugeChain, hugeKey}[n%4]
	return Try{Name: shown, Certificate: shown}
})

// bustedCache has a verdict of its own: the requests are the edge's.
func bustedCache(ctx context.Context, l *Lab) (Outcome, error) {
	cfg := l.edgeConfig()
	cfg.Cache.Capacity = 1 << 20
	e, err := edge.New(cfg)
	if err != nil {
		return Outcome{}, fmt.Errorf("making the legitimate edge: %w", err)
	}
	price := Price{Attempts: l.floods.Attempts}
	reached, last := 0, edge.Reply{}
	before, known := l.cpu()
	for n := range price.Attempts {
		viewer := edge.Viewer{Path: fmt.Sprintf("%s?n=%d", protectedPath, n), Header: http.Header{}}
		if n%2 == 1 {
			viewer.Header.Set("Range", "bytes=0-0")
		}
		limited, cancel := context.WithTimeout(ctx, l.patience)
		last, err = e.Pull(limited, viewer)
		cancel()
		if err != nil {
			break
		}
		if last.Exchange != nil {
			reached++
		}
		price.Received += float64(len(last.Body)) / float64(price.Attempts)
	}
	if closed := e.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return Outcome{Denied: fmt.Sprintf("the edge was refused: %v", err)}, ctx.Err()
	}
	if after, still := l.cpu(); known && still {
		price.CPU = (after - before) / time.Duration(price.Attempts)
	}
	price.Endings, l.price = fmt.Sprintf("%d reached the origin", reached), &price
	return Outcome{Steps: []Step{{
		Name: fmt.Sprintf("%d of %d reached the origin", reached, price.Attempts), Stage: wire.StageHTTP,
		Status: last.Status, Held: reached == price.Attempts,
	}}}, nil
}
