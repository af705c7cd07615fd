package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/sim"
	"github.com/originpull/originpull/wire"
)

// upstreamFlags are the settings of one origin; each of several has its own.
func upstreamFlags(f *pflag.FlagSet) {
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
}

// upstream is an origin that the edge serves from.
type upstream struct {
	name  string // of several; "" = there is one
	match edge.Match
	v     *viper.Viper // its settings, named as the flags

	url   *url.URL
	terms *scenarios.Edge // of its preset; nil = none

	mu sync.Mutex
	at netip.AddrPort // as last resolved
}

// originsKey is the list of several origins in a settings file; no flag says it.
const originsKey = "origins"

// upstreams are the origin that the flags give, or those that the settings file
// lists.
func upstreams(v *viper.Viper) ([]*upstream, error) {
	if !v.IsSet(originsKey) {
		return []*upstream{{v: v}}, nil
	}
	var wrong problems
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	upstreamFlags(own)
	own.VisitAll(func(f *pflag.Flag) {
		if v.IsSet(f.Name) {
			wrong.add(fmt.Errorf("--%s belongs to one origin: write it where the settings file lists that", f.Name))
		}
	})
	list, isList := v.Get(originsKey).([]any)
	if !isList || len(list) == 0 {
		wrong.add(errors.New("origins: write a list, each with name, match and the settings of an origin"))
	}
	var all []*upstream
	for i, entry := range list {
		u, err := listed(entry)
		if err != nil {
			wrong.add(fmt.Errorf("origins[%d]: %w", i, err))
			continue
		}
		all = append(all, u)
	}
	return all, wrong.err()
}

// listed reads one origin of a list. It inherits nothing: a certificate or a
// secret is for the origin that it stands with, and for no other.
func listed(entry any) (*upstream, error) {
	values, isGroup := entry.(map[string]any)
	if !isGroup {
		return nil, errors.New("write a group of settings, such as {name: api, match: {path: /api/*}, origin: https://127.0.0.1:8443}")
	}
	u := &upstream{v: viper.New()}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	upstreamFlags(flags)
	if err := u.v.BindPFlags(flags); err != nil {
		return nil, err
	}
	var wrong problems
	text := func(what string, value any) string {
		word, isText := value.(string)
		if !isText {
			wrong.add(fmt.Errorf("%s: %v is no text", what, value))
		}
		return word
	}
	for key, value := range values {
		switch key = strings.ToLower(key); {
		case key == "name":
			u.name = text(key, value)
		case key == "match":
			rules, isGroup := value.(map[string]any)
			if !isGroup {
				wrong.add(errors.New("match: write path and host, such as {path: /api/*}"))
			}
			for rule, value := range rules {
				switch rule = strings.ToLower(rule); rule {
				case "path":
					u.match.Path = text("match.path", value)
				case "host":
					u.match.Host = text("match.host", value)
				default:
					wrong.add(fmt.Errorf("match: %q is no rule: use path and host", rule))
				}
			}
		case flags.Lookup(key) == nil:
			wrong.add(fmt.Errorf("%q is no setting of an origin", key))
		default:
			u.v.Set(key, value)
		}
	}
	if u.name == "" {
		wrong.add(errors.New("name is missing"))
	}
	return u, wrong.err()
}

// said puts the origin's name before what is wrong with it.
func (u *upstream) said(err error) error {
	if err == nil || u.name == "" {
		return err
	}
	return fmt.Errorf("origin %s: %w", u.name, err)
}

// prepare is the edge towards the origin.
func (u *upstream) prepare(ctx context.Context) (edge.Config, error) {
	var wrong problems
	var err error
	u.url, err = parseOrigin(u.v.GetString("origin"))
	wrong.add(err)
	cfg := edge.Config{Host: "unknown", KeepHost: u.v.GetBool("keep-host")}
	cfg.Pool, cfg.Behaviour, u.terms, err = u.asPreset()
	wrong.add(err)
	cfg.Header, err = u.secret()
	wrong.add(err)
	cfg.Target, err = u.target(ctx)
	wrong.add(err)
	if u.url != nil {
		cfg.Host = u.host()
	}
	return cfg, u.said(wrong.err())
}

// aim reads certificates, secret and address anew.
func (u *upstream) aim(ctx context.Context) (edge.Aim, error) {
	var wrong problems
	target, err := u.target(ctx)
	wrong.add(err)
	header, err := u.secret()
	wrong.add(err)
	return edge.Aim{Target: target, Header: header}, u.said(wrong.err())
}

// moved reports whether the origin's name leads to another address.
func (u *upstream) moved(ctx context.Context) (bool, error) {
	u.mu.Lock()
	before := u.at
	u.mu.Unlock()
	now, err := resolve(ctx, u.url)
	return now != before, u.said(err)
}

func (u *upstream) files() []string {
	var given []string
	for _, flag := range []string{"cert", "key", "cacert", "secret-file"} {
		given = append(given, named(u.v.GetString(flag))...)
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
func (u *upstream) host() string {
	if name := u.v.GetString("host"); name != "" {
		return name
	}
	return u.url.Host
}

// asPreset are pool and behaviour: those of the preset or, without one, of an edge
// that keeps connections for a minute and has no limit.
func (u *upstream) asPreset() (pool.Config, edge.Behaviour, *scenarios.Edge, error) {
	own := pool.Config{Reuse: true, IdleTimeout: time.Minute}
	name := u.v.GetString("preset")
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

func (u *upstream) secret() ([][2]string, error) {
	name := u.v.GetString("secret-file")
	if name == "" {
		return nil, nil
	}
	secret, err := readSecret("secret-file", name)
	if err != nil {
		return nil, err
	}
	return [][2]string{{u.v.GetString("header-name"), secret}}, nil
}

// target is where and as whom the origin is asked.
func (u *upstream) target(ctx context.Context) (pool.Target, error) {
	var wrong problems
	t := pool.Target{Protocol: pool.Protocol(u.v.GetString("protocol"))}
	if t.Protocol != pool.H1 && t.Protocol != pool.H2 {
		wrong.add(fmt.Errorf("--protocol %q: use h1 or h2", t.Protocol))
	}
	pair, err := readPair("cert", u.v.GetString("cert"), "key", u.v.GetString("key"))
	wrong.add(err)
	roots, err := readRoots("cacert", u.v.GetString("cacert"))
	wrong.add(err)
	if u.url == nil {
		return t, wrong.err()
	}
	if u.url.Scheme == "https" {
		base := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
		if pair != nil {
			base.Certificates = []tls.Certificate{*pair}
			t.Identity = "edge"
		}
		if u.terms != nil && u.terms.TLS.Version != "" {
			base = wire.Profile{Version: u.terms.TLS.Version, Resumption: u.terms.TLS.Resumption}.Client(base)
		}
		t.TLS, t.ServerName = base, hostOnly(u.host())
	} else if pair != nil || roots != nil {
		wrong.add(fmt.Errorf("--cert and --cacert need an https origin, and %s is none", u.url))
	}
	if u.url.Scheme == "http" && t.Protocol == pool.H2 {
		wrong.add(errors.New("--protocol h2 needs an https origin: it is agreed on in the handshake"))
	}
	t.Address, err = resolve(ctx, u.url)
	wrong.add(err)
	u.mu.Lock()
	u.at = t.Address
	u.mu.Unlock()
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
