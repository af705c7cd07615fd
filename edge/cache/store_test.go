package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestLeastRecentlyUsedLeavesFirst(t *testing.T) {
	one := sizeOf(key{"", "a.test", "/0"}, &entry{response: ok("Cache-Control: max-age=60")})
	c := newTestCache(t, Config{Capacity: 3 * one})
	pull := func(path string) Outcome {
		request := &Request{Method: http.MethodGet, Host: "a.test", Path: path}
		return serve(t, c, request, answer(ok("Cache-Control: max-age=60"))).Outcome
	}
	for i, step := range []struct {
		path string
		want Outcome
	}{
		{"/0", Miss},
		{"/1", Miss},
		{"/2", Miss},
		{"/0", Hit},  // now /1 is the oldest
		{"/3", Miss}, // pushes /1
		{"/0", Hit},
		{"/2", Hit},
		{"/3", Hit},
		{"/1", Miss}, // pushes /0
		{"/2", Hit},
		{"/3", Hit},
		{"/1", Hit},
		{"/0", Miss}, // pushes /2
		{"/2", Miss}, // pushes /3
	} {
		if got := pull(step.path); got != step.want {
			t.Errorf("step %d, %s: %s, want %s", i, step.path, got, step.want)
		}
	}
	want := Stats{Hits: 7, Misses: 7, Fetches: 7, Stored: 7, Evicted: 4, Entries: 3, Bytes: 3 * one}
	if got := c.Stats(); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

func TestSizeCountsEverything(t *testing.T) {
	body := make([]byte, 10, 100)
	trailer := header("T: 12")
	e := &entry{
		response: &Response{Header: header("Ab: 123", "Ab: 4", "C: "), Body: body, Trailer: func() http.Header { return trailer }},
		variant:  variantOf([]string{"Vv"}, header("Vv: v, w")),
	}
	want := int64(entryCost + len("t") + len("host") + len("/path") + len("Ab") + len("C") + 2*fieldCost + 3*lineCost + len("1234") + 100 +
		fieldCost + len("Vv") + len("v, w") + len("v,w") + fieldCost + lineCost + len("T") + len("12"))
	if got := sizeOf(key{"t", "host", "/path"}, e); got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
}

// audit walks the store and compares what it finds with what is counted.
func audit(t *testing.T, c *Cache) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.store
	var bytes int64
	objects := 0
	count := func(k key, e *entry) {
		bytes += sizeOf(k, e)
		if e.object != s.index[k] || e.entry != e {
			t.Fatalf("an entry of %v belongs elsewhere", k)
		}
	}
	for k, o := range s.index {
		objects += len(o.entries)
		for _, e := range o.entries {
			count(k, e)
		}
		if o.marker != nil {
			count(k, o.marker)
		}
		if len(o.entries) == 0 && o.marker == nil {
			t.Fatalf("nothing is known of %v", k)
		}
	}
	if bytes != s.bytes || objects != s.objects {
		t.Fatalf("found %d bytes, %d objects; counted %d, %d", bytes, objects, s.bytes, s.objects)
	}
	if bytes+s.coming > c.cfg.Capacity || s.coming < 0 {
		t.Fatalf("%d bytes and %d on the way in a cache of %d", bytes, s.coming, c.cfg.Capacity)
	}
}

// TestBytesStayWithinCapacity does random things and looks after each.
func TestBytesStayWithinCapacity(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			c := newTestCache(t, Config{Capacity: 1 + random.Int64N(20_000), MaxObject: random.Int64N(6_000)})
			for range 2000 {
				serve(t, c, randomRequest(random), answer(randomResponse(random)))
				audit(t, c)
				time.Sleep(time.Duration(random.Int64N(int64(time.Second))))
			}
			stats := c.Stats()
			if calls := stats.Hits + stats.Misses + stats.Collapsed + stats.Passes; calls != 2000 {
				t.Errorf("seed %d: %d calls counted, want 2000", seed, calls)
			}
		})
	}
}

func randomRequest(random *rand.Rand) *Request {
	request := &Request{Method: http.MethodGet, Host: "a.test", Path: fmt.Sprintf("/%0*d", 1+random.IntN(200), random.IntN(30)), Header: http.Header{}}
	switch random.IntN(10) {
	case 0:
		request.Header.Set("Authorization", "x")
	case 1:
		request.Header.Set("Range", "bytes=0-1")
	case 2:
		request.Method = http.MethodPost
	}
	return request
}

func randomResponse(random *rand.Rand) *Response {
	directives := []string{"max-age=5", "max-age=60, public", "s-maxage=1", "private", "max-age=0", ""}
	response := ok("Cache-Control: " + directives[random.IntN(len(directives))])
	response.Body = make([]byte, random.IntN(4000), 4000)
	for i := range random.IntN(10) {
		response.Header.Add("X", fmt.Sprint(i))
	}
	return response
}

// The bound and the counts also hold while viewers come and go at once.
func TestBytesStayWithinCapacityAtOnce(t *testing.T) {
	c := newTestCache(t, Config{Capacity: 10_000})
	const viewers, pulls = 8, 300
	var group sync.WaitGroup
	for viewer := range uint64(viewers) {
		group.Go(func() {
			random := rand.New(rand.NewPCG(viewer, 2))
			for range pulls {
				ctx, cancel := context.WithCancel(t.Context())
				if random.IntN(4) == 0 {
					cancel()
				}
				response := randomResponse(random)
				reply, err := c.Serve(ctx, randomRequest(random), answer(response))
				if (err == nil) != (reply.Response != nil) {
					t.Errorf("response %v with error %v", reply.Response, err)
				}
				cancel()
				audit(t, c)
			}
		})
	}
	group.Wait()
	stats := c.Stats()
	if calls := stats.Hits + stats.Misses + stats.Collapsed + stats.Passes; calls != viewers*pulls {
		t.Errorf("%d calls counted, want %d", calls, viewers*pulls)
	}
}
