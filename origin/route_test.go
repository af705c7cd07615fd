package origin

import (
	"strings"
	"testing"
)

// TestObjectsElsewhere: below Config.Route, and nowhere else. What is not there
// is counted, and what is refused.
func TestObjectsElsewhere(t *testing.T) {
	l := newLab(t)
	cfg := l.config(policy(t, Header))
	cfg.Route = "/api/v1.0/"
	r := l.start(cfg)
	for path, status := range map[string]int{"/api/v1.0/k": 200, "/o/k": 404, "/api/k": 404, "/api/v1x0/k": 404} {
		c := l.legitimate()
		c.request = "GET " + path
		if o, _ := r.call(c); o.status != status {
			t.Errorf("%s: %+v", path, o)
		}
	}
	r.call(caller{})
	r.stop()
	if got := r.server.Counts(); got.Requests != 5 || got.Missing != 3 || got.Denied != 1 {
		t.Errorf("%+v", got)
	}
}

func TestServersHaveObjectsElsewhere(t *testing.T) {
	everyServer(t, func(t *testing.T, d Driver) {
		b := newLab(t).bench(d, func(s *Setup) { s.Config.Route = "/api/v1.0/" })
		for _, plain := range []bool{false, true} {
			if got := b.pull(pull{path: "/api/v1.0/k", plain: plain}); !got.served() || len(got.body) != 1000 {
				t.Errorf("plain %v: %v, status %d:\n%s", plain, got.err, got.status, got.head)
			}
			for _, path := range []string{"/o/k", "/api/v1x0/k", "/api/k"} {
				if got := b.pull(pull{path: path, plain: plain}); got.status != 404 && (!plain || got.status != 403) { // Apache's baseline forbids the rest
					t.Errorf("plain %v: %s: %v, status %d", plain, path, got.err, got.status)
				}
			}
		}
	})
}

func TestWrongRoutesAreRefused(t *testing.T) {
	l := newLab(t)
	for _, route := range []string{"/", "api/", "/api", "//", "/../", "/.a/", "/a b/", "/a\"/", "/a*/", "/a;/"} {
		cfg := l.config(policy(t))
		cfg.Route = route
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "objects cannot be below") {
			t.Errorf("%q: %v", route, err)
		}
	}
}

// TestCountsAddUp: every field of them.
func TestCountsAddUp(t *testing.T) {
	a := Counts{Accepted: 1, Refused: 2, Full: 3, Requests: 4, HandshakeSent: 5}
	if got, want := a.Plus(Counts{Accepted: 10, Denied: 7, HandshakeSent: 20}), (Counts{Accepted: 11, Refused: 2, Full: 3, Requests: 4, Denied: 7, HandshakeSent: 25}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
