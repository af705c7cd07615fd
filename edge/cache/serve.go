package cache

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// Serve answers req from the cache, or else by fetch.
//
// A GET that finds nothing fresh shares one fetch with all others for the same
// object. That fetch runs on with the values of the context of the viewer who
// began it, but without its deadline or cancellation: it is cancelled when
// every viewer has left, or on Close. It may therefore outlive the call that
// passed it. An error reaches everyone who waits and is not stored. An answer
// that may not be shared is for the beginner alone; the others then fetch for
// themselves, all at once.
//
// Any other request is fetched for its viewer alone, under ctx. The only
// errors beside fetch's own are ctx's and ErrClosed. Who gets a response with
// a Stream must close that.
func (c *Cache) Serve(ctx context.Context, req *Request, fetch Fetch) (Reply, error) {
	if c.cfg.Capacity == 0 || req.Method != http.MethodGet && req.Method != http.MethodHead {
		return c.pass(ctx, req, fetch)
	}
	a := readAsks(req.Header)
	k, now := keyOf(req), time.Now()
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return Reply{Outcome: Pass}, ErrClosed
	}
	o := c.store.index[k]
	e := o.find(req.Header)
	if e != nil && e.fresh(now) && !a.origin && (!a.control || c.cfg.content(req.Header, e, now)) {
		c.store.policy.touch(&e.item)
		c.stats.Hits++
		reply := Reply{Response: e.response, Outcome: Hit, Age: now.Sub(e.born), Left: e.expires.Sub(now)}
		c.mu.Unlock()
		if a.validation || a.ranged || req.Method == http.MethodHead {
			reply.Response = suited(reply.Response, req, a)
		}
		return reply, nil
	}
	if a.ranged && !a.origin && !a.validation {
		usable := func(e *entry) bool { return e.fresh(now) && (!a.control || c.cfg.content(req.Header, e, now)) }
		if e, r := o.findPart(req, usable); e != nil {
			c.store.policy.touch(&e.item)
			c.stats.Hits++
			reply := Reply{Response: r, Outcome: Hit, Age: now.Sub(e.born), Left: e.expires.Sub(now)}
			c.mu.Unlock()
			return reply, nil
		}
	}
	v := &viewer{ctx: ctx, req: req, fetch: fetch, asks: a, key: k}
	return c.forward(v, o, e, now)
}

// viewer is one call of Serve that the store could not answer at once.
type viewer struct {
	ctx   context.Context
	req   *Request
	fetch Fetch
	asks  asks
	key   key
	why   Forward
	// varies are fields by which an answer that this viewer waited for
	// differed; tries counts these.
	varies []string
	tries  int
}

// forward answers by the origin, or by a stale response while that is asked.
// The caller holds c.mu, which forward releases.
func (c *Cache) forward(v *viewer, o *object, e *entry, now time.Time) (Reply, error) {
	v.why = reason(o, e, now)
	control := unsaid
	if v.asks.control && c.cfg.ViewerControl {
		control = viewerControl(v.req.Header)
	}
	if e != nil && !e.noCache && !v.asks.origin {
		if control.maxStale > 0 && e.stale(now, control.maxStale) {
			return c.serveStale(v, e, now), nil
		}
		if e.stale(now, e.whileRevalidate) && !now.Before(e.expires) && !control.noCache && control.maxAge < 0 {
			c.refresh(v, e, o)
			return c.serveStale(v, e, now), nil
		}
	}
	if control.onlyIfCached {
		c.counted(Pass)
		c.mu.Unlock()
		return Reply{Response: &Response{Status: http.StatusGatewayTimeout, Header: http.Header{}}, Outcome: Pass}, nil
	}
	if v.lonely() || v.tries > 1 || o.marked(now) {
		c.mu.Unlock()
		return c.alone(v, e)
	}
	f := c.flight(v, now)
	following := f != nil
	if !following {
		f = c.launch(v, o, e)
	}
	f.viewers++
	c.mu.Unlock()
	if following {
		return c.follow(v, f)
	}
	return c.lead(v, f)
}

// lonely reports whether a request neither waits nor is waited for: its answer
// may not be what others asked for.
func (v *viewer) lonely() bool {
	return v.asks.origin || v.asks.ranged || v.req.Method != http.MethodGet || authorized(v.req) ||
		v.asks.control && requestForbids(v.req.Header)
}

func reason(o *object, e *entry, now time.Time) Forward {
	switch {
	case o == nil || len(o.entries) == 0:
		return ForwardMiss
	case e == nil:
		return ForwardVary
	case e.fresh(now):
		return ForwardRequest
	}
	return ForwardStale
}

// serveStale answers by what is stale. The caller holds c.mu, which is
// released.
func (c *Cache) serveStale(v *viewer, e *entry, now time.Time) Reply {
	c.store.policy.touch(&e.item)
	c.counted(Stale)
	reply := Reply{Response: e.response, Outcome: Stale, Age: now.Sub(e.born), Left: e.expires.Sub(now)}
	c.mu.Unlock()
	reply.Response = suited(reply.Response, v.req, v.asks)
	return reply
}

// content reports whether a viewer who says something about caching is content
// with a fresh e (RFC 9111, 5.2.1).
func (c *Config) content(header http.Header, e *entry, now time.Time) bool {
	if !c.ViewerControl {
		return true
	}
	d := viewerControl(header)
	return !d.noCache && !d.noStore && (d.maxAge < 0 || now.Sub(e.born) <= d.maxAge) && (d.minFresh < 0 || e.expires.Sub(now) >= d.minFresh)
}

// viewerControl reads Cache-Control and, only without that, Pragma (RFC 9111,
// 5.4).
func viewerControl(header http.Header) directives {
	if values, present := header["Cache-Control"]; present {
		return parseCacheControl(values)
	}
	d := unsaid
	d.noCache = parseCacheControl(header["Pragma"]).noCache
	return d
}

// upstream is what is asked of the origin: where there is something to
// validate, with its validators in the place of the viewer's conditions (RFC
// 9111, 4.3.1); else, for an answer that others share, without conditions.
func upstream(v *viewer, e *entry, shared bool) *Request {
	validate := e != nil && !v.asks.origin && !v.asks.ranged && v.req.Method == http.MethodGet && hasValidator(e.response.Header)
	if !validate && (!shared || !v.asks.validation) {
		return v.req
	}
	req := *v.req
	req.Header = v.req.Header.Clone()
	if req.Header == nil {
		req.Header = make(http.Header, 2)
	}
	delete(req.Header, "If-None-Match")
	delete(req.Header, "If-Modified-Since")
	if validate {
		if tag := e.response.Header["Etag"]; len(tag) == 1 {
			req.Header["If-None-Match"] = slices.Clip(tag)
		}
		if date := e.response.Header["Last-Modified"]; len(date) == 1 {
			req.Header["If-Modified-Since"] = slices.Clip(date)
		}
	}
	return &req
}

// ask asks the origin what q is about. A 304 that is about another response
// than the one that was to be validated is no answer: then the whole is asked
// for.
func (c *Cache) ask(ctx context.Context, q *question) (*Response, error) {
	q.asked, q.sent = upstream(q.viewer, q.entry, q.shared), time.Now()
	resp, err := c.call(ctx, q.asked, q.viewer.fetch)
	if err != nil || q.asked == q.viewer.req || q.entry == nil || resp.Status != http.StatusNotModified {
		return resp, err
	}
	said, known := resp.Header["Etag"], q.entry.response.Header["Etag"]
	if len(said) != 1 || len(known) != 1 || anyTag(said, known[0]) {
		return resp, nil
	}
	if resp.Stream != nil {
		_ = resp.Stream.Close() // a 304 has no content
	}
	c.mu.Lock()
	c.store.remove(q.entry)
	c.mu.Unlock()
	q.entry = nil
	q.asked, q.sent = upstream(q.viewer, nil, q.shared), time.Now()
	return c.call(ctx, q.asked, q.viewer.fetch)
}

// call asks the origin.
func (c *Cache) call(ctx context.Context, req *Request, fetch Fetch) (*Response, error) {
	c.mu.Lock()
	c.stats.Fetches++
	c.mu.Unlock()
	resp, err := fetch(ctx, req)
	if err != nil {
		return nil, err
	}
	if resp == nil {
		return nil, errNoResponse
	}
	return resp, nil
}

// alone fetches for one viewer, and stores what may be stored.
func (c *Cache) alone(v *viewer, e *entry) (Reply, error) {
	q := &question{viewer: v, entry: e}
	resp, err := c.ask(v.ctx, q)
	got := c.receive(q, resp, err)
	c.count(got.reply.Outcome)
	if got.err != nil {
		return got.reply, got.err
	}
	if r := got.reply.Response; got.keep != nil && r.Stream != nil {
		in := c.intake(r)
		keep := got.keep
		stream := &solo{ReadCloser: r.Stream, intake: in, done: func(whole bool) { c.landed(keep, in, whole) }}
		shown := *r
		shown.Stream = stream
		got.reply.Response = &shown
	}
	return c.finish(v, got.reply, nil), nil
}

// finish makes of what came what this viewer asked for. Who only wanted to
// know whether it changed does not keep content that f brings from the store.
func (c *Cache) finish(v *viewer, reply Reply, f *flight) Reply {
	r := reply.Response
	if v.req.Method == http.MethodHead && !reply.fromStore() || v.req.Method == http.MethodGet && !v.asks.validation && !v.asks.ranged {
		return reply // the origin's own answer, or the object as it is
	}
	reply.Response = suited(r, v.req, v.asks)
	if r.Stream != nil && reply.Response != r {
		if f != nil && f.body != nil {
			c.mu.Lock()
			f.quiet = true
			c.mu.Unlock()
		}
		_ = r.Stream.Close() // nobody wants the content; how it ends is of no interest
	}
	return reply
}
