package edge

import (
	"errors"
	"fmt"
	"strings"

	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
)

// Match is which requests are for one of several origins. Its zero value is all
// of them.
type Match struct {
	// Path is the beginning of a path and a star: "/api/*". It is compared byte
	// by byte with what the viewer sent, without the query: whoever writes a path
	// in another way meets another rule, and then that origin's policy.
	Path string
	// Host is a name in small letters, or with "*." in front every name below it.
	Host string
}

// Any reports whether every request matches.
func (m Match) Any() bool { return m == Match{} }

// Takes reports whether a request matches. A port of the host is not looked at.
func (m Match) Takes(host, path string) bool {
	if m.Path != "" {
		path, _, _ = strings.Cut(path, "?")
		if !strings.HasPrefix(path, m.below()) {
			return false
		}
	}
	if m.Host == "" {
		return true
	}
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	host = strings.ToLower(host)
	if parent, wild := strings.CutPrefix(m.Host, "*"); wild {
		return len(host) > len(parent) && strings.HasSuffix(host, parent)
	}
	return host == m.Host
}

// Covers reports whether every request that matches other matches m too: behind
// m, other would get none.
func (m Match) Covers(other Match) bool {
	if m.Path != "" && m.Path != "/*" && (other.Path == "" || !strings.HasPrefix(other.below(), m.below())) {
		return false
	}
	if m.Host == "" || m.Host == other.Host {
		return true
	}
	parent, wild := strings.CutPrefix(m.Host, "*")
	return wild && other.Host != "" && strings.HasSuffix(strings.TrimPrefix(other.Host, "*"), parent)
}

// below is what paths begin with.
func (m Match) below() string { return strings.TrimSuffix(m.Path, "*") }

func (m Match) validate() error {
	switch {
	case m.Path != "" && (!strings.HasPrefix(m.Path, "/") || strings.IndexByte(m.Path, '*') != len(m.Path)-1 || strings.Contains(m.Path, "?")):
		return fmt.Errorf("%q is no rule for paths: write how they begin, and a star, such as /api/*", m.Path)
	case strings.Contains(strings.TrimPrefix(m.Host, "*."), "*") || m.Host != strings.ToLower(m.Host) || strings.Contains(m.Host, ":"):
		return fmt.Errorf("%q is no rule for hosts: write a name in small letters, or *. and one", m.Host)
	}
	return nil
}

// Route is one of several origins behind a distribution.
type Route struct {
	Name  string
	Match Match
	// Edge is what points of presence, and the shield, are towards this origin.
	// Its Cache and Topology are not looked at: those are the layout's, because a
	// point of presence has one cache and so many workers whatever its origins.
	Edge Config
}

// checkRoutes refuses rules of which some are dead, or that leave a request
// without an origin.
func checkRoutes(routes []Route) error {
	var problems []error
	for i, r := range routes {
		if err := r.Match.validate(); err != nil {
			problems = append(problems, fmt.Errorf("origin %s: %w", r.Name, err))
		}
		for _, earlier := range routes[:i] {
			if earlier.Name == r.Name {
				problems = append(problems, fmt.Errorf("two origins are named %s", r.Name))
			}
			if earlier.Match.Covers(r.Match) {
				problems = append(problems, fmt.Errorf("origin %s gets no request: %s before it takes all that it matches", r.Name, earlier.Name))
			}
		}
	}
	if n := len(routes); n > 0 && !routes[n-1].Match.Any() {
		problems = append(problems, fmt.Errorf("a request that %s, the last of the origins, does not match has no origin: its match must be empty", routes[n-1].Name))
	}
	return errors.Join(problems...)
}

// site is one point of presence, or the shield: a cache, and an edge towards
// each origin that stores in it.
type site struct {
	cache *cache.Cache
	edges []*Edge // one for each route; a single one without routes
}

// newSite makes the edges of a site. at is what it is towards every origin; each
// of the routes, where there are any, puts its own in the place of target, host,
// header, pool and behaviour.
func newSite(at Config, routes []Route, parent *site, seed uint64) (*site, error) {
	stored, err := cache.New(at.Cache)
	if err != nil {
		return nil, fmt.Errorf("the edge's cache: %w", err)
	}
	s := &site{cache: stored}
	for i := range max(len(routes), 1) {
		own := at
		if len(routes) > 0 {
			own = routes[i].Edge
			own.Cache, own.Topology, own.ageless = at.Cache, at.Topology, at.ageless
		}
		own.Seed, own.store = draw(seed, uint64(i)), stored
		if i == 0 {
			own.Seed = seed
		}
		if parent != nil {
			own.Parent = parent.edges[i]
		}
		e, err := New(own)
		if err != nil {
			if len(routes) > 0 {
				err = fmt.Errorf("origin %s: %w", routes[i].Name, err)
			}
			return nil, errors.Join(err, s.close())
		}
		s.edges = append(s.edges, e)
	}
	return s, nil
}

// pools adds up what the pools of each origin did.
func (s *site) pools(each []pool.Stats) {
	for i, e := range s.edges {
		for _, p := range e.pools {
			add(&each[i], p.Stats())
		}
	}
}

// stats is what its cache did, for all origins.
func (s *site) stats() cache.Stats {
	total := s.cache.Stats()
	for _, e := range s.edges {
		total.Passes += e.passed.Load()
	}
	return total
}

func (s *site) close() error {
	var failed []error
	for _, e := range s.edges {
		failed = append(failed, e.Close())
	}
	s.cache.Close()
	return errors.Join(failed...)
}
