package bypass

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/wire"
)

// Origin is a running origin as an experiment sees it: a worker process, or
// an origin.Server in the same process.
type Origin interface {
	// Address is where it listens, on loopback.
	Address() netip.AddrPort
	// Side is where else it listens, on loopback: SidePlain or SideV6. The zero
	// value where it does not.
	Side(name string) netip.AddrPort
	// Reload replaces policy and credentials at once, and returns when
	// every later request is judged by them.
	Reload(ctx context.Context, p origin.Policy, c pki.Credentials) error
	// Audit returns the newest entry of the connection from peer, and waits
	// for the first one until ctx ends.
	Audit(ctx context.Context, peer netip.AddrPort) (origin.Entry, error)
}

// The listeners beside the TLS port.
const (
	SidePlain = origin.SidePlain // HTTP without TLS
	SideV6    = origin.SideV6    // TLS on [::1]
)

// Environment is what the origin's process needs beside its policy.
type Environment struct {
	// PublicRoots is a PEM bundle: the content of the file that the
	// process's SSL_CERT_FILE names, so that a lab authority stands for the
	// public ones. It must be set before the process starts, because Go
	// reads it once, and has no meaning on macOS and Windows: there the
	// control of C04 fails.
	PublicRoots []byte

	// Server is the real server to start; "" is the built-in origin.
	Server string
}

// Starter starts an origin with TLS (certificate ServerCertificate, session
// tickets on, group Group) under the policy. Stop ends it and waits.
type Starter func(ctx context.Context, p origin.Policy, c pki.Credentials, env Environment) (o Origin, stop func() error, err error)

// Lab is what an attempt may use: an origin under one policy, a TLS profile,
// addresses to come from, and certificates and secrets to show. It lives for
// one row.
type Lab struct {
	Profile  wire.Profile
	Target   netip.AddrPort
	Attacker netip.Addr // 127.0.9.x, another one for every row of an origin
	Material *Material

	overQUIC bool   // legitimate pulls too
	overH2   bool   // likewise
	server   string // a real one; "" = the built-in origin
	shared   bool   // the edge shows the CDN's certificate, as every customer's does
	origin   Origin
	site     *Site  // in place of origin: somebody else's
	of       string // the row's case, on a site
	pristine origin.Policy
	reloaded bool
	patience time.Duration // with one step, one pull, one look into the audit log
	floods   Floods
	seed     uint64 // of randomised attempts
	attempts int
	price    *Price // of an attempt of family F; nil: none
	secret   string // name of the secret that the legitimate edge sends
}

// reloadPatience is how much longer a reload may take than a step.
const reloadPatience = 5

// Policy returns the policy the row began with, for an attempt to change and
// hand to Reload.
func (l *Lab) Policy() origin.Policy { return l.pristine }

// Secret returns the value that the legitimate edge sends at the moment.
func (l *Lab) Secret() string { return l.Material.Origin.Secrets[l.secret] }

// Reload gives the origin another policy and other credentials. The runner
// takes both back after the row.
func (l *Lab) Reload(ctx context.Context, p origin.Policy, c pki.Credentials) error {
	if l.site != nil {
		return errors.New("somebody else's origin cannot be reloaded")
	}
	l.reloaded = true
	ctx, cancel := context.WithTimeout(ctx, reloadPatience*l.patience)
	defer cancel()
	if err := l.origin.Reload(ctx, p, c); err != nil {
		return fmt.Errorf("reloading the origin: %w", err)
	}
	return nil
}

// Restore takes back what Reload did: for an attempt that has left the edge
// itself outside.
func (l *Lab) Restore(ctx context.Context) error {
	return l.Reload(ctx, l.pristine, l.Material.Origin)
}

// RevokeStolen gives the origin the revocation list that names the stolen
// certificate. The legitimate edge's own certificate stays valid.
func (l *Lab) RevokeStolen(ctx context.Context) error {
	return l.Reload(ctx, l.pristine, l.Material.afterTheft())
}

// serverPatience is how long a real server's log is waited for: it may say
// nothing about a refused peer, ever.
const serverPatience = 150 * time.Millisecond

// Audit returns the origin's newest entry for the connection from peer.
func (l *Lab) Audit(ctx context.Context, peer netip.AddrPort) (origin.Entry, error) {
	if l.site != nil {
		return origin.Entry{}, errors.New("nobody shows the log of somebody else's origin")
	}
	patience := l.patience
	if l.server != "" {
		patience = min(patience, serverPatience)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	entry, err := l.origin.Audit(ctx, peer)
	if err != nil {
		return origin.Entry{}, fmt.Errorf("reading the origin's audit log for %s: %w", peer, err)
	}
	return entry, nil
}

// errUnreachable marks a legitimate pull that found nothing listening, which
// is no refusal.
var errUnreachable = errors.New("nothing answers at the origin's address")

// Pull makes one pull as the legitimate edge, on a connection of its own,
// and returns why it was refused.
func (l *Lab) Pull(ctx context.Context) error {
	if l.overQUIC {
		return l.pullQUIC(ctx)
	}
	if l.site != nil {
		reply, err := l.answer(ctx)
		if err == nil && !l.site.protected(reply.Status, reply.Header, reply.Body) {
			err = fmt.Errorf("status %d without the protected content", reply.Status)
		}
		return err
	}
	e, err := edge.New(l.edgeConfig())
	if err != nil {
		return fmt.Errorf("making the legitimate edge: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	reply, err := e.Pull(limited, edge.Viewer{Path: protectedPath})
	err = errors.Join(err, e.Close())
	if err == nil && (reply.Status != http.StatusOK || reply.Header.Get(origin.ProofHeader) != origin.ProtectedContent) {
		err = fmt.Errorf("status %d without the protected content", reply.Status)
	}
	if err != nil && !l.listening(ctx) {
		err = fmt.Errorf("%w: %w", errUnreachable, err)
	}
	return err
}

// listening reports whether a connection to the origin can be made at all:
// an allowlist closes one only after it was accepted.
func (l *Lab) listening(ctx context.Context) bool {
	conn, err := wire.Dialer{Source: edgeAddress, Timeout: l.patience}.Dial(ctx, l.Target)
	if err != nil {
		return false
	}
	_ = conn.Close() // nothing was sent
	return true
}

func (l *Lab) edgeConfig() edge.Config {
	if l.site != nil {
		return l.site.edgeConfig(l)
	}
	base := l.Material.trusting.Clone()
	base.Certificates = append(base.Certificates, l.Material.clients[edgeCertificate])
	var protocol pool.Protocol
	if l.overH2 {
		protocol = pool.H2
	}
	return edge.Config{
		Behaviour: edge.Behaviour{ContinueWithoutClientCertificate: true}, // origins with a mistake may not ask
		Pool:      pool.Config{DialTimeout: l.patience, HandshakeTimeout: l.patience, ResponseTimeout: l.patience},
		Target: pool.Target{
			Address: l.Target, ServerName: Host, Identity: edgeCertificate,
			TLS: l.Profile.Client(base), Protocol: protocol,
			Dialer: wire.Dialer{Source: edgeAddress, Timeout: l.patience},
		},
		Host:   Host,
		Header: [][2]string{{SecretHeader, l.Secret()}},
	}
}
