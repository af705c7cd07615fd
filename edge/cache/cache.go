package cache

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// markerLife is how long viewers of an object that turned out uncacheable do
// not wait for each other's fetches. Each such fetch renews it, or stores the
// object if that has become cacheable.
const markerLife = 2 * time.Second

// ErrClosed is returned by Serve once the cache is closed, and by fetches that
// Close cut short.
var ErrClosed = errors.New("cache is closed")

// errNoResponse is a fetch that kept its promise neither way.
var errNoResponse = errors.New("fetch ended with neither response nor error")

// Config bounds a cache. The zero Config is a cache that is off: every request
// passes.
type Config struct {
	Capacity  int64 // bytes of keys, headers, bodies and bookkeeping; 0 = off
	MaxObject int64 // greatest object stored, in bytes charged; 0 = Capacity
}

// Request is what the cache reads of a viewer's request. Header keys are in
// canonical form.
type Request struct {
	Method, Host, Path string
	Header             http.Header
}

// Response is an answer of the origin. Header keys are in canonical form. Once
// a fetch has returned it nobody may change it, the fetch's caller included.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Outcome says where a reply came from.
type Outcome string

// The outcomes. Fetches started = misses + passes, exactly.
const (
	Hit       Outcome = "hit"       // stored and fresh
	Miss      Outcome = "miss"      // fetched, and cacheable; or the fetch failed
	Collapsed Outcome = "collapsed" // fetched by another viewer at the same time
	Pass      Outcome = "pass"      // fetched for this viewer alone
)

// Reply is what Serve answers.
type Reply struct {
	Response *Response // nil with an error; shared, so never to be changed
	Outcome  Outcome   // also set with an error
	// Age is that of a hit, else 0. Whoever sends the response on writes it in
	// whole seconds over the Age field, which still has the upstream value.
	Age time.Duration
}

// Stats counts since New; Entries and Bytes are of now. Each call of Serve is
// counted once, so Hits + Misses + Collapsed + Passes is the number of calls
// that ended, those refused with ErrClosed apart.
type Stats struct {
	Hits, Misses, Collapsed, Passes int64
	Stored, Evicted                 int64 // objects put in, and pushed out for want of room
	Entries                         int64 // objects
	Bytes                           int64 // never above Config.Capacity
}

// Cache is a shared cache in memory. Its methods are safe for concurrent use.
type Cache struct {
	cfg Config

	mu      sync.Mutex
	store   *store
	flights map[key]*flight
	stats   Stats // without what the store counts
	closed  bool
	running sync.WaitGroup // of the flights
}

// New returns an empty cache. The error names the field of cfg that is wrong.
func New(cfg Config) (*Cache, error) {
	if cfg.Capacity < 0 {
		return nil, fmt.Errorf("cache: capacity %d is negative: use 0 to turn the cache off", cfg.Capacity)
	}
	if cfg.MaxObject < 0 {
		return nil, fmt.Errorf("cache: greatest object %d is negative: use 0 for no limit but the capacity", cfg.MaxObject)
	}
	if cfg.MaxObject == 0 {
		cfg.MaxObject = cfg.Capacity
	}
	return &Cache{cfg: cfg, store: newStore(cfg.Capacity), flights: make(map[key]*flight)}, nil
}

// Serve answers req from the cache, or else by fetch.
//
// A plain GET that finds nothing fresh shares one fetch with all others for
// the same object. That fetch runs on with the values of the context of the
// viewer who began it, but without its deadline or cancellation: it is
// cancelled when every viewer has left, or on Close. It may therefore outlive
// the call that passed it. An error reaches everyone who waits and is not
// stored. An answer that may not be stored is for the beginner alone; the
// others then fetch for themselves, all at once.
//
// Any other request is fetched for its viewer alone, under ctx. The only
// errors beside fetch's own are ctx's and ErrClosed.
func (c *Cache) Serve(ctx context.Context, req *Request, fetch func(context.Context) (*Response, error)) (Reply, error) {
	if c.cfg.Capacity == 0 || req.Method != http.MethodGet {
		return c.pass(ctx, fetch)
	}
	k, now := key{req.Host, req.Path}, time.Now()
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return Reply{Outcome: Pass}, ErrClosed
	}
	e := c.store.get(k, now)
	if e != nil && e.response != nil {
		c.stats.Hits++
		reply := Reply{Response: e.response, Outcome: Hit, Age: now.Sub(e.born)}
		c.mu.Unlock()
		return reply, nil
	}
	marked := e != nil
	if marked || authorized(req) || special(req) {
		c.mu.Unlock()
		return c.alone(ctx, req, fetch)
	}
	f, following := c.flights[k]
	if !following {
		f = c.launch(ctx, k, fetch)
	}
	f.viewers++
	c.mu.Unlock()
	if following {
		return c.follow(ctx, f, req, fetch)
	}
	return c.lead(ctx, f)
}

// pass fetches what the cache has no business with.
func (c *Cache) pass(ctx context.Context, fetch func(context.Context) (*Response, error)) (Reply, error) {
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return Reply{Outcome: Pass}, ErrClosed
	}
	defer c.count(Pass)
	resp, err := call(ctx, fetch)
	return Reply{Response: resp, Outcome: Pass}, err
}

// alone fetches for one viewer and stores what may be stored.
func (c *Cache) alone(ctx context.Context, req *Request, fetch func(context.Context) (*Response, error)) (Reply, error) {
	reply := Reply{Outcome: Pass}
	defer func() { c.count(reply.Outcome) }()
	start := time.Now()
	resp, err := call(ctx, fetch)
	if err != nil {
		return reply, err
	}
	reply.Response = resp
	if special(req) {
		return reply, nil
	}
	k := key{req.Host, req.Path}
	if c.keep(k, resp, kept{start: start, credentials: authorized(req)}) {
		reply.Outcome = Miss
	}
	return reply, nil
}

func call(ctx context.Context, fetch func(context.Context) (*Response, error)) (*Response, error) {
	resp, err := fetch(ctx)
	if err != nil {
		return nil, err
	}
	if resp == nil {
		return nil, errNoResponse
	}
	return resp, nil
}

// kept is how a response was come by.
type kept struct {
	start       time.Time // when its fetch began
	credentials bool      // its request carried some
}

// keep stores resp if it may be stored, and else a marker that it may not. It
// reports whether it may: then it may also be shared, even if it is too large
// to be stored. An answer to credentials leaves no marker, because it says
// nothing of what others get.
func (c *Cache) keep(k key, resp *Response, how kept) bool {
	now := time.Now()
	age := initialAge(resp, now.Sub(how.start))
	left := lifetime(resp, how.credentials) - age
	c.mu.Lock()
	defer c.mu.Unlock()
	if left <= 0 {
		if !how.credentials {
			c.store.put(&entry{key: k, expires: now.Add(markerLife)})
		}
		return false
	}
	e := &entry{key: k, response: resp, born: now.Add(-age), expires: now.Add(left)}
	if sizeOf(e) > c.cfg.MaxObject {
		c.store.delete(k)
		return true
	}
	if c.store.put(e) {
		c.stats.Stored++
	}
	return true
}

func (c *Cache) count(o Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch o {
	case Hit:
		c.stats.Hits++
	case Miss:
		c.stats.Misses++
	case Collapsed:
		c.stats.Collapsed++
	case Pass:
		c.stats.Passes++
	}
}

// Stats returns the counts so far.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats := c.stats
	stats.Evicted, stats.Entries, stats.Bytes = c.store.evicted, int64(c.store.objects), c.store.bytes
	return stats
}

// Close cancels the shared fetches and waits until they have ended. Fetches
// for one viewer end by that viewer's context. Closing twice is harmless.
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed = true
	for _, f := range c.flights {
		f.cancel(ErrClosed)
	}
	c.mu.Unlock()
	c.running.Wait()
}
