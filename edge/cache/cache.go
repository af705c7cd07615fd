package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// ErrClosed is returned by Serve once the cache is closed, and by fetches that
// Close cut short.
var ErrClosed = errors.New("cache is closed")

// errNoResponse is a fetch that kept its promise neither way.
var errNoResponse = errors.New("fetch ended with neither response nor error")

// Config is a cache. The zero Config is a cache that is off: every request
// passes.
type Config struct {
	// Capacity is the bound in bytes, of keys, headers, bodies, bookkeeping,
	// and content on its way into the cache; 0 = off.
	Capacity  int64
	MaxObject int64  // greatest object stored, in bytes charged; 0 = Capacity
	Policy    string // one of Policies(); "" = DefaultPolicy

	// Heuristic is the part of the time since Last-Modified for which a
	// response without a word on freshness is fresh, at most a day (RFC 9111,
	// 4.2.2); 0 = never, 0.1 is usual.
	Heuristic float64
	// Negative is how long a 404, 405, 410, 414, 500, 501, 502, 503 or 504
	// without a word on freshness is fresh; 0 = not.
	Negative time.Duration
	// StaleIfError is how long past its freshness a response stands in for an
	// origin that fails (no answer, 500, 502, 503, 504), where it does not say
	// so itself nor forbids it; 0 = not.
	StaleIfError time.Duration
	// ViewerControl obeys a viewer's Cache-Control (no-cache, max-age,
	// max-stale, min-fresh, only-if-cached) and Pragma: with it any viewer can
	// make the edge ask the origin. no-store is obeyed in any case.
	ViewerControl bool
}

// Request is what the cache reads of a viewer's request. Header keys are in
// canonical form. Nobody may change it until its fetch has ended, which may be
// after Serve has.
type Request struct {
	Tenant             string // whose objects these are; part of the key
	Method, Host, Path string // Path with its query, byte by byte
	Header             http.Header
}

// Response is an answer of the origin. Header keys are in canonical form. Once
// a fetch has returned it nobody may change it, the fetch's caller included.
type Response struct {
	Status int
	Header http.Header
	Body   []byte // the content, if Stream is nil
	// Stream is content still to come. Whoever gets the response reads and
	// closes it; closing it early gives the rest up. An error but io.EOF says
	// that the content is not whole.
	Stream io.ReadCloser
	// Trailer returns the trailer fields once the content is at its end; nil =
	// there are none.
	Trailer func() http.Header
}

// Fetch asks the origin. The request is the viewer's, but with validators of
// the cache where it has something to validate. A fetch returns as soon as it
// has the header, and its context lasts until the content is at its end or
// closed. Interim responses (1xx) are its own affair.
type Fetch func(ctx context.Context, req *Request) (*Response, error)

// Outcome says where a reply came from.
type Outcome string

// The outcomes.
const (
	Hit         Outcome = "hit"         // stored and fresh
	Miss        Outcome = "miss"        // fetched, and cacheable; or the fetch failed
	Collapsed   Outcome = "collapsed"   // fetched by another viewer at the same time
	Revalidated Outcome = "revalidated" // stored, and confirmed by the origin
	Stale       Outcome = "stale"       // stored and stale: while revalidating, or because the origin failed
	Pass        Outcome = "pass"        // fetched for this viewer alone
)

// Stats counts since New; Entries and Bytes are of now. Each call of Serve is
// counted once, so that the outcomes sum up to the calls that ended, those
// refused with ErrClosed apart.
type Stats struct {
	Hits, Misses, Collapsed, Revalidated, Stale, Passes int64

	Fetches         int64 // asked of the origin, those in the background included
	Stored, Evicted int64 // objects put in, and pushed out for want of room
	Entries         int64 // objects
	Bytes           int64 // with what is on its way; never above Config.Capacity
}

// Cache is a shared cache in memory. Its methods are safe for concurrent use.
type Cache struct {
	cfg Config

	mu      sync.Mutex
	store   *store
	flights map[key][]*flight // that can be joined
	flying  map[*flight]struct{}
	stats   Stats // without what the store counts
	closed  bool
	running sync.WaitGroup // of the flights
}

// New returns an empty cache. The error names the fields of cfg that are
// wrong.
func New(cfg Config) (*Cache, error) {
	var wrong []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Errorf("cache: "+format, args...))
		}
	}
	refuse(cfg.Capacity < 0, "capacity %d is negative: use 0 to turn the cache off", cfg.Capacity)
	refuse(cfg.MaxObject < 0, "greatest object %d is negative: use 0 for no limit but the capacity", cfg.MaxObject)
	refuse(!(cfg.Heuristic >= 0), "heuristic %g is no share: use 0 to turn it off, 0.1 for the usual", cfg.Heuristic)
	refuse(cfg.Negative < 0, "negative caching for %s: use 0 to turn it off", cfg.Negative)
	refuse(cfg.StaleIfError < 0, "stale-if-error of %s: use 0 to turn it off", cfg.StaleIfError)
	if cfg.MaxObject == 0 {
		cfg.MaxObject = cfg.Capacity
	}
	s, err := newStore(cfg.Capacity, cfg.Policy)
	if err != nil {
		wrong = append(wrong, fmt.Errorf("cache: %w", err))
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return &Cache{cfg: cfg, store: s, flights: make(map[key][]*flight), flying: make(map[*flight]struct{})}, nil
}

// Purge forgets all that is stored under the key of req, in every variant, and
// what is on its way there. It reports whether there was a response.
func (c *Cache) Purge(req *Request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.invalidate(keyOf(req))
}

func keyOf(req *Request) key { return key{req.Tenant, req.Host, req.Path} }

func (c *Cache) count(o Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counted(o)
}

// counted counts a call; the caller holds c.mu.
func (c *Cache) counted(o Outcome) {
	switch o {
	case Hit:
		c.stats.Hits++
	case Miss:
		c.stats.Misses++
	case Collapsed:
		c.stats.Collapsed++
	case Revalidated:
		c.stats.Revalidated++
	case Stale:
		c.stats.Stale++
	case Pass:
		c.stats.Passes++
	}
}

// Stats returns the counts so far.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats := c.stats
	stats.Evicted, stats.Entries = c.store.evicted, int64(c.store.objects)
	stats.Bytes = c.store.bytes + c.store.coming
	return stats
}

// Close cancels the shared fetches and waits until they have ended. Fetches
// for one viewer end by that viewer's context. Closing twice is harmless.
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed = true
	for f := range c.flying {
		f.cancel(ErrClosed)
	}
	c.mu.Unlock()
	c.running.Wait()
}
