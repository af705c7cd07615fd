package cache

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Fields that may not be stored are not for those who joined either.
func TestFieldsThatMayNotBeStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		fetch, _ := streaming(3, io.EOF, `Cache-Control: max-age=60, private="Set-Cookie"`, "Set-Cookie: a=b", "Keep-Alive: 1", "Te: x", "B: 2")
		for _, want := range []Outcome{Miss, Collapsed, Hit} {
			reply, err := c.Serve(t.Context(), get(), fetch)
			if err != nil || reply.Outcome != want {
				t.Fatalf("%s: %v, want %s", reply.Outcome, err, want)
			}
			h := reply.Response.Header
			if h.Get("B") != "2" || (h.Get("Set-Cookie") != "") != (want == Miss) {
				t.Errorf("%s: %v", want, h)
			}
			if want != Miss && (h.Get("Keep-Alive") != "" || h.Get("Te") != "") {
				t.Errorf("%s has fields of another connection: %v", want, h)
			}
			if want == Collapsed {
				time.Sleep(5 * time.Second)
			}
		}
	})
}

// Who only asks whether something changed does not keep it out of the cache.
func TestConditionalViewerFillsTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		fetch, fetches := streaming(3, io.EOF, "Cache-Control: max-age=60", `Etag: "1"`)
		reply, err := c.Serve(t.Context(), get(`If-None-Match: "1"`), fetch)
		if err != nil || reply.Response.Status != 304 || reply.Response.Stream != nil {
			t.Fatalf("%+v, %v", reply, err)
		}
		time.Sleep(5 * time.Second)
		if got := listen(t.Context(), c, get(), fetch); got.outcome != Hit || got.content != repeat(3) || *fetches != 1 {
			t.Errorf("%+v, %d fetches", got, *fetches)
		}
	})
}

func TestPurgeAndOutdatedStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		serve(t, c, get(), answer(ok("Cache-Control: max-age=60", "Vary: A")))
		serve(t, c, get("A: 1"), answer(ok("Cache-Control: max-age=60", "Vary: A")))
		if first, second := c.Purge(get()), c.Purge(get()); !first || second || c.Stats().Entries != 0 {
			t.Errorf("purged %t, then %t; stats %+v", first, second, c.Stats())
		}
		fetch, _ := streaming(3, io.EOF, "Cache-Control: max-age=60")
		var group sync.WaitGroup
		group.Go(func() {
			if got := listen(t.Context(), c, get(), fetch); got.err != nil || got.content != repeat(3) {
				t.Errorf("who reads: %+v", got)
			}
		})
		synctest.Wait()
		c.Purge(get())
		if got := listen(t.Context(), c, get(), answer(ok("Cache-Control: private"))); got.outcome != Pass {
			t.Errorf("joined what is outdated: %+v", got)
		}
		group.Wait()
		if s := c.Stats(); s.Entries != 0 {
			t.Errorf("what was outdated is stored: %+v", s)
		}
	})
}

func TestCloseEndsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		fetch, _ := streaming(1000, io.EOF, "Cache-Control: max-age=60")
		ended := make(chan heard, 1)
		go func() { ended <- listen(t.Context(), c, get(), fetch) }()
		time.Sleep(1500 * time.Millisecond)
		c.Close()
		if got := <-ended; !errors.Is(got.err, ErrClosed) || got.content != ten {
			t.Errorf("%+v", got)
		}
	})
}

// Trailer fields come after the content, from the origin and from the store.
func TestTrailers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		for _, want := range []Outcome{Miss, Hit} {
			trailer := http.Header{}
			reply, err := c.Serve(t.Context(), get(), func(ctx context.Context, _ *Request) (*Response, error) {
				stream := newTrickle(ctx, ten, 1, io.EOF)
				stream.atEnd = func() { trailer["Digest"] = []string{"x"} }
				return &Response{
					Status: 200, Header: header("Cache-Control: max-age=60"),
					Stream: stream, Trailer: func() http.Header { return trailer },
				}, nil
			})
			if err != nil || reply.Outcome != want {
				t.Fatalf("%s, %v", reply.Outcome, err)
			}
			if s := reply.Response.Stream; s != nil {
				if _, err := io.Copy(io.Discard, s); err != nil || s.Close() != nil {
					t.Error(err)
				}
			}
			if got := reply.Response.Trailer().Get("Digest"); got != "x" {
				t.Errorf("%s: trailer %q", want, got)
			}
			synctest.Wait()
		}
	})
}

// A cold burst for two variants ends in one fetch for each, though nobody knew
// beforehand that there are two.
func TestBurstOfVariants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		var mu sync.Mutex
		fetches := 0
		fetch := func(ctx context.Context, req *Request) (*Response, error) {
			mu.Lock()
			fetches++
			mu.Unlock()
			time.Sleep(time.Second)
			return with(ok("Cache-Control: max-age=60", "Vary: A"), 200, req.Header.Get("A")), ctx.Err()
		}
		var group sync.WaitGroup
		for i := range 20 {
			value := string(rune('a' + i%2))
			group.Go(func() {
				if got := listen(t.Context(), c, get("A: "+value), fetch); got.err != nil || got.content != value {
					t.Errorf("viewer of %s: %+v", value, got)
				}
			})
		}
		group.Wait()
		if fetches != 2 {
			t.Errorf("%d fetches", fetches)
		}
	})
}

// Tenants and hosts share nothing, however alike their requests are.
func TestTenantsAndHostsAreApart(t *testing.T) {
	c := newTestCache(t, Config{Capacity: 1 << 20})
	keys := []Request{}
	for _, tenant := range []string{"", "a", "ab"} {
		for _, host := range []string{"", "b", "bc", "a.test"} {
			for _, path := range []string{"", "/", "c/", "/x"} {
				keys = append(keys, Request{Tenant: tenant, Host: host, Path: path, Method: "GET"})
			}
		}
	}
	for i := range keys {
		body := with(ok("Cache-Control: max-age=60"), 200, string(rune('A'+i)))
		if reply := serve(t, c, &keys[i], answer(body)); reply.Outcome != Miss {
			t.Errorf("%+v: %s", keys[i], reply.Outcome)
		}
	}
	for i := range keys {
		reply := serve(t, c, &keys[i], answer(nil))
		if reply.Outcome != Hit || string(reply.Response.Body) != string(rune('A'+i)) {
			t.Errorf("%+v: %s of %s", keys[i], reply.Outcome, reply.Response.Body)
		}
	}
	if !c.Purge(&keys[0]) || c.Stats().Entries != int64(len(keys)-1) {
		t.Errorf("one purge: %+v", c.Stats())
	}
}
