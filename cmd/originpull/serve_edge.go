package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/edge/proxy"
	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/sim"
	"github.com/originpull/originpull/wire"
)

const serveEdgeHelp = `Serve as an edge: a caching reverse proxy (RFC 9111) before one origin, for
HTTP/1.1 and, with a certificate, h2 viewers.

  originpull serve edge --listen 127.0.0.1:8080 --origin http://127.0.0.1:9000 --metrics 127.0.0.1:9100
  originpull serve edge --listen :8443 --tls-cert site.pem --tls-key site.key \
    --origin https://origin.example --cert edge.pem --key edge.key --header-name X-Origin-Verify --secret-file secret

Nothing but the given origin is ever asked, whatever an answer says.`

func serveEdge(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use: "edge", Short: "A caching reverse proxy before one origin", Long: serveEdgeHelp,
		Args: checked(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := settings(cmd)
			if err != nil {
				return err
			}
			e := &edgeServing{v: v, ballast: make([]byte, ballastSize)}
			defer runtime.KeepAlive(e.ballast)
			failures := &failureLog{out: s.err}
			served, err := e.prepare(cmd.Context(), failures.tell)
			if err != nil {
				return usage(fmt.Errorf("serve edge: %w", err))
			}
			return served.run(cmd.Context(), s)
		},
	}
	f := cmd.Flags()
	f.String("listen", "127.0.0.1:8080", "address for viewers")
	f.String("origin", "", "URL of the origin: http:// or https://, host and port")
	f.String("host", "", "Host for the origin, and the name that its certificate must have (default: that of --origin)")
	f.Bool("keep-host", false, "ask the origin for the viewer's host")
	f.String("protocol", string(pool.H1), "HTTP towards the origin: h1 or h2")
	f.String("cert", "", "client certificate for the origin (PEM, with intermediates)")
	f.String("key", "", "its key")
	f.String("cacert", "", "authorities that may have issued the origin's certificate (default: the system's)")
	f.String("preset", "", "pool, retries and statuses as a CDN documents them: originpull list presets")
	f.String("header-name", "X-Origin-Verify", "secret header for the origin")
	f.String("secret-file", "", "file with its value; without it there is no such header")
	f.String("tls-cert", "", "certificate for viewers (PEM, with intermediates); without it they speak plain HTTP/1.1")
	f.String("tls-key", "", "its key")
	f.String("viewer-ca", "", "authorities of viewers' certificates: whoever has none from them is turned away")
	f.String("cache-size", "256MiB", "memory for the cache; 0B switches it off")
	f.String("cache-max-object", "0B", "greatest object that is stored; 0B is the size of the cache")
	f.String("cache-policy", "sieve", "what leaves when room is needed: "+strings.Join(cache.Policies(), ", "))
	f.Float64("cache-heuristic", 0, "share of the time since Last-Modified for which a response that does not say is fresh; 0.1 is usual")
	f.Duration("cache-negative", 0, "how long an error that does not say is fresh")
	f.Duration("cache-stale-if-error", 0, "how long a stale response stands in for an origin that fails, where it does not say")
	f.Bool("cache-viewer-control", false, "obey the Cache-Control of viewers")
	f.String("name", proxy.DefaultName, "this edge's name in Via and Cache-Status")
	f.String("metrics", "", "address for Prometheus, at /metrics (default: none)")
	f.Duration("drain", 30*time.Second, "how long answers under way may take after SIGTERM")
	return cmd
}

const ballastSize = 64 << 20

// edgeServing is what serve edge was told.
type edgeServing struct {
	v      *viper.Viper
	origin *url.URL
	proxy  *proxy.Proxy
	// ballast is never touched, and so never resident. It lets the collector of
	// an edge whose cache is small run once for so many bytes of requests more.
	ballast []byte

	mu sync.Mutex
	at netip.AddrPort // of the origin, as last resolved
}

// prepare reads everything, and tells all that is wrong at once.
func (e *edgeServing) prepare(ctx context.Context, failed func(error)) (*server, error) {
	var wrong problems
	var err error
	e.origin, err = parseOrigin(e.v.GetString("origin"))
	wrong.add(err)
	cfg := proxy.Config{Name: e.v.GetString("name"), Failed: failed}
	cfg.Viewers, err = e.viewers()
	wrong.add(err)
	cfg.Edge.Cache, err = e.cache()
	wrong.add(err)
	cfg.Edge.KeepHost = e.v.GetBool("keep-host")
	var terms *scenarios.Edge
	cfg.Edge.Pool, cfg.Edge.Behaviour, terms, err = e.terms()
	wrong.add(err)
	cfg.Edge.Header, err = e.secret()
	wrong.add(err)
	if e.v.GetDuration("drain") <= 0 {
		wrong.add(fmt.Errorf("--drain %s: it must be longer than nothing", e.v.GetDuration("drain")))
	}
	cfg.Edge.Target, err = e.target(ctx, terms)
	wrong.add(err)
	if cfg.Edge.Host = "unknown"; e.origin != nil {
		cfg.Edge.Host = e.host()
	}
	e.proxy, err = proxy.New(cfg)
	wrong.add(err)
	if err := wrong.err(); err != nil {
		if e.proxy != nil {
			err = errors.Join(err, e.proxy.Shutdown(ctx))
		}
		return nil, err
	}
	return &server{
		name: "edge", listen: e.v.GetString("listen"), drain: e.v.GetDuration("drain"),
		serve: e.proxy.Serve, shutdown: e.proxy.Shutdown,
		files:   e.files(),
		reload:  func(ctx context.Context) error { return e.reload(ctx, terms) },
		refresh: func(ctx context.Context) error { return e.refresh(ctx, terms) },
		metrics: e.v.GetString("metrics"), handler: e.proxy.Metrics(),
	}, nil
}

func (e *edgeServing) files() []string {
	var given []string
	for _, flag := range []string{"cert", "key", "cacert", "secret-file", "tls-cert", "tls-key", "viewer-ca"} {
		given = append(given, named(e.v.GetString(flag))...)
	}
	return given
}

// parseOrigin reads the URL of an origin.
func parseOrigin(text string) (*url.URL, error) {
	if text == "" {
		return nil, errors.New("--origin is missing: give the URL to pull from")
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("--origin: %w", err)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, fmt.Errorf("--origin %q: write it as http://host:port or https://host:port", text)
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return nil, fmt.Errorf("--origin %q: scheme, host and port alone: paths are the viewers'", text)
	}
	return u, nil
}

// host is the Host that the origin is asked for.
func (e *edgeServing) host() string {
	if name := e.v.GetString("host"); name != "" {
		return name
	}
	return e.origin.Host
}

func (e *edgeServing) viewers() (proxy.Viewers, error) {
	var wrong problems
	pair, err := readPair("tls-cert", e.v.GetString("tls-cert"), "tls-key", e.v.GetString("tls-key"))
	wrong.add(err)
	authority, err := readRoots("viewer-ca", e.v.GetString("viewer-ca"))
	wrong.add(err)
	return proxy.Viewers{Certificate: pair, Authority: authority}, wrong.err()
}

func (e *edgeServing) cache() (cache.Config, error) {
	var wrong problems
	size := func(flag string) int64 {
		var b scenarios.ByteSize
		if err := b.UnmarshalText([]byte(e.v.GetString(flag))); err != nil {
			wrong.add(fmt.Errorf("--%s: %w", flag, err))
		}
		return int64(b)
	}
	cfg := cache.Config{
		Capacity: size("cache-size"), MaxObject: size("cache-max-object"), Policy: e.v.GetString("cache-policy"),
		Heuristic: e.v.GetFloat64("cache-heuristic"), Negative: e.v.GetDuration("cache-negative"),
		StaleIfError: e.v.GetDuration("cache-stale-if-error"), ViewerControl: e.v.GetBool("cache-viewer-control"),
	}
	return cfg, wrong.err()
}

// terms are pool and behaviour: those of the preset or, without one, of an edge
// that keeps connections for a minute and has no limit.
func (e *edgeServing) terms() (pool.Config, edge.Behaviour, *scenarios.Edge, error) {
	own := pool.Config{Reuse: true, IdleTimeout: time.Minute}
	name := e.v.GetString("preset")
	if name == "" || name == scenarios.NoPreset {
		return own, edge.Behaviour{}, nil, nil
	}
	table := presetTable()
	i := slices.IndexFunc(table, func(p scenarios.Preset) bool { return p.Name == name })
	if i < 0 {
		return own, edge.Behaviour{}, nil, fmt.Errorf("--preset %q is unknown: see originpull list presets", name)
	}
	s := scenarios.Defaults()
	s.Edge.Pool.Reuse, s.Edge.Pool.MaxConnections = true, own.MaxConnections
	s.Edge.Pool.IdleTimeout = scenarios.Duration(own.IdleTimeout)
	s.Edge.TLS.Version = ""
	table[i].Apply(&s)
	cfg, behaviour := sim.EdgeTerms(&s.Edge)
	return cfg, behaviour, &s.Edge, nil
}

func (e *edgeServing) secret() ([][2]string, error) {
	name := e.v.GetString("secret-file")
	if name == "" {
		return nil, nil
	}
	secret, err := readSecret("secret-file", name)
	if err != nil {
		return nil, err
	}
	return [][2]string{{e.v.GetString("header-name"), secret}}, nil
}

// target is where and as whom the origin is asked.
func (e *edgeServing) target(ctx context.Context, terms *scenarios.Edge) (pool.Target, error) {
	var wrong problems
	t := pool.Target{Protocol: pool.Protocol(e.v.GetString("protocol"))}
	if t.Protocol != pool.H1 && t.Protocol != pool.H2 {
		wrong.add(fmt.Errorf("--protocol %q: use h1 or h2", t.Protocol))
	}
	pair, err := readPair("cert", e.v.GetString("cert"), "key", e.v.GetString("key"))
	wrong.add(err)
	roots, err := readRoots("cacert", e.v.GetString("cacert"))
	wrong.add(err)
	if e.origin == nil {
		return t, wrong.err()
	}
	if e.origin.Scheme == "https" {
		base := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
		if pair != nil {
			base.Certificates = []tls.Certificate{*pair}
			t.Identity = "edge"
		}
		if terms != nil && terms.TLS.Version != "" {
			base = wire.Profile{Version: terms.TLS.Version, Resumption: terms.TLS.Resumption}.Client(base)
		}
		t.TLS, t.ServerName = base, hostOnly(e.host())
	} else if pair != nil || roots != nil {
		wrong.add(fmt.Errorf("--cert and --cacert need an https origin, and %s is none", e.origin))
	}
	if e.origin.Scheme == "http" && t.Protocol == pool.H2 {
		wrong.add(errors.New("--protocol h2 needs an https origin: it is agreed on in the handshake"))
	}
	t.Address, err = resolve(ctx, e.origin)
	wrong.add(err)
	e.mu.Lock()
	e.at = t.Address
	e.mu.Unlock()
	return t, wrong.err()
}

func hostOnly(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

// resolve returns the first address of an origin.
func resolve(ctx context.Context, u *url.URL) (netip.AddrPort, error) {
	service := u.Port()
	if service == "" {
		service = u.Scheme
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("--origin %s: %w", u, err)
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("--origin %s: %w", u, err)
	}
	i := max(0, slices.IndexFunc(found, func(a netip.Addr) bool { return a.Unmap().Is4() }))
	return netip.AddrPortFrom(found[i].Unmap(), uint16(port)), nil
}

// reload takes certificates, keys and the origin's address anew. The secret is
// part of the edge, and changes with them.
func (e *edgeServing) reload(ctx context.Context, terms *scenarios.Edge) error {
	var wrong problems
	viewers, err := e.viewers()
	wrong.add(err)
	target, err := e.target(ctx, terms)
	wrong.add(err)
	header, err := e.secret()
	wrong.add(err)
	if err := wrong.err(); err != nil {
		return err
	}
	return e.proxy.Reload(viewers, target, header)
}

// refresh follows the origin's name to another address.
func (e *edgeServing) refresh(ctx context.Context, terms *scenarios.Edge) error {
	e.mu.Lock()
	before := e.at
	e.mu.Unlock()
	now, err := resolve(ctx, e.origin)
	if err != nil || now == before {
		return err
	}
	return e.reload(ctx, terms)
}
