package cache

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/dunglas/httpsfv"
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
	copyStoredForm(h, r.Response.Header)
	if r.fromStore() {
		h["Age"] = []string{strconv.FormatInt(int64(r.Age/time.Second), 10)}
	}
	if name != "" {
		if line, err := httpsfv.Marshal(r.status(name)); err == nil {
			h["Cache-Status"] = append(slices.Clip(h["Cache-Status"]), line)
		}
	}
}

func (r *Reply) fromStore() bool {
	return r.Outcome == Hit || r.Outcome == Revalidated || r.Outcome == Stale
}

func (r *Reply) status(name string) httpsfv.Item {
	item := httpsfv.NewItem(httpsfv.Token(name))
	if r.Forward == "" { // a stale answer too, if the origin is asked later
		item.Params.Add("hit", true)
	} else {
		item.Params.Add("fwd", httpsfv.Token(r.Forward))
	}
	if r.Fetched != 0 {
		item.Params.Add("fwd-status", int64(r.Fetched))
	}
	if r.fromStore() || r.Stored {
		item.Params.Add("ttl", int64(r.Left/time.Second))
	}
	if r.Stored && r.Outcome != Collapsed {
		item.Params.Add("stored", true)
	}
	if r.Outcome == Collapsed {
		item.Params.Add("collapsed", true)
	}
	return item
}

// copyStoredForm copies h without the fields of the hop.
func copyStoredForm(out, h http.Header) {
	for name, values := range h {
		out[name] = values
	}
	for _, value := range h["Connection"] {
		for _, name := range httpNames(value) {
			delete(out, name)
		}
	}
	for _, name := range hopByHop {
		delete(out, name)
	}
}
