package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/pool"
)

// TestSeveralOrigins: viewers are routed by host and path, each origin is sent its
// own secret and nobody else's, and a reload changes each by itself.
func TestSeveralOrigins(t *testing.T) {
	var secrets [3]atomic.Value
	var at [3]string
	for i := range at {
		at[i] = listen(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			secrets[i].Store(strings.Join(append(r.Header["X-Api"], r.Header["X-Rest"]...), ","))
			_, _ = fmt.Fprintf(w, "%d %s%s", i, r.Host, r.URL.Path)
		})})
	}
	aim := func(i int, header string) edge.Aim {
		return edge.Aim{Target: pool.Target{Address: netip.MustParseAddrPort(at[i])}, Header: [][2]string{{header, header + at[i]}}}
	}
	route := func(name string, i int, match edge.Match) edge.Route {
		a := aim(i, "X-"+name)
		return edge.Route{Name: name, Match: match, Edge: edge.Config{Host: name + ".test", Pool: pool.Config{Reuse: true}, Target: a.Target, Header: a.Header}}
	}
	l := &lab{}
	l.serve(t, at[0], func(cfg *Config) {
		cfg.Edge.Host = ""
		cfg.Routes = []edge.Route{route("Api", 0, edge.Match{Path: "/api/*", Host: "www.test"}), route("Rest", 1, edge.Match{})}
	})
	ask := func(host, path string) string {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.at+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, c := range []struct{ host, path, want string }{
		{"www.test", "/api/1", "0 Api.test/api/1"},
		{"WWW.test:80", "/api/2", "0 Api.test/api/2"},
		{"other.test", "/api/1", "1 Rest.test/api/1"},
		{"www.test", "/o/1", "1 Rest.test/o/1"},
	} {
		if got := ask(c.host, c.path); got != c.want {
			t.Errorf("%s%s: %q, want %q", c.host, c.path, got, c.want)
		}
	}
	for i, want := range []string{"X-Api" + at[0], "X-Rest" + at[1]} {
		if got := secrets[i].Load(); got != want {
			t.Errorf("origin %d was sent %v, want %s", i, got, want)
		}
	}
	if err := l.proxy.Reload(Viewers{}, aim(2, "X-Api")); err == nil || !strings.Contains(err.Error(), "1 aims for 2 origins") {
		t.Errorf("one aim for two: %v", err)
	}
	if err := l.proxy.Reload(Viewers{}, aim(2, "X-Api"), aim(1, "X-Rest")); err != nil {
		t.Fatal(err)
	}
	if got := ask("www.test", "/api/3"); got != "2 Api.test/api/3" {
		t.Errorf("after the reload: %q", got)
	}
	if got := ask("www.test", "/o/3"); got != "1 Rest.test/o/3" {
		t.Errorf("after the reload: %q", got)
	}
}
