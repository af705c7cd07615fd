package cache

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

var soak = flag.Duration("soak", 0, "how long TestSoak goes on, at least one round (make cache-soak)")

// heap is what is in use after a collection.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestChargedBytesAreTheMemory fills caches with small objects, of which the
// bookkeeping is the greatest part: what they charge must be what they take.
func TestChargedBytesAreTheMemory(t *testing.T) {
	for _, policy := range Policies() {
		for _, fields := range []int{2, 8, 12} {
			before := heap()
			c := newTestCache(t, Config{Capacity: 1 << 40, Policy: policy})
			for i := range 4000 {
				response := &Response{Status: 200, Header: make(http.Header), Body: make([]byte, 100)}
				response.Header["Cache-Control"] = []string{strings.Clone("max-age=60000")}
				for f := 1; f < fields; f++ {
					response.Header[fmt.Sprintf("X-%d", f)] = []string{fmt.Sprintf("value %d of %d", f, i)}
				}
				serve(t, c, &Request{Method: "GET", Host: "a.test", Path: fmt.Sprintf("/object/%d", i)}, answer(response))
			}
			used, charged := heap()-before, c.Stats().Bytes
			t.Logf("%s, %d fields: %d bytes used, %d charged, %.2f", policy, fields, used, charged, float64(used)/float64(charged))
			if used > charged*11/10 {
				t.Errorf("%s, %d fields: %d bytes used, %d charged", policy, fields, used, charged)
			}
			runtime.KeepAlive(c)
		}
	}
}

// soaker is a cache under random viewers, with an origin whose objects are
// four times what it can hold.
type soaker struct {
	*testing.T
	cache *Cache
	paths int
}

const (
	soakCapacity = 8 << 20
	soakMean     = 8 << 10 // bytes of an object
)

// TestSoak: hits, misses, purges, unsafe requests, broken and lying origins,
// viewers that leave. Every byte that a viewer gets is the right one, the
// bound holds at every moment, and the memory is what the bound says.
func TestSoak(t *testing.T) {
	began := time.Now()
	for round := uint64(0); round == 0 || time.Since(began) < *soak; round++ {
		before := heap()
		policy := Policies()[int(round)%len(Policies())]
		if round == 0 {
			policy = "s3fifo"
		}
		c, err := New(Config{Capacity: soakCapacity, Policy: policy, StaleIfError: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		s := &soaker{T: t, cache: c, paths: 4 * soakCapacity / soakMean}
		rounds := 1
		if *soak > 0 {
			rounds = 5
		}
		for range rounds {
			s.round(round)
			s.check(policy, before)
		}
		c.Close()
	}
}

func (s *soaker) round(seed uint64) {
	const viewers, requests = 8, 1500
	var group sync.WaitGroup
	for viewer := range uint64(viewers) {
		group.Go(func() {
			random := rand.New(rand.NewPCG(seed, viewer))
			for i := range requests {
				s.viewer(random)
				if i%100 == 0 {
					if b := s.cache.Stats().Bytes; b > soakCapacity {
						s.Errorf("%d bytes in a cache of %d", b, soakCapacity)
					}
				}
			}
		})
	}
	group.Wait()
}

func (s *soaker) check(policy string, before int64) {
	s.cache.mu.Lock()
	flying := len(s.cache.flying)
	s.cache.mu.Unlock()
	audit(s.T, s.cache)
	used, stats := heap()-before, s.cache.Stats()
	s.Logf("%s: %+v, %d bytes used, %.3f of the bound, %d flights", policy, stats, used, float64(used)/soakCapacity, flying)
	if used > soakCapacity*11/10 {
		s.Errorf("%s: %d bytes are used, the bound is %d", policy, used, soakCapacity)
	}
	if stats.Bytes < soakCapacity*8/10 || stats.Evicted == 0 || stats.Hits == 0 {
		s.Errorf("%s: the cache is not at its bound: %+v", policy, stats)
	}
}

// size is the size of an object, from the hash of its path.
func (s *soaker) size(number int) int { return (number*7919)%(2*soakMean) + 1 }

func (s *soaker) viewer(random *rand.Rand) {
	number := int(float64(s.paths) * random.Float64() * random.Float64())
	req := &Request{Method: "GET", Host: "a.test", Path: fmt.Sprintf("/%d", number), Header: http.Header{}}
	switch random.IntN(100) {
	case 0:
		s.cache.Purge(req)
		return
	case 1:
		req.Method = "POST"
	case 2:
		req.Method = "HEAD"
	case 3, 4:
		req.Header["Range"] = []string{"bytes=0-99"}
	case 5, 6:
		req.Header["Accept"] = []string{"b"}
	case 7:
		req.Header["Authorization"] = []string{"x"}
	}
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	dice := random.Uint64()
	if dice%17 == 0 {
		stop := time.AfterFunc(time.Duration(random.IntN(200))*time.Microsecond, cancel)
		defer stop.Stop()
	}
	reply, err := s.cache.Serve(ctx, req, func(_ context.Context, up *Request) (*Response, error) {
		return s.origin(up, number, dice)
	})
	if err != nil {
		if !errors.Is(err, errBroken) && !errors.Is(err, context.Canceled) {
			s.Errorf("%s %s: %v", req.Method, req.Path, err)
		}
		return
	}
	s.read(req, reply, number, dice%19 == 0)
}

// origin answers, at times privately, not at all, or with less than it says.
func (s *soaker) origin(req *Request, number int, dice uint64) (*Response, error) {
	size := s.size(number)
	variant := "a"
	if req.Header.Get("Accept") == "b" {
		variant = "b"
	}
	tag := fmt.Sprintf(`"%d%s"`, number, variant)
	r := &Response{Status: 200, Header: http.Header{"Cache-Control": {"max-age=600"}, "Etag": {tag}, "Vary": {"Accept"}}}
	if req.Header.Get("If-None-Match") == tag && dice%3 != 0 {
		r.Status = http.StatusNotModified
		return r, nil
	}
	body := bytes.Repeat([]byte{variant[0] + byte(number%13)}, size)
	switch dice >> 8 % 16 {
	case 0:
		return nil, errBroken
	case 1:
		r.Header["Cache-Control"] = []string{"private"}
	case 2:
		r.Header["Cache-Control"] = []string{"max-age=0, stale-while-revalidate=600"}
	case 9, 10:
		r.Header["Cache-Control"] = []string{"no-cache"}
		r.Body = body
		return r, nil
	case 3:
		r.Stream = io.NopCloser(io.MultiReader(bytes.NewReader(body[:size/2]), broken{}))
		return r, nil
	case 4:
		r.Header["Content-Length"] = []string{fmt.Sprint(size + 1)}
		r.Stream = io.NopCloser(bytes.NewReader(body))
		return r, nil
	case 5, 6, 7, 8:
		r.Body = body
		return r, nil
	}
	r.Stream = io.NopCloser(bytes.NewReader(body))
	return r, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

// read compares what a viewer gets with what it should be.
func (s *soaker) read(req *Request, reply Reply, number int, leave bool) {
	content := reply.Response.Body
	if stream := reply.Response.Stream; stream != nil {
		if leave {
			if err := stream.Close(); err != nil {
				s.Error(err)
			}
			return
		}
		var err error
		content, err = io.ReadAll(stream)
		if closed := stream.Close(); closed != nil {
			s.Error(closed)
		}
		if err != nil {
			if reply.Outcome == Hit || !errors.Is(err, errBroken) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, context.Canceled) {
				s.Errorf("%s of %s: %v", reply.Outcome, req.Path, err)
			}
			return
		}
	}
	want := byte('a')
	if req.Header.Get("Accept") == "b" {
		want = 'b'
	}
	want += byte(number % 13)
	if bytes.Count(content, []byte{want}) != len(content) {
		s.Errorf("%s of %s: another object's content", reply.Outcome, req.Path)
	}
	length := s.size(number)
	switch {
	case req.Method == "HEAD" && reply.fromStore():
		length = 0
	case reply.Response.Status == http.StatusPartialContent:
		length = min(length, 100)
	case reply.Response.Status == http.StatusNotModified:
		length = 0
	}
	if len(content) != length {
		s.Errorf("%s of %s %s (%d): %d bytes instead of %d", reply.Outcome, req.Method, req.Path, reply.Response.Status, len(content), length)
	}
}
