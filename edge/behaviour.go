package edge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/originpull/originpull/edge/pool"
)

// Behaviour is in what CDNs differ beyond their pools. Its zero value is the
// strictest edge: it checks the origin, insists on being asked for its own
// certificate, tries once, and has no status of its own for a failure.
type Behaviour struct {
	// ContinueWithoutClientCertificate goes on with plain server-auth when the
	// origin does not ask for the client certificate that the edge has. Without
	// it such a pull fails at stage tls, before any request is sent.
	ContinueWithoutClientCertificate bool
	// AcceptAnyOriginCertificate takes whatever certificate the origin shows:
	// chain, dates and name go unchecked. That it holds the key is still proven.
	AcceptAnyOriginCertificate bool
	// Refuses are the kinds of requests that an edge with a client certificate
	// for the origin does not pull.
	Refuses []RequestKind
	Retry   Retry
	Status  Statuses
}

// Retry is how often a pull is tried. How long one attempt may take is the
// pool's to say.
type Retry struct {
	Attempts int         // at most; 0 is 1
	On       []RetryWhen // none: nothing is tried again
	// Budget is the time from the first attempt in which others may begin and
	// connects may last; 0 sets no limit.
	Budget time.Duration
}

// RetryWhen is a failure after which a pull may be tried again.
type RetryWhen string

// The failures of Retry.On.
const (
	RetryConnect   RetryWhen = "connect"   // TCP connect
	RetryHandshake RetryWhen = "handshake" // TLS, before a request was sent
	RetryResponse  RetryWhen = "response"  // a GET or HEAD that was not answered in time
)

// RequestKind is a kind of request that some edges refuse.
type RequestKind string

// The kinds of Behaviour.Refuses.
const (
	GRPC      RequestKind = "grpc"      // by its content type
	WebSocket RequestKind = "websocket" // by its Upgrade header
)

// ErrBarred is wrapped by the error of a pull that the edge refused to make.
var ErrBarred = errors.New("the edge does not pull such requests with a client certificate")

func (b *Behaviour) validate() error {
	switch r := b.Retry; {
	case r.Attempts < 0:
		return fmt.Errorf("%d attempts: use 0 or 1 for one", r.Attempts)
	case r.Budget < 0:
		return fmt.Errorf("the budget %s of attempts is negative", r.Budget)
	}
	for _, when := range b.Retry.On {
		if !slices.Contains([]RetryWhen{RetryConnect, RetryHandshake, RetryResponse}, when) {
			return fmt.Errorf("unknown failure %q to try again after: use connect, handshake or response", when)
		}
	}
	for _, kind := range b.Refuses {
		if kind != GRPC && kind != WebSocket {
			return fmt.Errorf("unknown kind of requests %q: use grpc or websocket", kind)
		}
	}
	return nil
}

// barred returns why the edge does not pull for a viewer's header, or nil.
func (b *Behaviour) barred(h http.Header, c *tls.Config) error {
	if !hasCertificate(c) {
		return nil
	}
	for _, kind := range b.Refuses {
		if kind == GRPC && isGRPC(h) || kind == WebSocket && isWebSocket(h) {
			return fmt.Errorf("%s: %w", kind, ErrBarred)
		}
	}
	return nil
}

func isGRPC(h http.Header) bool {
	kind := strings.ToLower(h.Get("Content-Type"))
	return kind == "application/grpc" || strings.HasPrefix(kind, "application/grpc+") || strings.HasPrefix(kind, "application/grpc;")
}

func isWebSocket(h http.Header) bool {
	for _, line := range h.Values("Upgrade") {
		for protocol := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(protocol), "websocket") {
				return true
			}
		}
	}
	return false
}

func hasCertificate(c *tls.Config) bool {
	return c != nil && (len(c.Certificates) > 0 || c.GetClientCertificate != nil)
}

// shape gives a target the behaviour that is TLS's to show.
func (b *Behaviour) shape(t pool.Target) pool.Target {
	t.MustBeAsked = hasCertificate(t.TLS) && !b.ContinueWithoutClientCertificate
	if t.TLS != nil && b.AcceptAnyOriginCertificate {
		t.TLS = t.TLS.Clone()
		t.TLS.InsecureSkipVerify = true
	}
	return t
}
