package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

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
