package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
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
