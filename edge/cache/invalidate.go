package cache

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// pass fetches what the cache does not answer, and obeys what follows for what
// is stored.
func (c *Cache) pass(ctx context.Context, req *Request, fetch Fetch) (Reply, error) {
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return Reply{Outcome: Pass}, ErrClosed
	}
	reply := Reply{Outcome: Pass, Forward: ForwardMethod}
	if c.cfg.Capacity == 0 {
		reply.Forward = ForwardBypass
	}
	defer c.count(Pass)
	sent := time.Now()
	resp, err := c.call(ctx, req, fetch)
	if err != nil {
		return reply, err
	}
	reply.Response, reply.Fetched = resp, resp.Status
	if c.cfg.Capacity == 0 || safe(req.Method) || resp.Status < 200 || resp.Status >= 400 {
		return reply, nil
	}
	c.outdate(req, resp)
	if req.Method == http.MethodPost && resp.Status == http.StatusOK {
		c.fromPost(&reply, req, sent)
	}
	return reply, nil
}

// safe methods change nothing at the origin (RFC 9110, 9.2.1).
func safe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// outdate forgets what a successful unsafe request may have changed: its own
// object, and those of the same host that the answer names (RFC 9111, 4.4).
func (c *Cache) outdate(req *Request, resp *Response) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.invalidate(keyOf(req))
	for _, name := range [...]string{"Location", "Content-Location"} {
		for _, value := range resp.Header[name] {
			if path, ok := sameHost(req, value); ok {
				c.invalidate(key{req.Tenant, req.Host, path})
			}
		}
	}
}

// sameHost resolves a reference in an answer to req, if it stays at its host.
func sameHost(req *Request, reference string) (path string, ok bool) {
	base, err := url.ParseRequestURI(req.Path)
	if err != nil {
		return "", false
	}
	target, err := base.Parse(reference)
	if err != nil || target.Host != "" && !strings.EqualFold(target.Host, req.Host) {
		return "", false
	}
	return target.RequestURI(), true
}

// invalidate forgets what is stored under k, and keeps what is on its way from
// being stored or joined. The caller holds c.mu.
func (c *Cache) invalidate(k key) bool {
	for _, f := range c.flights[k] {
		f.void = true
	}
	delete(c.flights, k)
	return c.store.removeAll(k)
}

// fromPost stores an answer to POST that says that it is what GET would get,
// and for how long (RFC 9110, 9.3.3).
func (c *Cache) fromPost(reply *Reply, req *Request, sent time.Time) {
	location := reply.Response.Header["Content-Location"]
	if len(location) != 1 {
		return
	}
	if path, ok := sameHost(req, location[0]); !ok || path != req.Path {
		return
	}
	x := &exchange{request: req, response: reply.Response, sent: sent, came: time.Now()}
	t, storable := c.cfg.judge(x)
	if !storable || t.lifetime <= t.age {
		return
	}
	fields, _ := parseVary(x.response.Header["Vary"])
	stored := *reply.Response
	stored.Header = storedHeader(stored.Header)
	keep := &keeping{key: keyOf(req), entry: newEntry(&stored, t, variantOf(fields, req.Header), x.came)}
	reply.Stored = true
	if stored.Stream == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		reply.Stored = c.commit(keep, true)
		return
	}
	in := c.intake(&stored)
	shown := *reply.Response
	shown.Stream = &solo{ReadCloser: stored.Stream, intake: in, done: func(whole bool) { c.landed(keep, in, whole) }}
	reply.Response = &shown
}
