package cache

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const fetchTime = 100 * time.Millisecond

// slowly answers with response after fetchTime, or when its context ends, and
// counts.
func slowly(fetches *atomic.Int64, response *Response, err error) fetchFunc {
	return func(ctx context.Context, _ *Request) (*Response, error) {
		fetches.Add(1)
		select {
		case <-time.After(fetchTime):
			return response, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

type served struct {
	reply Reply
	err   error
	after time.Duration
}

// burst lets n viewers pull at once and returns what each got.
func burst(ctx context.Context, c *Cache, n int, fetch fetchFunc) []served {
	results := make(chan served, n)
	start := time.Now()
	for range n {
		go func() {
			reply, err := c.Serve(ctx, get(), fetch)
			results <- served{reply, err, time.Since(start)}
		}()
	}
	all := make([]served, n)
	for i := range all {
		all[i] = <-results
	}
	return all
}

func tally(all []served) (outcomes map[Outcome]int, slowest time.Duration, failed int) {
	outcomes = map[Outcome]int{}
	for _, s := range all {
		outcomes[s.reply.Outcome]++
		slowest = max(slowest, s.after)
		if s.err != nil {
			failed++
		}
	}
	return outcomes, slowest, failed
}

func TestColdBurstIsOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		var fetches atomic.Int64
		response := ok("Cache-Control: max-age=60")
		all := burst(t.Context(), c, 1000, slowly(&fetches, response, nil))
		outcomes, slowest, failed := tally(all)
		if fetches.Load() != 1 || outcomes[Miss] != 1 || outcomes[Collapsed] != 999 || failed != 0 || slowest != fetchTime {
			t.Errorf("%d fetches, outcomes %v, %d failed, slowest %s", fetches.Load(), outcomes, failed, slowest)
		}
		for _, s := range all {
			if s.reply.Response != response {
				t.Fatal("a viewer got another response")
			}
		}
		want := Stats{Fetches: 1, Misses: 1, Collapsed: 999, Stored: 1, Entries: 1, Bytes: c.store.bytes}
		if got := c.Stats(); got != want {
			t.Errorf("stats %+v, want %+v", got, want)
		}
	})
}

// Nobody queues behind anybody: the viewers of a cold uncacheable object wait
// for one fetch and then fetch together, and later ones at once.
func TestUncacheableBurstFetchesInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		for i, want := range []time.Duration{2 * fetchTime, fetchTime, fetchTime} {
			var fetches atomic.Int64
			response := ok("Cache-Control: private, max-age=60")
			outcomes, slowest, failed := tally(burst(t.Context(), c, 1000, slowly(&fetches, response, nil)))
			if fetches.Load() != 1000 || outcomes[Pass] != 1000 || failed != 0 || slowest != want {
				t.Errorf("burst %d: %d fetches, outcomes %v, %d failed, slowest %s, want %s", i+1, fetches.Load(), outcomes, failed, slowest, want)
			}
			time.Sleep(markerLife - fetchTime) // renewed by each burst
		}
		time.Sleep(fetchTime)
		var fetches atomic.Int64
		_, slowest, _ := tally(burst(t.Context(), c, 10, slowly(&fetches, ok(), nil)))
		if slowest != 2*fetchTime {
			t.Errorf("after the marker's life: slowest %s, want one to try for all first", slowest)
		}
	})
}

func TestLeaderLeavesFollowersStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		var fetches atomic.Int64
		fetch := slowly(&fetches, ok("Cache-Control: max-age=60"), nil)
		leader, cancel := context.WithTimeout(t.Context(), fetchTime/2)
		defer cancel()
		left := make(chan served, 1)
		go func() {
			start := time.Now()
			reply, err := c.Serve(leader, get(), fetch)
			left <- served{reply, err, time.Since(start)}
		}()
		synctest.Wait()
		outcomes, slowest, failed := tally(burst(t.Context(), c, 10, fetch))
		if fetches.Load() != 1 || outcomes[Collapsed] != 10 || failed != 0 || slowest != fetchTime {
			t.Errorf("followers: %d fetches, outcomes %v, %d failed, slowest %s", fetches.Load(), outcomes, failed, slowest)
		}
		if s := <-left; !errors.Is(s.err, context.DeadlineExceeded) || s.after != fetchTime/2 {
			t.Errorf("leader: error %v after %s", s.err, s.after)
		}
		if got := c.Stats(); got.Misses != 1 || got.Collapsed != 10 || got.Entries != 1 {
			t.Errorf("stats %+v", got)
		}
	})
}

func TestAllLeaveFetchStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		stopped := make(chan error, 1)
		slowToStop := func(ctx context.Context, _ *Request) (*Response, error) {
			<-ctx.Done()
			stopped <- ctx.Err()
			time.Sleep(fetchTime)
			return ok("Cache-Control: max-age=60"), nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), fetchTime)
		defer cancel()
		outcomes, slowest, failed := tally(burst(ctx, c, 10, slowToStop))
		if failed != 10 || slowest != fetchTime || outcomes[Miss] != 1 || outcomes[Collapsed] != 9 {
			t.Errorf("outcomes %v, %d failed, slowest %s", outcomes, failed, slowest)
		}
		if err := <-stopped; !errors.Is(err, context.Canceled) {
			t.Errorf("fetch's context: %v", err)
		}
		// The fetch that was given up still runs; whoever comes starts anew.
		var fetches atomic.Int64
		reply := serve(t, c, get(), slowly(&fetches, ok("Cache-Control: max-age=60"), nil))
		if reply.Outcome != Miss || fetches.Load() != 1 {
			t.Errorf("newcomer: %s, %d fetches", reply.Outcome, fetches.Load())
		}
	})
}

func TestErrorReachesAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		refused := errors.New("refused")
		var fetches atomic.Int64
		for _, s := range burst(t.Context(), c, 10, slowly(&fetches, nil, refused)) {
			if !errors.Is(s.err, refused) || s.reply.Response != nil {
				t.Errorf("error %v", s.err)
			}
		}
		if fetches.Load() != 1 || c.Stats().Entries != 0 || c.Stats().Bytes != 0 {
			t.Errorf("%d fetches, stats %+v", fetches.Load(), c.Stats())
		}
		if reply := serve(t, c, get(), slowly(&fetches, ok("Cache-Control: max-age=60"), nil)); reply.Outcome != Miss {
			t.Errorf("after the error: %s", reply.Outcome)
		}
	})
}

// Requests that are special, or carry credentials, neither wait nor are waited
// for: their answers may not be what others asked for.
func TestSpecialRequestsDoNotCollapse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		var fetches, others atomic.Int64
		done := make(chan served, 2)
		for _, line := range []string{"Range: bytes=0-0", "Authorization: x"} {
			go func() {
				reply, err := c.Serve(t.Context(), get(line), slowly(&others, ok("Cache-Control: private"), nil))
				done <- served{reply: reply, err: err}
			}()
		}
		synctest.Wait()
		outcomes, _, failed := tally(burst(t.Context(), c, 10, slowly(&fetches, ok("Cache-Control: max-age=60"), nil)))
		if fetches.Load() != 1 || outcomes[Collapsed] != 9 || failed != 0 || others.Load() != 2 {
			t.Errorf("%d + %d fetches, outcomes %v", fetches.Load(), others.Load(), outcomes)
		}
		for range 2 {
			if s := <-done; s.err != nil || s.reply.Outcome != Pass {
				t.Errorf("special: %s, error %v", s.reply.Outcome, s.err)
			}
		}
	})
}

// What is too large to be stored is still one fetch for all who ask at once.
func TestLargeObjectsCollapse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 600})
		large := ok("Cache-Control: max-age=60")
		large.Body = make([]byte, 1000)
		var fetches atomic.Int64
		outcomes, slowest, _ := tally(burst(t.Context(), c, 10, slowly(&fetches, large, nil)))
		if fetches.Load() != 1 || outcomes[Collapsed] != 9 || slowest != fetchTime || c.Stats().Entries != 0 {
			t.Errorf("%d fetches, outcomes %v, stats %+v", fetches.Load(), outcomes, c.Stats())
		}
	})
}

func TestFetchKeepsTheLeadersValues(t *testing.T) {
	type name struct{}
	c := newTestCache(t, Config{Capacity: 1 << 16})
	ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), name{}, "v"), time.Hour)
	defer cancel()
	_, err := c.Serve(ctx, get(), func(ctx context.Context, _ *Request) (*Response, error) {
		if _, limited := ctx.Deadline(); limited || ctx.Value(name{}) != "v" {
			t.Errorf("deadline %t, value %v", limited, ctx.Value(name{}))
		}
		return ok(), nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A fetch that ends its goroutine, as a failing test does, must not leave
// viewers waiting for ever.
func TestFetchThatNeverReturns(t *testing.T) {
	c := newTestCache(t, Config{Capacity: 1 << 16})
	_, err := c.Serve(t.Context(), get(), func(context.Context, *Request) (*Response, error) {
		runtime.Goexit()
		return nil, nil
	})
	if !errors.Is(err, errNoResponse) {
		t.Errorf("error %v", err)
	}
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, Config{Capacity: 1 << 16})
		var fetches, ended atomic.Int64
		fetch := slowly(&fetches, ok("Cache-Control: max-age=60"), nil)
		waiting := make(chan served, 1)
		go func() {
			reply, err := c.Serve(t.Context(), get(), func(ctx context.Context, _ *Request) (*Response, error) {
				defer ended.Add(1)
				return fetch(ctx, nil)
			})
			waiting <- served{reply: reply, err: err}
		}()
		synctest.Wait()
		start := time.Now()
		c.Close()
		if ended.Load() != 1 || time.Since(start) != 0 {
			t.Errorf("Close returned with %d of 1 fetches ended after %s", ended.Load(), time.Since(start))
		}
		if s := <-waiting; !errors.Is(s.err, ErrClosed) || !errors.Is(s.err, context.Canceled) {
			t.Errorf("who waited: error %v", s.err)
		}
		for _, method := range []string{"GET", "POST"} {
			if _, err := c.Serve(t.Context(), &Request{Method: method}, fetch); !errors.Is(err, ErrClosed) {
				t.Errorf("%s after Close: error %v", method, err)
			}
		}
		c.Close()
	})
}
