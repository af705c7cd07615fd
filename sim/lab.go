package sim

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/wire"
)

// Names of the credentials that a plan refers to.
const (
	credOrigin = "origin"      // the origin's certificate, and the roots that edges trust
	credEdge   = "edge"        // the edge's certificate, and the roots and revocations that origins use
	credSecret = "edge-secret" // the value of the secret header
)

// originHost is the name of an origin that is alone (Arm.host); edgeNames has the
// edge's.
const originHost = "origin.test"

// lab issues the credentials of an experiment. Arms with the same kind of
// certificate share one authority, so that an arm and its double differ in
// nothing.
type lab struct {
	mu     sync.Mutex
	issued map[issuedKind]credentialSet
	secret string
}

// issuedKind is in what credentials can differ.
type issuedKind struct {
	scenarios.Certificate
	part string // of several origins, of which each has an authority and a secret of its own
	host string // the origin's name
	edge string // its edge's name, which goes by edge.identity
}

func (a *Arm) issued() issuedKind {
	return issuedKind{a.Settings.Origin.Certificate, a.Part, a.host(), a.edgeName()}
}

func newLab() (*lab, error) {
	secret, err := newSecret()
	if err != nil {
		return nil, err
	}
	return &lab{issued: map[issuedKind]credentialSet{}, secret: secret}, nil
}

func newSecret() (string, error) {
	var random [24]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", fmt.Errorf("drawing a secret: %w", err)
	}
	return hex.EncodeToString(random[:]), nil
}

// credentials returns what the two ends of an arm are handed: to each only
// what it needs.
func (l *lab) credentials(arm *Arm) (credentialSet, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kind := arm.issued()
	set, have := l.issued[kind]
	if !have {
		var err error
		if set, err = l.issue(kind); err != nil {
			return credentialSet{}, fmt.Errorf("issuing certificates for %s: %w", arm.Name, err)
		}
		l.issued[kind] = set
	}
	if arm.overQUIC() {
		for _, pair := range []pki.KeyPair{set.origin.Certificates[credOrigin], set.edge.Certificates[credEdge]} {
			if err := fitsQUIC(pair); err != nil {
				return credentialSet{}, fmt.Errorf("%s: %w", arm.Name, err)
			}
		}
	}
	return set, nil
}

// prepare issues the credentials of all arms before anything is measured: RSA
// keys take seconds, which no start of a process should wait for.
func (l *lab) prepare(ctx context.Context, arms []Arm) error {
	for i := range arms {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, part := range arms[i].each() {
			if _, err := l.credentials(&part); err != nil {
				return err
			}
		}
	}
	return nil
}

// fitsQUIC refuses a chain that a QUIC handshake could not carry.
func fitsQUIC(pair pki.KeyPair) error {
	size, rest := 0, []byte(pair.Certificate)
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		size += len(block.Bytes)
	}
	if size > wire.MaxQUICHandshake {
		return fmt.Errorf("a certificate chain of %d bytes cannot be sent over h3: quic-go takes at most %d bytes of handshake; use a shorter chain, or h1", size, wire.MaxQUICHandshake)
	}
	return nil
}

func (l *lab) issue(kind issuedKind) (credentialSet, error) {
	authority, err := pki.New(pki.Config{Key: pki.KeyType(kind.Key), Intermediates: kind.Chain - 1, ChainBytes: int(kind.Bytes)})
	if err != nil {
		return credentialSet{}, err
	}
	server, err := authority.Issue(pki.Request{Name: kind.host, Usage: pki.ServerAuth, DNSNames: []string{kind.host}})
	if err != nil {
		return credentialSet{}, err
	}
	client, err := authority.Issue(pki.Request{Name: kind.edge, Usage: pki.ClientAuth, DNSNames: []string{kind.edge}})
	if err != nil {
		return credentialSet{}, err
	}
	revoked, err := authority.RevocationList()
	if err != nil {
		return credentialSet{}, err
	}
	roots := string(authority.Roots())
	secret := l.secret
	if kind.part != "" {
		if secret, err = newSecret(); err != nil {
			return credentialSet{}, err
		}
	}
	secrets := map[string]string{credSecret: secret}
	return credentialSet{
		client: client.Leaf,
		origin: pki.Credentials{
			Certificates:    map[string]pki.KeyPair{credOrigin: server.KeyPair()},
			Roots:           map[string]string{credEdge: roots},
			RevocationLists: map[string]string{credEdge: string(revoked)},
			Secrets:         secrets,
		},
		edge: pki.Credentials{
			Certificates: map[string]pki.KeyPair{credEdge: client.KeyPair()},
			Roots:        map[string]string{credOrigin: roots},
			Secrets:      secrets,
		},
	}, nil
}

// policySettings is what the strategies fill an arm's policy from. Subject and
// leaf pins get their value when the certificate is issued: see pinned.
func policySettings(a *Arm) origin.Settings {
	s := &a.Settings
	settings := origin.Settings{
		EdgeAddresses:  edgePrefixes(),
		SecretHeader:   s.Origin.Header.Name,
		Secret:         credSecret,
		ClientRoots:    credEdge,
		RevocationList: credEdge,
		Pin:            origin.Pin(s.Origin.MTLS.Pin),
	}
	if s.Link.Distant() {
		settings.EdgeAddresses = nearPrefixes()
	}
	if !s.Origin.MTLS.Revocation {
		settings.RevocationList = ""
	}
	if settings.Pin == origin.PinSAN {
		settings.PinValue = a.edgeName()
	}
	return settings
}

// originConfig is the built-in origin that an arm asks for.
func originConfig(s *Start) origin.Config {
	o := s.Arm.Settings.Origin
	cfg := origin.Config{
		Policy:      s.Arm.Policy,
		Credentials: s.Credentials,
		Certificate: s.Certificate,
		Route:       s.Arm.Below,
		AuditLevel:  auditLevel(o.Audit),
		Response: origin.Response{
			Size: int64(o.Response.Size), Delay: time.Duration(o.Response.Delay),
			Status: o.Response.Status, CacheControl: o.Response.CacheControl,
		},
	}
	cfg.Response.Uncacheable = 1 - o.Response.Cacheable
	cfg.Response.Sizes = origin.Sizes{Median: int64(o.Response.Sizes.Median), P90: int64(o.Response.Sizes.P90), Max: int64(o.Response.Sizes.Max)}
	for _, l := range o.Response.Lifetimes {
		cfg.Response.Lifetimes = append(cfg.Response.Lifetimes, origin.Lifetime{Share: l.Share, MaxAge: time.Duration(l.MaxAge)})
	}
	cfg.Timeouts.Idle = time.Duration(o.IdleTimeout)
	if method := s.Arm.Settings.Workload.Method; method != "" && method != http.MethodGet && method != http.MethodHead {
		cfg.Methods = []string{method}
	}
	if s.Certificate != "" {
		cfg.Group, cfg.Tickets = s.Arm.Settings.Edge.TLS.Group, o.Tickets
		cfg.Early = s.Arm.Settings.Edge.TLS.Early
	}
	return cfg
}

// auditLevel is the scenario's word in the origin's terms; off has no level,
// it has no file either.
func auditLevel(word string) origin.Level {
	if word == "refused" {
		return origin.LevelRefused
	}
	return origin.LevelAll
}

// pinned returns the policy with its pin set to the client certificate that
// was really issued.
func pinned(p origin.Policy, set credentialSet) (origin.Policy, error) {
	if !p.Uses(origin.MTLS) || p.Pin == origin.PinNone {
		return p, nil
	}
	value, err := p.Pin.Value(set.client)
	if err != nil {
		return p, fmt.Errorf("pinning the edge's certificate: %w", err)
	}
	p.PinValue = value
	return p, nil
}

// edgeConfig is the edge that an arm asks for.
func edgeConfig(s *Start) (edge.Config, error) {
	e := s.Arm.Settings.Edge
	host := s.Arm.host()
	cfg := edge.Config{
		Host: host,
		Pool: poolConfig(&e), Behaviour: behaviour(&e),
		Cache:  cacheConfig(&e.Cache, e.Cache.Capacity),
		Target: pool.Target{Address: s.Origin, Dialer: wire.Dialer{Source: s.Source}, Protocol: pool.Protocol(e.Protocol), Early: e.TLS.Early},
	}
	if s.Arm.Policy.Uses(origin.Header) {
		secret, err := s.Credentials.Secret(credSecret)
		if err != nil {
			return edge.Config{}, err
		}
		cfg.Header = [][2]string{{s.Arm.Settings.Origin.Header.Name, secret}}
	}
	if s.Arm.Plaintext {
		return cfg, nil
	}
	roots, err := s.Credentials.Pool(credOrigin)
	if err != nil {
		return edge.Config{}, err
	}
	base := &tls.Config{RootCAs: roots, ServerName: host}
	if s.Arm.Policy.Uses(origin.MTLS) {
		certificate, err := s.Credentials.Certificate(credEdge)
		if err != nil {
			return edge.Config{}, err
		}
		base.Certificates = []tls.Certificate{certificate}
		cfg.Target.Identity = edgeIdentity(&e)
	}
	profile := wire.Profile{Version: e.TLS.Version, Group: e.TLS.Group, Resumption: e.TLS.Resumption, HelloRetry: e.TLS.HelloRetry, P384: s.Arm.Settings.Origin.Certificate.Key == string(pki.ECDSAP384)}
	cfg.Target.ServerName = host
	cfg.Target.TLS = profile.Client(base)
	return cfg, nil
}

// layout is the whole distribution that an arm asks for.
func layout(s *Start) (edge.Layout, error) {
	e := s.Arm.Settings.Edge
	l := edge.Layout{Pops: e.Pops.Count, Seed: s.Seed}
	var err error
	if len(s.Parts) == 0 {
		l.Edge, err = edgeConfig(s)
	} else {
		l.Edge.Cache = cacheConfig(&e.Cache, e.Cache.Capacity)
		l.Routes, err = routes(s)
	}
	if err != nil {
		return edge.Layout{}, err
	}
	l.Edge.Topology = topology(&e)
	if e.Shield.Enabled {
		l.Shield = &edge.Shield{Cache: cacheConfig(&e.Cache, e.Shield.Capacity), Ageless: !e.Shield.Age}
	}
	return l, nil
}

// routes are the edge towards each of several origins.
func routes(s *Start) ([]edge.Route, error) {
	origins := s.Arm.Settings.Origins
	if len(s.Parts) != len(origins) {
		return nil, fmt.Errorf("the edge has %d origins and was told of %d", len(origins), len(s.Parts))
	}
	all := make([]edge.Route, len(origins))
	for i := range origins {
		at, err := edgeConfig(&s.Parts[i])
		if err != nil {
			return nil, fmt.Errorf("origin %s: %w", origins[i].Name, err)
		}
		all[i] = edge.Route{Name: origins[i].Name, Match: matchOf(&origins[i]), Edge: at}
	}
	return all, nil
}

// cacheConfig is a cache of the edge: all tiers go by the same settings, each
// with a capacity of its own.
func cacheConfig(c *scenarios.Cache, capacity scenarios.ByteSize) cache.Config {
	return cache.Config{
		Capacity: int64(capacity), MaxObject: int64(c.MaxObject), Policy: c.Policy,
		Heuristic: c.Heuristic, Negative: time.Duration(c.Negative), StaleIfError: time.Duration(c.StaleIfError),
	}
}

// topology is one point of presence.
func topology(e *scenarios.Edge) edge.Topology {
	return edge.Topology{Servers: e.Servers, Workers: e.Workers, Scope: edge.Scope(e.Pool.Scope)}
}

// edgeAddress is the loopback address that edges dial from, apart from every
// other client's. Only Linux routes the whole of 127.0.0.0/8 to loopback.
func edgeAddress() netip.Addr {
	if runtime.GOOS == "linux" {
		return netip.AddrFrom4([4]byte{127, 0, 1, 1})
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// edgePrefixes is what an allowlist lets in.
func edgePrefixes() []netip.Prefix {
	if runtime.GOOS == "linux" {
		return []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{127, 0, 1, 0}), 24)}
	}
	return []netip.Prefix{netip.PrefixFrom(edgeAddress(), 32)}
}

// trialSeed derives a trial's seed: trials differ, runs of one seed do not.
func trialSeed(seed uint64, index int) uint64 {
	return seed*0x9e3779b97f4a7c15 + uint64(index)
}

// workerSettings are the runtime's settings in every worker, whatever the shell
// of the run has. One processor at a time: the CPU of one connection is
// measured, not how two processors share it.
var workerSettings = map[string]string{"GOMAXPROCS": "1", "GOGC": "100", "GOMEMLIMIT": "off", "GODEBUG": ""}

// workerEnv are workerSettings as an environment.
func workerEnv() []string {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(workerSettings)) {
		env = append(env, name+"="+workerSettings[name])
	}
	return env
}
