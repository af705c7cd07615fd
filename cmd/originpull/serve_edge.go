package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/proxy"
	"github.com/originpull/originpull/scenarios"
)

const serveEdgeHelp = `Serve as an edge: a caching reverse proxy (RFC 9111) before one origin or
several, for HTTP/1.1 and, with a certificate, h2 viewers.

  originpull serve edge --listen 127.0.0.1:8080 --origin http://127.0.0.1:9000 --metrics 127.0.0.1:9100
  originpull serve edge --listen :8443 --tls-cert site.pem --tls-key site.key \
    --origin https://origin.example --cert edge.pem --key edge.key --header-name X-Origin-Verify --secret-file secret

Nothing but the given origin is ever asked, whatever an answer says.

Several origins are a list in the file behind --config, each with what the flags
from --origin to --secret-file say, and nothing of another's. A request goes to
the first whose match it meets; the last has none:

  origins:
    - {name: api, match: {path: /api/*}, origin: https://10.0.0.1, secret-file: api.secret}
    - {name: img, match: {host: "*.img.example"}, origin: https://10.0.0.2, cert: edge.pem, key: edge.key}
    - {name: rest, origin: http://10.0.0.3:8080}`

func serveEdge(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use: "edge", Short: "A caching reverse proxy before one origin or several", Long: serveEdgeHelp,
		Annotations: map[string]string{fileOnly: originsKey},
		Args:        checked(cobra.NoArgs),
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
	upstreamFlags(f)
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
	v       *viper.Viper
	origins []*upstream
	proxy   *proxy.Proxy
	// ballast is never touched, and so never resident. It lets the collector of
	// an edge whose cache is small run once for so many bytes of requests more.
	ballast []byte
}

// prepare reads everything, and tells all that is wrong at once.
func (e *edgeServing) prepare(ctx context.Context, failed func(error)) (*server, error) {
	var wrong problems
	var err error
	cfg := proxy.Config{Name: e.v.GetString("name"), Failed: failed}
	e.origins, err = upstreams(e.v)
	wrong.add(err)
	for _, u := range e.origins {
		at, err := u.prepare(ctx)
		wrong.add(err)
		if u.name == "" {
			cfg.Edge = at
			continue
		}
		cfg.Routes = append(cfg.Routes, edge.Route{Name: u.name, Match: u.match, Edge: at})
	}
	if len(e.origins) == 0 {
		cfg.Edge.Host = "unknown"
	}
	cfg.Viewers, err = e.viewers()
	wrong.add(err)
	cfg.Edge.Cache, err = e.cache()
	wrong.add(err)
	if e.v.GetDuration("drain") <= 0 {
		wrong.add(fmt.Errorf("--drain %s: it must be longer than nothing", e.v.GetDuration("drain")))
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
		files: e.files(), reload: e.reload, refresh: e.refresh,
		metrics: e.v.GetString("metrics"), handler: e.proxy.Metrics(),
	}, nil
}

func (e *edgeServing) files() []string {
	var given []string
	for _, flag := range []string{"tls-cert", "tls-key", "viewer-ca"} {
		given = append(given, named(e.v.GetString(flag))...)
	}
	for _, u := range e.origins {
		given = append(given, u.files()...)
	}
	return given
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

// reload takes certificates, keys and the origins' addresses anew. A secret is
// part of the edge, and changes with them.
func (e *edgeServing) reload(ctx context.Context) error {
	var wrong problems
	viewers, err := e.viewers()
	wrong.add(err)
	var aims []edge.Aim
	for _, u := range e.origins {
		aim, err := u.aim(ctx)
		wrong.add(err)
		aims = append(aims, aim)
	}
	if err := wrong.err(); err != nil {
		return err
	}
	return e.proxy.Reload(viewers, aims...)
}

// refresh follows the origins' names to other addresses.
func (e *edgeServing) refresh(ctx context.Context) error {
	moved := false
	for _, u := range e.origins {
		away, err := u.moved(ctx)
		if err != nil {
			return err
		}
		moved = moved || away
	}
	if !moved {
		return nil
	}
	return e.reload(ctx)
}
