package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// trickle is content that comes in pieces, a second apart, and ends with err.
type trickle struct {
	ctx    context.Context
	piece  []byte
	left   int
	err    error // io.EOF = whole
	closed chan struct{}
	once   sync.Once
	atEnd  func() // what happens with the end; nil = nothing
}

func newTrickle(ctx context.Context, piece string, pieces int, err error) *trickle {
	return &trickle{ctx: ctx, piece: []byte(piece), left: pieces, err: err, closed: make(chan struct{})}
}

func (s *trickle) Read(p []byte) (int, error) {
	select {
	case <-s.closed:
		return 0, errors.New("read after Close")
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	case <-time.After(time.Second):
	}
	if s.left == 0 {
		if s.atEnd != nil {
			s.atEnd()
		}
		return 0, s.err
	}
	s.left--
	return copy(p, s.piece), nil
}

func (s *trickle) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// streaming answers with pieces of content.
func streaming(pieces int, err error, lines ...string) (Fetch, *int) {
	fetches := new(int)
	var mu sync.Mutex
	return func(ctx context.Context, _ *Request) (*Response, error) {
		mu.Lock()
		defer mu.Unlock()
		*fetches++
		return &Response{Status: 200, Header: header(lines...), Stream: newTrickle(ctx, "0123456789", pieces, err)}, nil
	}, fetches
}

type heard struct {
	outcome Outcome
	content string
	err     error // of Serve, or of reading
	first   time.Duration
	all     time.Duration
}

// listen serves and reads to the end.
func listen(ctx context.Context, c *Cache, req *Request, fetch Fetch) heard {
	start := time.Now()
	reply, err := c.Serve(ctx, req, fetch)
	h := heard{outcome: reply.Outcome, err: err, first: time.Since(start)}
	if err != nil {
		return h
	}
	if reply.Response.Stream == nil {
		h.content = string(reply.Response.Body)
		return h
	}
	content, err := io.ReadAll(reply.Response.Stream)
	if closed := reply.Response.Stream.Close(); err == nil {
		err = closed
	}
	h.content, h.err, h.all = string(content), err, time.Since(start)
	return h
}

// listeners starts n viewers one after the other, apart from each other.
func listeners(t *testing.T, c *Cache, fetch Fetch, n int, apart time.Duration) []heard {
	t.Helper()
	all := make([]heard, n)
	var group sync.WaitGroup
	for i := range all {
		group.Go(func() { all[i] = listen(t.Context(), c, get(), fetch) })
		time.Sleep(apart)
	}
	group.Wait()
	synctest.Wait()
	return all
}

const ten = "0123456789"

func repeat(n int) string { return string(bytes.Repeat([]byte(ten), n)) }

func TestStreamReachesAllAsItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		fetch, fetches := streaming(3, io.EOF, "Cache-Control: max-age=60")
		want := []heard{
			{outcome: Miss, content: repeat(3), all: 4 * time.Second},
			{outcome: Collapsed, content: repeat(3), all: 2500 * time.Millisecond},
			{outcome: Collapsed, content: repeat(3), all: time.Second},
		}
		for i, got := range listeners(t, c, fetch, 3, 1500*time.Millisecond) {
			if got != want[i] {
				t.Errorf("viewer %d: %+v, want %+v", i, got, want[i])
			}
		}
		audit(t, c)
		if got := listen(t.Context(), c, get(), fetch); got.outcome != Hit || got.content != repeat(3) || *fetches != 1 {
			t.Errorf("afterwards: %+v, %d fetches", got, *fetches)
		}
	})
}

// Nothing half-received is ever stored, and everyone who got a part of it is
// told.
func TestHalfReceivedIsNotStored(t *testing.T) {
	reset := errors.New("connection reset")
	for name, c := range map[string]struct {
		err  error
		want error
		line string
	}{
		"closed early":                      {reset, reset, "X: y"},
		"closed in the middle of a chunk":   {io.ErrUnexpectedEOF, io.ErrUnexpectedEOF, "X: y"},
		"less than Content-Length":          {io.EOF, io.ErrUnexpectedEOF, "Content-Length: 31"},
		"more than Content-Length":          {io.EOF, io.ErrUnexpectedEOF, "Content-Length: 29"},
		"more than Content-Length, by much": {io.EOF, io.ErrUnexpectedEOF, "Content-Length: 1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cache := newTestCache(t, Config{Capacity: 1 << 16})
				fetch, _ := streaming(3, c.err, "Cache-Control: max-age=60", c.line)
				for i, got := range listeners(t, cache, fetch, 2, 0) {
					if !errors.Is(got.err, c.want) || got.content != repeat(3) {
						t.Errorf("viewer %d: %+v", i, got)
					}
				}
				fetch, _ = streaming(3, c.err, "Cache-Control: max-age=60, public", c.line)
				if got := listen(t.Context(), cache, get("Authorization: x"), fetch); !errors.Is(got.err, c.want) {
					t.Errorf("alone: %+v", got)
				}
				if s := cache.Stats(); s.Stored != 0 || s.Entries != 0 || s.Bytes != 0 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

// One viewer's end is not another's.
func TestViewersOfAStreamLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		fetch, fetches := streaming(5, io.EOF, "Cache-Control: max-age=60")
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		var leader, closer, stayer heard
		var group sync.WaitGroup
		group.Go(func() { leader = listen(ctx, c, get(), fetch) })
		synctest.Wait()
		group.Go(func() { stayer = listen(t.Context(), c, get(), fetch) })
		group.Go(func() {
			reply, err := c.Serve(t.Context(), get(), fetch)
			if err != nil {
				t.Error(err)
				return
			}
			closer.err = reply.Response.Stream.Close()
		})
		group.Wait()
		if !errors.Is(leader.err, context.DeadlineExceeded) || leader.content != repeat(2) {
			t.Errorf("who began it: %+v", leader)
		}
		if stayer.err != nil || stayer.content != repeat(5) || closer.err != nil || *fetches != 1 {
			t.Errorf("who stayed: %+v; who closed: %v; %d fetches", stayer, closer.err, *fetches)
		}
		if got := listen(t.Context(), c, get(), fetch); got.outcome != Hit {
			t.Errorf("afterwards: %+v", got)
		}
		audit(t, c)
	})
}

func TestStreamWithoutViewersEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		fetch, _ := streaming(1000, io.EOF, "Cache-Control: max-age=60")
		reply, err := c.Serve(t.Context(), get(), fetch)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		if err := errors.Join(reply.Response.Stream.Close(), reply.Response.Stream.Close()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if s := c.Stats(); s.Stored != 0 || s.Bytes != 0 || len(c.flying) != 0 {
			t.Errorf("stats %+v, %d flights", s, len(c.flying))
		}
	})
}

// What only one viewer may see goes to that one as it comes; the others do not
// wait for its end, nor for each other.
func TestPrivateStreamIsNotShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		fetch, fetches := streaming(3, io.EOF, "Cache-Control: private")
		for i, got := range listeners(t, c, fetch, 5, 0) {
			if got.outcome != Pass || got.content != repeat(3) || got.err != nil || got.all != 4*time.Second {
				t.Errorf("viewer %d: %+v", i, got)
			}
		}
		if *fetches != 5 || c.Stats().Stored != 0 {
			t.Errorf("%d fetches, stats %+v", *fetches, c.Stats())
		}
		time.Sleep(2 * markerLife)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		if got := listen(ctx, c, get(), fetch); got.err == nil || got.content != repeat(1) {
			t.Errorf("a viewer that left: %+v", got)
		}
	})
}

// What is too large to be kept is one fetch still, at the pace of the slowest
// viewer, one that takes nothing being given up.
func TestLargeStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 64 << 10, MaxObject: 8 << 10})
		piece := string(bytes.Repeat([]byte("x"), chunk))
		const pieces = 100
		fetches := 0
		fetch := func(ctx context.Context, _ *Request) (*Response, error) {
			fetches++
			return &Response{Status: 200, Header: header("Cache-Control: max-age=60"), Stream: newTrickle(ctx, piece, pieces, io.EOF)}, ctx.Err()
		}
		idle := make(chan error, 1)
		var group sync.WaitGroup
		group.Go(func() {
			reply, err := c.Serve(t.Context(), get(), fetch)
			if err != nil {
				t.Error(err)
				return
			}
			time.Sleep(time.Hour)
			_, err = io.Copy(io.Discard, reply.Response.Stream)
			idle <- errors.Join(err, reply.Response.Stream.Close())
		})
		synctest.Wait()
		all := listeners(t, c, fetch, 2, 0)
		for i, got := range all {
			if got.err != nil || len(got.content) != pieces*chunk || got.all < patience || got.all > 2*patience+pieces*time.Second {
				t.Errorf("viewer %d: %d bytes, %v after %s", i, len(got.content), got.err, got.all)
			}
		}
		group.Wait()
		if err := <-idle; !errors.Is(err, errStalled) {
			t.Errorf("the one that took nothing: %v", err)
		}
		if s := c.Stats(); fetches != 1 || s.Stored != 0 || s.Bytes != 0 {
			t.Errorf("%d fetches, stats %+v", fetches, s)
		}
	})
}

// A viewer that was given up still has to leave; then the fetch ends.
func TestStalledViewerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 64 << 10, MaxObject: 8 << 10})
		piece := string(bytes.Repeat([]byte("x"), chunk))
		fetch := func(ctx context.Context, _ *Request) (*Response, error) {
			return &Response{Status: 200, Header: header("Cache-Control: max-age=60"), Stream: newTrickle(ctx, piece, 1<<30, io.EOF)}, ctx.Err()
		}
		var streams []io.ReadCloser
		var group sync.WaitGroup
		var mu sync.Mutex
		for range 2 {
			group.Go(func() {
				reply, err := c.Serve(t.Context(), get(), fetch)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				streams = append(streams, reply.Response.Stream)
			})
		}
		group.Wait()
		if n, err := io.CopyN(io.Discard, streams[0], 20*chunk); err != nil {
			t.Errorf("the other one reads %d bytes: %v", n, err)
		}
		for _, s := range streams {
			if len(c.flying) != 1 {
				t.Error("the fetch has ended before its viewers left")
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		if len(c.flying) != 0 {
			t.Error("the fetch goes on without viewers")
		}
	})
}

// A header without end is as large as any other object.
func TestEndlessHeader(t *testing.T) {
	c := newTestCache(t, Config{Capacity: 1 << 20, MaxObject: 1 << 16})
	endless := ok("Cache-Control: max-age=60")
	for i := range 1000 {
		endless.Header.Add("X", strings.Repeat("x", i%100))
	}
	for range 2 {
		if reply := serve(t, c, get(), answer(endless)); reply.Outcome != Miss || reply.Stored {
			t.Errorf("%s, stored %t", reply.Outcome, reply.Stored)
		}
	}
	if s := c.Stats(); s.Bytes != 0 {
		t.Errorf("stats %+v", s)
	}
}

// Who asks while a stale answer is confirmed in the background waits for that,
// if the time for stale answers is over.
func TestBackgroundFetchIsJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		serve(t, c, get(), answer(ok("Cache-Control: max-age=1, stale-while-revalidate=1")))
		fetch, fetches := streaming(3, io.EOF, "Cache-Control: max-age=60")
		time.Sleep(1900 * time.Millisecond)
		for range 3 {
			if got := listen(t.Context(), c, get(), fetch); got.outcome != Stale {
				t.Errorf("%+v", got)
			}
		}
		time.Sleep(200 * time.Millisecond)
		if got := listen(t.Context(), c, get(), fetch); got.outcome != Collapsed || got.content != repeat(3) || *fetches != 1 {
			t.Errorf("%+v, %d fetches", got, *fetches)
		}
		// And nobody has to stay for it.
		ctx, cancel := context.WithCancel(t.Context())
		time.Sleep(61 * time.Second)
		fetch, _ = streaming(3, io.EOF, "Cache-Control: max-age=1, stale-while-revalidate=9")
		listen(t.Context(), c, get(), fetch)
		time.Sleep(2 * time.Second)
		if got := listen(ctx, c, get(), fetch); got.outcome != Stale {
			t.Errorf("%+v", got)
		}
		cancel()
		time.Sleep(5 * time.Second)
		if got := listen(t.Context(), c, get(), answer(nil)); got.outcome != Stale || got.err != nil || c.Stats().Stored != 4 {
			t.Errorf("%+v, %+v", got, c.Stats())
		}
	})
}

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

// Content on its way counts, and pushes out what is there.
func TestContentOnItsWayIsWithinCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const capacity = 1 << 15
		c := newTestCache(t, Config{Capacity: capacity})
		for _, path := range []string{"/1", "/2", "/3", "/4"} {
			small := ok("Cache-Control: max-age=6000")
			small.Body = make([]byte, capacity/5)
			serve(t, c, &Request{Method: "GET", Path: path}, answer(small))
		}
		fetch, _ := streaming(2000, io.EOF, "Cache-Control: max-age=6000")
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				if got := listen(t.Context(), c, get(), fetch); got.err != nil || got.content != repeat(2000) {
					t.Errorf("%d bytes, %v", len(got.content), got.err)
				}
			})
		}
		for range 2000 {
			time.Sleep(time.Second)
			audit(t, c)
		}
		group.Wait()
		synctest.Wait()
		if s := c.Stats(); s.Evicted < 2 || s.Stored != 5 {
			t.Errorf("stats %+v", s)
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
