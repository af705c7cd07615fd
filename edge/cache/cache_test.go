package cache

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func newTestCache(t testing.TB, cfg Config) *Cache {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// header makes a header of "Name: value" lines.
func header(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return h
}

func get(lines ...string) *Request {
	return &Request{Method: http.MethodGet, Host: "a.test", Path: "/x", Header: header(lines...)}
}

func ok(lines ...string) *Response {
	return &Response{Status: http.StatusOK, Header: header(lines...), Body: []byte("body")}
}

type fetchFunc = Fetch

func answer(r *Response) fetchFunc {
	return func(context.Context, *Request) (*Response, error) { return r, nil }
}

func serve(t *testing.T, c *Cache, req *Request, fetch fetchFunc) Reply {
	t.Helper()
	reply, err := c.Serve(t.Context(), req, fetch)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func TestWhatIsStored(t *testing.T) {
	status := func(code int) *Response { r := ok("Cache-Control: max-age=60"); r.Status = code; return r }
	fresh := ok("Cache-Control: max-age=60")
	for _, c := range []struct {
		name          string
		request       *Request
		response      *Response
		first, second Outcome
	}{
		{"max-age", get(), fresh, Miss, Hit},
		{"s-maxage", get(), ok("Cache-Control: s-maxage=60"), Miss, Hit},
		{"s-maxage over max-age=0", get(), ok("Cache-Control: max-age=0, s-maxage=60"), Miss, Hit},
		{"s-maxage=0 over max-age", get(), ok("Cache-Control: max-age=60, s-maxage=0"), Pass, Pass},
		{"nothing explicit", get(), ok(), Pass, Pass},
		{"public alone", get(), ok("Cache-Control: public"), Pass, Pass},
		{"Expires alone", get(), ok("Expires: Tue, 01 Jan 2999 00:00:00 GMT"), Miss, Hit},
		{"max-age=0", get(), ok("Cache-Control: max-age=0"), Pass, Pass},
		{"negative", get(), ok("Cache-Control: max-age=-60"), Pass, Pass},
		{"garbage", get(), ok("Cache-Control: max-age=60 s"), Pass, Pass},
		{"garbage beside", get(), ok("Cache-Control: max-age=60", "Cache-Control: ???;"), Pass, Pass},
		{"duplicate, one stale", get(), ok("Cache-Control: max-age=60", "Cache-Control: max-age=0"), Pass, Pass},
		{"no-store", get(), ok("Cache-Control: max-age=60, no-store"), Pass, Pass},
		{"private", get(), ok("Cache-Control: max-age=60, private"), Pass, Pass},
		{"private of a field", get(), ok(`Cache-Control: max-age=60, private="set-cookie"`), Miss, Hit},
		{"no-cache", get(), ok("Cache-Control: max-age=60, no-cache"), Pass, Pass},
		{"no-cache of a field", get(), ok(`Cache-Control: max-age=60, no-cache="set-cookie"`), Miss, Hit},
		{"unknown directive", get(), ok("Cache-Control: max-age=60, immutable, x=y"), Miss, Hit},
		{"Vary", get(), ok("Cache-Control: max-age=60", "Vary: Accept"), Miss, Hit},
		{"Vary of all", get(), ok("Cache-Control: max-age=60", "Vary: Accept, *"), Pass, Pass},
		{"Age below", get(), ok("Cache-Control: max-age=60", "Age: 59"), Miss, Hit},
		{"Age at the end", get(), ok("Cache-Control: max-age=60", "Age: 60"), Pass, Pass},
		{"Age too great to count", get(), ok("Cache-Control: max-age=60", "Age: 99999999999999999999"), Pass, Pass},
		{"Age a list", get(), ok("Cache-Control: max-age=60", "Age: 1, 70"), Miss, Hit},
		{"Age garbage", get(), ok("Cache-Control: max-age=60", "Age: -70"), Miss, Hit},

		{"203", get(), status(203), Miss, Hit},
		{"204", get(), status(204), Miss, Hit},
		{"206", get(), status(206), Pass, Pass},
		{"300", get(), status(300), Miss, Hit},
		{"301", get(), status(301), Miss, Hit},
		{"302", get(), status(302), Miss, Hit},
		{"304", get(), status(304), Pass, Pass},
		{"404", get(), status(404), Miss, Hit},
		{"410", get(), status(410), Miss, Hit},
		{"500", get(), status(500), Miss, Hit},

		{"credentials", get("Authorization: x"), fresh, Pass, Pass},
		{"credentials, public", get("Authorization: x"), ok("Cache-Control: max-age=60, public"), Miss, Hit},
		{"credentials, s-maxage", get("Authorization: x"), ok("Cache-Control: s-maxage=60"), Miss, Hit},
		{"credentials, must-revalidate", get("Authorization: x"), ok("Cache-Control: max-age=60, must-revalidate"), Miss, Hit},
		{"credentials, public and private", get("Authorization: x"), ok("Cache-Control: max-age=60, public, private"), Pass, Pass},
		{"credentials and a range", get("Authorization: x", "Range: bytes=9-1"), ok("Cache-Control: max-age=60, public"), Miss, Hit},
		{"range that the origin ignores", get("Range: bytes=9-1"), fresh, Miss, Hit},
		{"validation", get(`If-None-Match: "1"`), fresh, Miss, Hit},
		{"condition for the origin", get(`If-Match: "1"`), fresh, Pass, Pass},
		{"request no-store", get("Cache-Control: no-store"), fresh, Pass, Pass},
		{"request no-cache", get("Cache-Control: no-cache"), fresh, Miss, Hit},
		{"HEAD", &Request{Method: "HEAD", Host: "a.test", Path: "/x"}, fresh, Pass, Pass},
		{"POST", &Request{Method: "POST", Host: "a.test", Path: "/x"}, fresh, Pass, Pass},
		{"too large", get(), &Response{Status: 200, Header: fresh.Header, Body: make([]byte, 5000)}, Miss, Miss},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cache := newTestCache(t, Config{Capacity: 1 << 16, MaxObject: 4096})
				for i, want := range []Outcome{c.first, c.second} {
					reply := serve(t, cache, c.request, answer(c.response))
					if reply.Outcome != want || reply.Response != c.response {
						t.Errorf("request %d: %s, want %s", i+1, reply.Outcome, want)
					}
				}
			})
		})
	}
}

func TestFreshUntilItsLifetimeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		slow := func(context.Context, *Request) (*Response, error) {
			time.Sleep(2 * time.Second) // the way counts as age
			return ok("Cache-Control: max-age=60", "Age: 18"), nil
		}
		if reply := serve(t, c, get(), slow); reply.Outcome != Miss || reply.Age != 0 {
			t.Errorf("first: %s, age %s", reply.Outcome, reply.Age)
		}
		for _, step := range []struct {
			sleep, age time.Duration
			want       Outcome
		}{
			{0, 20 * time.Second, Hit},
			{39 * time.Second, 59 * time.Second, Hit},
			{time.Second - 1, 60*time.Second - 1, Hit},
			{1, 0, Miss},
			{0, 20 * time.Second, Hit},
		} {
			time.Sleep(step.sleep)
			reply := serve(t, c, get(), slow)
			if reply.Outcome != step.want || reply.Age != step.age {
				t.Errorf("after %s: %s of age %s, want %s of %s", step.sleep, reply.Outcome, reply.Age, step.want, step.age)
			}
			if got := reply.Response.Header.Get("Age"); got != "18" {
				t.Errorf("stored Age field is now %q", got)
			}
		}
	})
}

func TestKeysAreHostAndPath(t *testing.T) {
	c := newTestCache(t, Config{Capacity: 1 << 16})
	seen := map[string]bool{}
	for _, host := range []string{"a.test", "b.test", "a.test/"} {
		for _, path := range []string{"/x", "x", "/X", "/x?a=1", "/x?a=2"} {
			body := host + " " + path
			request := &Request{Method: http.MethodGet, Host: host, Path: path}
			response := &Response{Status: 200, Header: header("Cache-Control: max-age=60"), Body: []byte(body)}
			serve(t, c, request, answer(response))
			reply := serve(t, c, request, answer(nil))
			if reply.Outcome != Hit || string(reply.Response.Body) != body {
				t.Errorf("%s: %s of %q", body, reply.Outcome, reply.Response.Body)
			}
			seen[string(reply.Response.Body)] = true
		}
	}
	if len(seen) != 15 {
		t.Errorf("%d objects, want 15", len(seen))
	}
}

// An uncacheable answer takes the place of what was stored, and a cacheable
// one that of the marker.
func TestObjectsChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		private, public := ok("Cache-Control: private"), ok("Cache-Control: max-age=5")
		for i, step := range []struct {
			response *Response
			want     Outcome
		}{{public, Miss}, {private, Hit}, {private, Pass}, {public, Miss}, {private, Hit}} {
			if i == 2 {
				time.Sleep(5 * time.Second)
			}
			if reply := serve(t, c, get(), answer(step.response)); reply.Outcome != step.want {
				t.Errorf("step %d: %s, want %s", i, reply.Outcome, step.want)
			}
		}
		// Credentials say nothing of what others get: no marker.
		serve(t, c, &Request{Method: "GET", Host: "a", Path: "/", Header: header("Authorization: x")}, answer(private))
		if o := c.store.index[key{"", "a", "/"}]; o != nil {
			t.Error("an answer to credentials left a marker")
		}
	})
}

func TestOff(t *testing.T) {
	c := newTestCache(t, Config{})
	for range 2 {
		if reply := serve(t, c, get(), answer(ok("Cache-Control: max-age=60"))); reply.Outcome != Pass {
			t.Errorf("outcome %s", reply.Outcome)
		}
	}
	if got, want := c.Stats(), (Stats{Passes: 2, Fetches: 2}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

func TestErrorsAreNotStored(t *testing.T) {
	c := newTestCache(t, Config{Capacity: 1 << 16})
	refused := errors.New("refused")
	for _, request := range []*Request{get(), get("Range: bytes=0-1"), {Method: "POST"}} {
		_, err := c.Serve(t.Context(), request, func(context.Context, *Request) (*Response, error) { return ok(), refused })
		if !errors.Is(err, refused) {
			t.Errorf("%s: error %v", request.Method, err)
		}
		reply, err := c.Serve(t.Context(), request, answer(nil))
		if !errors.Is(err, errNoResponse) || reply.Response != nil {
			t.Errorf("%s without response: error %v", request.Method, err)
		}
	}
	if got, want := c.Stats(), (Stats{Misses: 2, Passes: 4, Fetches: 6}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	if reply := serve(t, c, get(), answer(ok("Cache-Control: max-age=60"))); reply.Outcome != Miss {
		t.Errorf("after errors: %s", reply.Outcome)
	}
}

func TestConfigRefusals(t *testing.T) {
	for want, cfg := range map[string]Config{"capacity -1": {Capacity: -1}, "greatest object -1": {MaxObject: -1}} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q", cfg, err, want)
		}
	}
}

func TestHitAllocatesNothing(t *testing.T) {
	for _, policy := range Policies() {
		for _, vary := range []string{"X-None", "Accept-Encoding, Accept"} {
			c := newTestCache(t, Config{Capacity: 1 << 16, Policy: policy})
			request := get("Accept-Encoding: gzip, br", "Accept: */*", "Cache-Control: max-age=0", "Authorization: x")
			fetch := answer(ok("Cache-Control: max-age=60, public", "Vary: "+vary))
			serve(t, c, request, fetch)
			ctx := t.Context()
			allocations := testing.AllocsPerRun(1000, func() {
				if reply, err := c.Serve(ctx, request, fetch); err != nil || reply.Outcome != Hit {
					t.Fatalf("%s, error %v", reply.Outcome, err)
				}
			})
			if allocations != 0 {
				t.Errorf("%s, Vary: %s: %v allocations per hit", policy, vary, allocations)
			}
		}
	}
}

// BenchmarkHit is a fresh hit among 10,000 objects: at most 300 ns and no
// allocation, as a rule that no test holds because it is a time.
func BenchmarkHit(b *testing.B) {
	for _, policy := range Policies() {
		b.Run(policy, func(b *testing.B) {
			benchmarkServe(b, Config{Capacity: 64 << 20, Policy: policy}, nil, "max-age=86400")
		})
	}
	browser := header("Accept: */*", "Accept-Encoding: gzip, br", "Accept-Language: en", "User-Agent: x", "Cookie: a=b")
	b.Run("browser", func(b *testing.B) { benchmarkServe(b, Config{Capacity: 64 << 20}, browser, "max-age=86400") })
}

// BenchmarkPass is what a cache costs that is off, or that may not store.
func BenchmarkPass(b *testing.B) {
	b.Run("off", func(b *testing.B) { benchmarkServe(b, Config{}, nil, "max-age=86400") })
	b.Run("private", func(b *testing.B) { benchmarkServe(b, Config{Capacity: 64 << 20}, nil, "private") })
}

func benchmarkServe(b *testing.B, cfg Config, h http.Header, control string) {
	c := newTestCache(b, cfg)
	fetch := answer(ok("Cache-Control: " + control))
	requests := make([]*Request, 10000)
	for i := range requests {
		requests[i] = &Request{Method: http.MethodGet, Host: "a.test", Path: fmt.Sprintf("/object/%d", i), Header: h}
		if _, err := c.Serve(b.Context(), requests[i], fetch); err != nil {
			b.Fatal(err)
		}
	}
	ctx := b.Context()
	want := c.Stats().Hits
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := c.Serve(ctx, requests[i%len(requests)], fetch); err != nil {
			b.Fatal(err)
		}
		i++
	}
	if strings.HasPrefix(b.Name(), "BenchmarkHit") {
		want += int64(i)
	}
	if got := c.Stats().Hits; got != want {
		b.Errorf("%d hits, want %d", got, want)
	}
}
