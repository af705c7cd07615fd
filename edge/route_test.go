package edge

import (
	"bytes"
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
)

func TestMatchTakes(t *testing.T) {
	for _, c := range []struct {
		match      Match
		host, path string
		want       bool
	}{
		{Match{}, "", "/", true},
		{Match{}, "any.test", "*", true},
		{Match{Path: "/api/*"}, "", "/api/1", true},
		{Match{Path: "/api/*"}, "", "/api/", true},
		{Match{Path: "/api/*"}, "", "/api", false},
		{Match{Path: "/api/*"}, "", "/API/1", false},
		{Match{Path: "/api/*"}, "", "/apis/1", false},
		{Match{Path: "/api/*"}, "", "//api/1", false},
		{Match{Path: "/api/*"}, "", "/x?/api/1", false},
		{Match{Path: "/api/*"}, "", "/api/1?x=/", true},
		{Match{Path: "/img-*"}, "", "/img-1", true},
		{Match{Host: "static.test"}, "static.test", "/", true},
		{Match{Host: "static.test"}, "Static.TEST:8443", "/", true},
		{Match{Host: "static.test"}, "a.static.test", "/", false},
		{Match{Host: "static.test"}, "", "/", false},
		{Match{Host: "*.static.test"}, "a.b.static.test", "/", true},
		{Match{Host: "*.static.test"}, "static.test", "/", false},
		{Match{Host: "*.static.test"}, ".static.test", "/", false},
		{Match{Host: "*.static.test"}, "notstatic.test", "/", false},
		{Match{Host: "::1"}, "[::1]:80", "/", false},
		{Match{Path: "/api/*", Host: "static.test"}, "static.test", "/api/1", true},
		{Match{Path: "/api/*", Host: "static.test"}, "static.test", "/o/1", false},
		{Match{Path: "/api/*", Host: "static.test"}, "other.test", "/api/1", false},
	} {
		if got := c.match.Takes(c.host, c.path); got != c.want {
			t.Errorf("%+v takes %s%s: %v", c.match, c.host, c.path, got)
		}
	}
}

func TestMatchCovers(t *testing.T) {
	for _, c := range []struct {
		a, b Match
		want bool
	}{
		{Match{}, Match{}, true},
		{Match{}, Match{Path: "/api/*", Host: "a.test"}, true},
		{Match{Path: "/api/*"}, Match{}, false},
		{Match{Path: "/*"}, Match{}, true},
		{Match{Path: "/api/*"}, Match{Path: "/api/v1/*"}, true},
		{Match{Path: "/api/v1/*"}, Match{Path: "/api/*"}, false},
		{Match{Path: "/api/*"}, Match{Path: "/api/*", Host: "a.test"}, true},
		{Match{Path: "/api/*", Host: "a.test"}, Match{Path: "/api/*"}, false},
		{Match{Host: "*.test"}, Match{Host: "a.test"}, true},
		{Match{Host: "*.test"}, Match{Host: "*.test"}, true},
		{Match{Host: "*.test"}, Match{Host: "*.a.test"}, true},
		{Match{Host: "*.a.test"}, Match{Host: "*.test"}, false},
		{Match{Host: "a.test"}, Match{Host: "*.a.test"}, false},
		{Match{Host: "*.test"}, Match{Path: "/api/*"}, false},
	} {
		if got := c.a.Covers(c.b); got != c.want {
			t.Errorf("%+v covers %+v: %v", c.a, c.b, got)
		}
	}
}

// FuzzMatch: what covers another takes whatever that takes.
func FuzzMatch(f *testing.F) {
	f.Add("/api/*", "*.test", "/api/v1/*", "a.test", "a.test", "/api/v1/2")
	f.Add("/*", "", "", "", "", "/")
	f.Add("", "*.a", "/x*", "b.a", "B.A:1", "/xy?z")
	f.Fuzz(func(t *testing.T, path, host, otherPath, otherHost, asked, at string) {
		a, b := Match{path, host}, Match{otherPath, otherHost}
		if a.validate() != nil || b.validate() != nil || !strings.HasPrefix(at, "/") {
			t.Skip()
		}
		if a.Covers(b) && b.Takes(asked, at) && !a.Takes(asked, at) {
			t.Errorf("%+v covers %+v, which takes %s%s, and does not take it", a, b, asked, at)
		}
	})
}

func TestRoutesAreChecked(t *testing.T) {
	api, rest := Route{Name: "api", Match: Match{Path: "/api/*"}}, Route{Name: "rest"}
	for want, routes := range map[string][]Route{
		"api, the last of the origins": {rest, api}, // and gets none
		"origin api gets no request":   {rest, api},
		"two origins are named api":    {api, {Name: "api"}},
		"no rule for paths":            {{Name: "x", Match: Match{Path: "/*/x"}}, rest},
		"no rule for hosts":            {{Name: "x", Match: Match{Host: "a.*.test"}}, rest},
		"must be empty":                {api},
	} {
		if _, err := NewDistribution(Layout{Routes: routes}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// two runs f in virtual time on a distribution before two labs, each with an
// authority, a header and a pool of its own. seen are the client certificates
// that each was shown.
func two(t *testing.T, layout Layout, f func(t *testing.T, labs [2]*lab, seen *[2][][]byte, d *Distribution)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var labs [2]*lab
		var seen [2][][]byte
		for i := range labs {
			labs[i] = newLabWith(t, "1.3", func(c *tls.Config) {
				c.VerifyConnection = func(s tls.ConnectionState) error {
					seen[i] = append(seen[i], s.PeerCertificates[0].Raw)
					return nil
				}
			})
		}
		for i, r := range []Route{{Name: "api", Match: Match{Path: "/api/*"}}, {Name: "rest"}} {
			r.Edge = Config{
				Target: labs[i].target, Host: originName, Pool: pool.Config{Reuse: true},
				Header: [][2]string{{"X-" + r.Name, "secret of " + r.Name}},
			}
			layout.Routes = append(layout.Routes, r)
		}
		d, err := NewDistribution(layout)
		if err != nil {
			t.Fatal(err)
		}
		f(t, labs, &seen, d)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		for _, l := range labs {
			if err := l.server.Close(); err != nil {
				t.Error(err)
			}
			l.served.Wait()
		}
	})
}

// TestOriginsAreNeverMixed: each sees its own requests, its own secret and its
// own certificate, over its own connections; a viewer who sends the header of one
// changes nothing.
func TestOriginsAreNeverMixed(t *testing.T) {
	for name, layout := range map[string]Layout{
		"one point of presence": {},
		"three, and a shield":   {Pops: 3, Shield: &Shield{Cache: cache.Config{Capacity: 1 << 20}}, Edge: Config{Cache: cache.Config{Capacity: 1 << 20}}},
		"private pools":         {Edge: Config{Topology: Topology{Workers: 3}}},
	} {
		two(t, layout, func(t *testing.T, labs [2]*lab, seen *[2][][]byte, d *Distribution) {
			for range 10 {
				for i, path := range []string{"/api/1", "/o/1", "/api/2"} {
					reply, err := d.Pull(t.Context(), Viewer{Path: path, Header: http.Header{"X-Api": {"a viewer's"}, "X-Rest": {"a viewer's"}}})
					if err != nil || string(reply.Body) != "GET "+path || reply.Origin != i%2 {
						t.Errorf("%s: %s of origin %d: %q, %v", name, path, reply.Origin, reply.Body, err)
					}
				}
			}
			stats := d.Stats()
			for i, own := range []string{"X-Api", "X-Rest"} {
				l, other := labs[i], []string{"X-Rest", "X-Api"}[i]
				if len(l.headers) != 20-10*i && layout.Shield == nil {
					t.Errorf("%s: origin %d has seen %d requests", name, i, len(l.headers))
				}
				if got := stats.Origins[i]; got.Requests != int64(len(l.headers)) || got.Connects != int64(len((*seen)[i])) || got.Connects == 0 {
					t.Errorf("%s: origin %d: %d requests and %d connections of its pools, %d and %d seen", name, i, got.Requests, got.Connects, len(l.headers), len((*seen)[i]))
				}
				for _, h := range l.headers {
					if h.Get(own) != "secret of "+strings.ToLower(own[2:]) || len(h[own]) != 1 || h.Get(other) != "a viewer's" {
						t.Errorf("%s: origin %d was sent %v", name, i, h)
					}
				}
				for _, shown := range (*seen)[i] {
					if !bytes.Equal(shown, l.target.TLS.Certificates[0].Certificate[0]) {
						t.Errorf("%s: origin %d was shown another's certificate", name, i)
					}
				}
			}
			if sum := stats.Origins[0].Requests + stats.Origins[1].Requests; stats.Pool.Requests != sum {
				t.Errorf("%s: %d requests, and %d of the origins", name, stats.Pool.Requests, sum)
			}
		})
	}
}

// TestOriginsShareOneCache: its capacity, its statistics, and not one object. Nor
// do two hosts, at the shield either.
func TestOriginsShareOneCache(t *testing.T) {
	stored := cache.Config{Capacity: 1 << 20}
	for _, shield := range []*Shield{nil, {Cache: stored}} {
		two(t, Layout{Edge: Config{Cache: stored}, Shield: shield}, func(t *testing.T, labs [2]*lab, _ *[2][][]byte, d *Distribution) {
			for range 3 {
				for _, host := range []string{"a.test", "b.test"} {
					if _, err := d.Pull(t.Context(), Viewer{Host: host, Path: "/fresh"}); err != nil {
						t.Fatal(err)
					}
				}
			}
			if s := d.Stats().Cache; s.Entries != 2 || s.Hits != 4 || s.Misses != 2 {
				t.Errorf("%+v", s)
			}
			if labs[0].requests() != 0 || labs[1].requests() != 2 {
				t.Errorf("%d and %d requests", labs[0].requests(), labs[1].requests())
			}
		})
	}
}

// TestAFullPoolIsItsOriginsAlone: who waits for a connection to one origin takes
// none of the other's.
func TestAFullPoolIsItsOriginsAlone(t *testing.T) {
	two(t, Layout{}, func(t *testing.T, labs [2]*lab, _ *[2][][]byte, _ *Distribution) {
		layout := Layout{Routes: []Route{
			{Name: "late", Match: Match{Path: "/late*"}, Edge: Config{Target: labs[0].target, Host: originName, Pool: pool.Config{Reuse: true, MaxConnections: 1}}},
			{Name: "rest", Edge: Config{Target: labs[1].target, Host: originName, Pool: pool.Config{Reuse: true, MaxConnections: 1}}},
		}}
		d, err := NewDistribution(layout)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		for range 3 {
			go func() {
				_, _ = d.Pull(t.Context(), Viewer{Path: "/late"}) // until the distribution is closed
				ended <- struct{}{}
			}()
		}
		synctest.Wait()
		for range 5 {
			if _, err := d.Pull(t.Context(), Viewer{Path: "/o/1"}); err != nil {
				t.Error(err)
			}
		}
		if s := d.Stats(); s.Origins[0].Waits != 2 || s.Origins[1].Waits != 0 || s.Origins[1].Connects != 1 {
			t.Errorf("%+v", s.Origins)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		for range 3 {
			<-ended
		}
	})
}
