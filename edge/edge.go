package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
)

// Config is one edge.
type Config struct {
	Pool   pool.Config
	Cache  cache.Config
	Target pool.Target
	// Host is the Host header of every origin request and part of the cache's
	// key. Required.
	Host string
	// Header is added to every origin request, in order; a viewer's headers of
	// these names are dropped.
	Header [][2]string
}

// Viewer is what a viewer asks for.
type Viewer struct {
	Method string // "" is GET
	Path   string
	Header http.Header // never changed
}

// Reply is what the viewer gets. Header and Body may be shared with other
// viewers and must not be changed.
type Reply struct {
	Status  int
	Header  http.Header
	Body    []byte
	Outcome cache.Outcome
	// Exchange is what this pull did at the origin; nil when it sent nothing
	// there, or when its viewer left before it was done (Stats.Pool has it).
	// It is set with an error too.
	Exchange *pool.Exchange
}

// Stats counts since the edge was made.
type Stats struct {
	Pool  pool.Stats  `json:"pool"`
	Cache cache.Stats `json:"cache"`
}

// Edge is a simulated CDN edge. It is safe for concurrent use.
type Edge struct {
	cfg   Config
	pool  *pool.Pool
	cache *cache.Cache
}

// New makes an edge with an empty pool and an empty cache.
func New(cfg Config) (*Edge, error) {
	if cfg.Host == "" {
		return nil, errors.New("an edge needs the host that it pulls")
	}
	c, err := cache.New(cfg.Cache)
	if err != nil {
		return nil, fmt.Errorf("the edge's cache: %w", err)
	}
	p, err := pool.New(cfg.Pool)
	if err != nil {
		return nil, fmt.Errorf("the edge's pool: %w", err)
	}
	return &Edge{cfg: cfg, pool: p, cache: c}, nil
}

// Pull answers a viewer. The error is that of the origin pull, or the
// context's.
func (e *Edge) Pull(ctx context.Context, v Viewer) (Reply, error) {
	if v.Method == "" {
		v.Method = http.MethodGet
	}
	f := &fetch{edge: e, viewer: v}
	request := cache.Request{Method: v.Method, Host: e.cfg.Host, Path: v.Path, Header: v.Header}
	served, err := e.cache.Serve(ctx, &request, f.run)
	reply := Reply{Outcome: served.Outcome, Exchange: f.done()}
	if err != nil {
		return reply, fmt.Errorf("%s %s: %w", v.Method, v.Path, err)
	}
	reply.Status, reply.Header, reply.Body = served.Response.Status, served.Response.Header, served.Response.Body
	return reply, nil
}

// fetch is one viewer's pull from the origin, if it comes to that. The cache
// may run it in a goroutine that outlives the call, when its viewer leaves
// while others wait for it.
type fetch struct {
	edge   *Edge
	viewer Viewer

	mu       sync.Mutex
	exchange *pool.Exchange
}

// done returns the exchange, if it has ended.
func (f *fetch) done() *pool.Exchange {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.exchange
}

func (f *fetch) run(ctx context.Context, req *cache.Request) (*cache.Response, error) {
	e := f.edge
	request := pool.Request{
		Method: f.viewer.Method, Host: e.cfg.Host, Path: f.viewer.Path, Header: e.header(req.Header),
	}
	// A response of its own for every pull: what the cache takes it keeps.
	var response pool.Response
	exchange, err := e.pool.Do(ctx, &e.cfg.Target, &request, &response)
	f.mu.Lock()
	f.exchange = &exchange
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return &cache.Response{Status: response.Status, Header: response.Header, Body: slices.Clip(response.Body)}, nil
}

// hopByHop are the viewer's headers that end at the edge (RFC 9110, section
// 7.6.1), and those that the pool writes itself.
var hopByHop = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"Host", "Content-Length",
}

// header is what goes to the origin: the viewer's end-to-end headers, then
// the edge's own. A viewer's Connection header cannot remove the latter,
// because they are set after it was obeyed.
func (e *Edge) header(viewer http.Header) [][2]string {
	if len(viewer) == 0 {
		return e.cfg.Header
	}
	var dropped []string
	for _, line := range viewer.Values("Connection") {
		for name := range strings.SplitSeq(line, ",") {
			dropped = append(dropped, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	var out [][2]string
	for name, values := range viewer {
		if slices.Contains(hopByHop, name) || slices.Contains(dropped, name) || e.sets(name) {
			continue
		}
		for _, value := range values {
			out = append(out, [2]string{name, value})
		}
	}
	slices.SortStableFunc(out, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return append(out, e.cfg.Header...)
}

// sets reports whether the edge sets this header itself.
func (e *Edge) sets(name string) bool {
	return slices.ContainsFunc(e.cfg.Header, func(h [2]string) bool { return strings.EqualFold(h[0], name) })
}

// Stats returns the counts as they stand.
func (e *Edge) Stats() Stats {
	return Stats{Pool: e.pool.Stats(), Cache: e.cache.Stats()}
}

// Close ends the edge: its connections are closed, later pulls fail.
func (e *Edge) Close() error {
	err := e.pool.Close()
	e.cache.Close()
	if err != nil {
		return fmt.Errorf("closing the edge's pool: %w", err)
	}
	return nil
}
