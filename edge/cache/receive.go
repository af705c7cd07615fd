package cache

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// question is what was asked of the origin, and for whom.
type question struct {
	viewer *viewer
	asked  *Request
	entry  *entry // stale, and what a 304 would confirm
	sent   time.Time
	shared bool        // others may wait for the answer
	void   func() bool // reports, under c.mu, whether an answer is outdated; nil = never
}

// arrival is what became of an answer.
type arrival struct {
	reply  Reply
	err    error
	keep   *keeping // still to be stored, when its content is whole
	shared bool     // it may answer others who asked at the same time
	// others is the response that these get: without the fields that may not be
	// stored. variant says for which requests it stands.
	others  *Response
	variant variant
}

// keeping is a response to be stored.
type keeping struct {
	key   key
	entry *entry
	void  func() bool
}

// receive takes in what the origin answered, or that it did not.
func (c *Cache) receive(q *question, resp *Response, err error) arrival {
	now := time.Now()
	v, e := q.viewer, q.entry
	if e != nil && (err != nil || failure(resp.Status)) && e.stale(now, e.ifError) && !v.asks.origin && !v.asks.ranged {
		return c.standIn(q, resp, now)
	}
	got := arrival{err: err, reply: Reply{Outcome: Pass, Forward: v.why}}
	if err != nil {
		if !v.lonely() {
			got.reply.Outcome = Miss
		}
		return got
	}
	got.reply.Response, got.reply.Fetched = resp, resp.Status
	x := &exchange{request: v.req, response: resp, sent: q.sent, came: now}
	switch {
	case e != nil && resp.Status == http.StatusNotModified && q.asked != v.req:
		return c.confirm(q, x)
	case v.req.Method == http.MethodHead:
		c.head(q, x)
		return got
	case v.asks.origin, v.asks.ranged && resp.Status != http.StatusOK && resp.Status != http.StatusPartialContent, resp.Status == http.StatusNotModified:
		return got // says nothing of the object itself
	}
	return c.admit(q, x, got)
}

func failure(status int) bool {
	switch status {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// standIn lets a stale response answer for an origin that fails (RFC 5861, 4).
func (c *Cache) standIn(q *question, resp *Response, now time.Time) arrival {
	e := q.entry
	reply := Reply{Outcome: Stale, Forward: q.viewer.why}
	if resp != nil {
		reply.Fetched = resp.Status
		if resp.Stream != nil {
			_ = resp.Stream.Close() // the answer is not used, whatever its end
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.object != nil {
		c.store.policy.touch(&e.item)
	}
	reply.Response, reply.Age, reply.Left = e.response, now.Sub(e.born), e.expires.Sub(now)
	return arrival{reply: reply, shared: true, others: e.response, variant: e.variant}
}

// confirm updates what is stored by a 304 (RFC 9111, 4.3.4).
func (c *Cache) confirm(q *question, x *exchange) arrival {
	if x.response.Stream != nil {
		_ = x.response.Stream.Close() // a 304 has no content
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := q.entry
	fresh := c.updated(e, x)
	got := arrival{reply: Reply{Response: fresh.response, Outcome: Revalidated, Forward: q.viewer.why, Fetched: x.response.Status}}
	got.reply.Age, got.reply.Left = x.came.Sub(fresh.born), fresh.expires.Sub(x.came)
	got.shared, got.others, got.variant = fresh.fresh(x.came), fresh.response, fresh.variant
	if e.object == nil || q.void != nil && q.void() {
		return got // it left in the meantime, or was purged
	}
	got.reply.Stored = true
	c.replace(q.viewer.key, fresh, got.shared)
	return got
}

// updated returns e with the header fields of x over its own, and judged anew.
func (c *Cache) updated(e *entry, x *exchange) *entry {
	header := e.response.Header.Clone()
	for name, values := range storedHeader(x.response.Header) {
		switch name {
		case "Content-Length", "Content-Encoding", "Content-Range", "Content-Type": // of the content as it is stored
		default:
			header[name] = values
		}
	}
	if _, given := x.response.Header["Age"]; !given {
		delete(header, "Age") // that of before the confirmation
	}
	response := *e.response
	response.Header = header
	judged := *x
	judged.response = &response
	t, storable := c.cfg.judge(&judged)
	if !storable {
		t.lifetime, t.noCache = 0, true
	}
	return newEntry(&response, t, e.variant, x.came)
}

func newEntry(r *Response, t terms, v variant, came time.Time) *entry {
	born := came.Add(-t.age)
	return &entry{terms: t, response: r, variant: v, born: born, expires: born.Add(t.lifetime)}
}

// replace stores what was stored before, changed. The caller holds c.mu.
func (c *Cache) replace(k key, e *entry, shareable bool) {
	if c.store.put(k, e) && shareable {
		c.store.policy.touch(&e.item)
	} else if !shareable {
		c.mark(k)
	}
}

// mark notes that the answers for k cannot be shared. The caller holds c.mu.
func (c *Cache) mark(k key) {
	if o := c.store.index[k]; o != nil && o.marker != nil {
		o.marker.expires = time.Now().Add(markerLife)
		return
	}
	c.store.put(k, &entry{expires: time.Now().Add(markerLife)})
}

// markerLife is how long viewers of an object whose answers cannot be shared do
// not wait for each other's fetches. Each such fetch renews it, or takes it
// away.
const markerLife = 2 * time.Second

// admit stores an answer that may be stored, and else notes that it may not.
// An answer to credentials leaves no such note, because it says nothing of
// what others get.
func (c *Cache) admit(q *question, x *exchange, got arrival) arrival {
	k := q.viewer.key
	t, storable := c.cfg.judge(x)
	fields, _ := parseVary(x.response.Header["Vary"])
	got.variant = variantOf(fields, x.request.Header)
	c.mu.Lock()
	defer c.mu.Unlock()
	if x.response.Status == http.StatusPartialContent && !storable {
		return got // says nothing of the whole
	}
	if !storable {
		if !failure(x.response.Status) && q.entry != nil && q.entry.object != nil {
			c.store.remove(q.entry) // outdated
		}
		if !authorized(q.viewer.req) {
			c.mark(k)
		}
		return got
	}
	stored := *x.response
	stored.Header = storedHeader(stored.Header)
	e := newEntry(&stored, t, got.variant, x.came)
	if stored.Status == http.StatusPartialContent {
		e.part, _ = parsePart(stored.Header["Content-Range"])
	}
	if len(stored.Header) == len(x.response.Header) {
		e.response = x.response // nothing had to go: one for all
	}
	got.reply.Outcome, got.reply.Left = Miss, e.expires.Sub(x.came)
	got.shared, got.others = e.fresh(x.came), e.response
	keep := &keeping{key: k, entry: e, void: q.void}
	if x.response.Stream != nil {
		got.keep, got.reply.Stored = keep, true
		return got
	}
	got.reply.Stored = c.commit(keep, got.shared)
	return got
}

// commit stores a response that is whole. The caller holds c.mu.
func (c *Cache) commit(keep *keeping, shareable bool) bool {
	e := keep.entry
	if keep.void != nil && keep.void() || !e.part.whole() && !e.part.holds(e.response) {
		return false
	}
	stored := false
	if sizeOf(keep.key, e) > c.cfg.MaxObject {
		c.store.displace(keep.key, e)
	} else if stored = c.store.put(keep.key, e); stored {
		c.stats.Stored++
	}
	if !shareable && e.part.whole() {
		c.mark(keep.key)
	}
	return stored
}

// intake is where the content of r goes that is stored when it is whole.
func (c *Cache) intake(r *Response) *intake {
	announced, _ := contentLength(r.Header)
	return &intake{cache: c, body: &body{}, announced: announced}
}

// landed stores keep if its content is whole.
func (c *Cache) landed(keep *keeping, in *intake, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	in.settle()
	if in.refused || !whole || c.closed {
		return
	}
	response := *keep.entry.response
	response.Stream = nil
	response.Body = trimmed(in.body.content)
	if response.Trailer != nil {
		trailer := response.Trailer()
		response.Trailer = func() http.Header { return trailer }
		if len(trailer) == 0 {
			response.Trailer = nil
		}
	}
	keep.entry.response = &response
	c.commit(keep, keep.entry.fresh(time.Now()))
}

// trimmed is content without much unused room behind it.
func trimmed(content []byte) []byte {
	if cap(content)-len(content) <= len(content)/16 {
		return content
	}
	return slices.Clone(content)
}

// head updates what is stored by the answer to HEAD, or removes it where that
// shows it to be another object (RFC 9111, 4.3.5).
func (c *Cache) head(q *question, x *exchange) {
	e := q.entry
	if e == nil || x.response.Status != http.StatusOK {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.object == nil {
		return
	}
	for _, name := range [...]string{"Etag", "Last-Modified", "Content-Length"} {
		new, given := x.response.Header[name]
		old, known := e.response.Header[name]
		if given && known && strings.Join(new, ",") != strings.Join(old, ",") {
			c.store.remove(e)
			return
		}
	}
	fresh := c.updated(e, x)
	c.replace(q.viewer.key, fresh, fresh.fresh(x.came))
}
