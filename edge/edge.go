package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/wire"
)

// Config is one edge.
type Config struct {
	Pool   pool.Config
	Cache  cache.Config
	Target pool.Target
	// Host is the Host header of every origin request and part of the cache's
	// key. Required.
	Host string
	// KeepHost has [Edge.Open] ask the origin for the viewer's host instead.
	KeepHost bool
	// Header is added to every origin request, in order; a viewer's headers of
	// these names are dropped.
	Header [][2]string
	// Loop is this edge's name in CDN-Loop (RFC 8586), which is then sent to the
	// origin and looked for in what viewers send: see ErrLoop. "" does neither.
	Loop string
	// Topology is the servers, workers and pools of this point of presence.
	Topology Topology
	Seed     uint64 // of the choice of a pool
	// Parent, when set, is asked in the origin's place; this edge then needs no
	// pool. It is not closed with the edge.
	Parent  *Edge
	ageless bool         // what comes from Parent counts as new
	store   *cache.Cache // of the site that this edge is a part of, and not closed with it; nil: one of its own
	Behaviour
}

// Viewer is what a viewer asks for.
type Viewer struct {
	Method string // "" is GET
	// Host is the one that the viewer asks for: part of the cache's key, and what
	// a distribution chooses among its origins by. "" is Config.Host.
	Host   string
	Path   string
	Header http.Header // never changed
	// Scratch lends the pull its memory. Its reply is good until the
	// next pull with the same Scratch; one at a time may use it.
	Scratch *Scratch
}

// Reply is what the viewer gets. Header and Body may be shared with other
// viewers and must not be changed.
type Reply struct {
	Status  int // with an error that of Behaviour.Status, 0 where it has none
	Header  http.Header
	Body    []byte
	Outcome cache.Outcome
	Age     time.Duration // of a hit, else 0; whoever sends the reply on writes it over the Age field
	// Exchange is what this pull did at the origin; nil when it sent nothing
	// there, or when its viewer left before it was done (Stats.Pool has it).
	// It is set with an error too.
	Exchange *pool.Exchange
	// Pop is the point of presence that answered, from 0; Origin the one of
	// several origins whose the request is.
	Pop, Origin int
	// Earlier are the attempts of this pull that failed before Exchange.
	Earlier []pool.Exchange
}

// Edge is one point of presence of a simulated CDN. It is safe for concurrent
// use.
type Edge struct {
	cfg   Config
	pools []*pool.Pool // see Topology.Shares
	pulls atomic.Uint64
	aim   atomic.Pointer[aim]
	cache *cache.Cache

	passing bool         // no cache and no parent: every pull goes to the origin
	passed  atomic.Int64 // pulls that went past the cache
}

// aim is what an edge asks of its origin with.
type aim struct {
	target pool.Target
	header [][2]string
}

// New makes an edge with an empty pool and an empty cache.
func New(cfg Config) (*Edge, error) {
	if cfg.Host == "" {
		return nil, errors.New("an edge needs the host that it pulls")
	}
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("the edge's behaviour: %w", err)
	}
	cfg.Target = cfg.shape(cfg.Target)
	c := cfg.store
	if c == nil {
		var err error
		if c, err = cache.New(cfg.Cache); err != nil {
			return nil, fmt.Errorf("the edge's cache: %w", err)
		}
	}
	e := &Edge{cfg: cfg, cache: c, passing: cfg.Cache.Capacity == 0 && cfg.Parent == nil}
	e.aim.Store(&aim{cfg.Target, cfg.Header})
	e.cfg.Topology = cfg.Topology.settled()
	if err := e.cfg.Topology.validate(); err != nil {
		return nil, fmt.Errorf("the edge's topology: %w", err)
	}
	for range e.cfg.Topology.Shares() {
		p, err := pool.New(cfg.Pool)
		if err != nil {
			return nil, fmt.Errorf("the edge's pool: %w", err)
		}
		e.pools = append(e.pools, p)
	}
	return e, nil
}

// pool returns the pool for the next pull.
func (e *Edge) pool() *pool.Pool {
	if len(e.pools) == 1 {
		return e.pools[0]
	}
	return e.pools[e.cfg.Topology.pool(draw(e.cfg.Seed, e.pulls.Add(1)))]
}

// Prewarm makes Config.Pool.Prewarm connections in every pool before anybody
// asks, and returns their traces. An edge with a Parent dials no origin.
func (e *Edge) Prewarm(ctx context.Context) ([]*wire.Trace, error) {
	if e.cfg.Pool.Prewarm == 0 || e.cfg.Parent != nil {
		return nil, nil
	}
	var all []*wire.Trace
	for _, p := range e.pools {
		traces, err := p.Prewarm(ctx, &e.aim.Load().target)
		all = append(all, traces...)
		if err != nil {
			return all, fmt.Errorf("prewarming the edge's pool: %w", err)
		}
	}
	return all, nil
}

// Pull answers a viewer. The error is that of the origin pull, or the
// context's.
func (e *Edge) Pull(ctx context.Context, v Viewer) (Reply, error) {
	if v.Method == "" {
		v.Method = http.MethodGet
	}
	if err := e.cfg.barred(v.Header, e.aim.Load().target.TLS); err != nil {
		return Reply{Status: e.cfg.Status[PhaseBarred]}, fmt.Errorf("%s %s: %w", v.Method, v.Path, err)
	}
	if e.looped(v.Header) {
		return Reply{}, fmt.Errorf("%s %s: %w", v.Method, v.Path, ErrLoop)
	}
	if v.Scratch != nil && e.passing {
		return e.pass(ctx, v)
	}
	f := &fetch{edge: e}
	request := cache.Request{Method: v.Method, Host: cmp.Or(v.Host, e.cfg.Host), Path: v.Path, Header: v.Header}
	served, err := e.cache.Serve(ctx, &request, f.run)
	reply := Reply{Outcome: served.Outcome, Age: served.Age}
	reply.Exchange, reply.Earlier = f.done()
	if err != nil {
		return e.failed(ctx, &v, reply, err)
	}
	reply.Status, reply.Header, reply.Body = served.Response.Status, served.Response.Header, served.Response.Body
	return reply, nil
}

// failed is what the viewer gets of a pull that came to nothing.
func (e *Edge) failed(ctx context.Context, v *Viewer, reply Reply, err error) (Reply, error) {
	if failure, ok := errors.AsType[*Failure](err); ok && ctx.Err() == nil {
		reply.Status = e.cfg.Status[failure.Phase]
	}
	return reply, fmt.Errorf("%s %s: %w", v.Method, v.Path, err)
}

// fetch is one viewer's pull from the origin, if it comes to that. The cache
// may run it in a goroutine that outlives the call, when its viewer leaves
// while others wait for it.
type fetch struct {
	edge *Edge

	request  pool.Request
	response pool.Response

	mu       sync.Mutex
	ended    bool // there is an exchange
	exchange pool.Exchange
	earlier  []pool.Exchange
}

// done returns the exchanges that have ended: the last, and those before it.
func (f *fetch) done() (*pool.Exchange, []pool.Exchange) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		return nil, nil
	}
	return &f.exchange, slices.Clip(f.earlier)
}

func (f *fetch) run(ctx context.Context, req *cache.Request) (*cache.Response, error) {
	e := f.edge
	if e.cfg.Parent != nil {
		return f.above(ctx, e.cfg.Parent, req)
	}
	if err := f.ask(ctx, req.Method, req.Path, req.Header); err != nil {
		return nil, err
	}
	return &cache.Response{Status: f.response.Status, Header: f.response.Header, Body: slices.Clip(f.response.Body)}, nil
}

// ask asks the origin. The header is the viewer's, and what the cache has to
// ask beside it.
func (f *fetch) ask(ctx context.Context, method, path string, header http.Header) error {
	e := f.edge
	f.request = pool.Request{Method: method, Host: e.cfg.Host, Path: path, Header: e.header(header)}
	return e.try(ctx, method, f)
}

// send notes every exchange.
func (f *fetch) send(ctx context.Context, p *pool.Pool, target *pool.Target) (pool.Exchange, error) {
	exchange, err := p.Do(ctx, target, &f.request, &f.response)
	f.note(exchange)
	return exchange, err
}

// above fetches from the tier above. What that did at the origin is this
// viewer's doing.
func (f *fetch) above(ctx context.Context, parent *Edge, req *cache.Request) (*cache.Response, error) {
	reply, err := parent.Pull(ctx, Viewer{Method: req.Method, Host: req.Host, Path: req.Path, Header: req.Header})
	f.mu.Lock()
	if f.earlier = reply.Earlier; reply.Exchange != nil {
		f.exchange, f.ended = *reply.Exchange, true
	}
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	fields := reply.Header
	if e := f.edge; e.cfg.ageless {
		fields = fields.Clone()
		fields.Del("Age")
		fields.Del("Date")
	} else if reply.Age > 0 { // else an object would live once in every tier (RFC 9111, section 4.2.3)
		fields = fields.Clone()
		fields.Set("Age", strconv.FormatInt(int64(reply.Age/time.Second), 10))
	}
	return &cache.Response{Status: reply.Status, Header: fields, Body: reply.Body}, nil
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
	own := e.aim.Load().header
	if e.cfg.Loop != "" {
		return append(e.forwarded(viewer, own), [2]string{loopHeader, e.loop(viewer)})
	}
	if len(viewer) == 0 {
		return own
	}
	return e.forwarded(viewer, own)
}

// forwarded is header without the edge's name.
func (e *Edge) forwarded(viewer http.Header, own [][2]string) [][2]string {
	var dropped []string
	for _, line := range viewer.Values("Connection") {
		for name := range strings.SplitSeq(line, ",") {
			dropped = append(dropped, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	var out [][2]string
	for name, values := range viewer {
		if e.cfg.Loop != "" && name == loopHeader {
			continue
		}
		if slices.Contains(hopByHop, name) || slices.Contains(dropped, name) || sets(own, name) {
			continue
		}
		for _, value := range values {
			out = append(out, [2]string{name, value})
		}
	}
	slices.SortStableFunc(out, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return append(out, own...)
}

// sets reports whether a header is among the edge's own.
func sets(own [][2]string, name string) bool {
	return slices.ContainsFunc(own, func(h [2]string) bool { return strings.EqualFold(h[0], name) })
}

// Stats returns the counts as they stand.
func (e *Edge) Stats() Stats {
	total := Stats{Cache: e.cache.Stats()}
	total.Cache.Passes += e.passed.Load()
	for _, p := range e.pools {
		add(&total.Pool, p.Stats())
	}
	return total
}

// Close ends the edge: its connections are closed, later pulls fail.
func (e *Edge) Close() error {
	var failed []error
	for _, p := range e.pools {
		if err := p.Close(); err != nil {
			failed = append(failed, fmt.Errorf("closing the edge's pool: %w", err))
		}
	}
	if e.cfg.store == nil {
		e.cache.Close()
	}
	return errors.Join(failed...)
}
