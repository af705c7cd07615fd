package cache

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Forward says why a request was forwarded, in the words of Cache-Status (RFC
// 9211, 2.2).
type Forward string

// The reasons.
const (
	ForwardBypass  Forward = "bypass"    // the cache is off, or told not to handle it
	ForwardMethod  Forward = "method"    // the method's semantics
	ForwardMiss    Forward = "uri-miss"  // nothing stored for the key
	ForwardVary    Forward = "vary-miss" // something stored, for other requests
	ForwardRequest Forward = "request"   // fresh, but the request wants the origin's word
	ForwardStale   Forward = "stale"     // stored and stale
)

// Reply is what Serve answers.
type Reply struct {
	Response *Response // nil with an error; shared, so never to be changed
	Outcome  Outcome   // also set with an error
	// Age is that of what was stored, 0 for what was just fetched.
	Age time.Duration
	// Left is how long the response is fresh still; negative when it is stale.
	// Of a response that was not stored it says nothing.
	Left time.Duration

	Forward Forward // "" for what never left the cache
	Fetched int     // status that the origin answered; 0 = it was not asked, or failed
	Stored  bool    // the origin's answer was stored, or will be when it is whole
}

// Header returns the header to send to the viewer: that of the response, Age
// where it came from the store (RFC 9111, 5.1), and a line of Cache-Status by
// the name of the cache, a token (RFC 9211); with an empty name none. The
// fields of the hop are left out.
func (r *Reply) Header(name string) http.Header {
	h := make(http.Header, len(r.Response.Header)+2)
	r.CopyHeader(h, name)
	return h
}

// CopyHeader adds to h, which is empty, what Header returns. The values are
// shared and must not be changed.
func (r *Reply) CopyHeader(h http.Header, name string) {
	for field, values := range r.Response.Header {
		h[field] = values
	}
	if !r.fromStore() {
		dropHop(h) // what is stored has none
	}
	own := make([]string, 0, 2) // one allocation for both
	if r.fromStore() {
		own = append(own, strconv.FormatInt(int64(r.Age/time.Second), 10))
		h["Age"] = own[:1:1]
	}
	if name != "" {
		line := r.status(name)
		if others := h["Cache-Status"]; len(others) > 0 {
			h["Cache-Status"] = append(slices.Clip(others), line)
			return
		}
		own = append(own, line)
		h["Cache-Status"] = own[len(own)-1:]
	}
}

func (r *Reply) fromStore() bool {
	return r.Outcome == Hit || r.Outcome == Revalidated || r.Outcome == Stale
}

// status is the member of Cache-Status (RFC 9211, 2). Its parameters are
// tokens, integers and truths, so that there is nothing to escape.
func (r *Reply) status(name string) string {
	b := make([]byte, 0, len(name)+64)
	b = append(b, name...)
	if r.Forward == "" { // a stale answer too, if the origin is asked later
		b = append(b, ";hit"...)
	} else {
		b = append(append(b, ";fwd="...), r.Forward...)
	}
	if r.Fetched != 0 {
		b = strconv.AppendInt(append(b, ";fwd-status="...), int64(r.Fetched), 10)
	}
	if r.fromStore() || r.Stored {
		b = strconv.AppendInt(append(b, ";ttl="...), int64(r.Left/time.Second), 10)
	}
	if r.Stored && r.Outcome != Collapsed {
		b = append(b, ";stored"...)
	}
	if r.Outcome == Collapsed {
		b = append(b, ";collapsed"...)
	}
	return string(b)
}

// dropHop takes the fields of the hop off h.
func dropHop(h http.Header) {
	for _, value := range h["Connection"] {
		for _, name := range httpNames(value) {
			delete(h, name)
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}
