package cache

import (
	"net/http"
	"strings"
	"time"
)

// authorized reports whether req carries credentials: its answer is stored
// only if that says so (RFC 9111, 3.5).
func authorized(req *Request) bool {
	_, present := req.Header["Authorization"]
	return present
}

// special reports whether req asks for something else than the object as it
// is, or for no trace of it: such an answer is never stored or shared.
func special(req *Request) bool {
	for _, field := range [...]string{"Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		if _, present := req.Header[field]; present {
			return true
		}
	}
	return parseCacheControl(req.Header["Cache-Control"]).noStore
}

// lifetime returns how long resp is fresh from its generation on, and 0 when
// it may not be stored (RFC 9111, 3).
func lifetime(resp *Response, credentials bool) time.Duration {
	switch resp.Status {
	case http.StatusOK, http.StatusNonAuthoritativeInfo, http.StatusNoContent, http.StatusMultipleChoices,
		http.StatusMovedPermanently, http.StatusNotFound, http.StatusGone:
	default:
		return 0
	}
	if _, varies := resp.Header["Vary"]; varies {
		return 0
	}
	d := parseCacheControl(resp.Header["Cache-Control"])
	if d.malformed || d.noStore || d.noCache || d.private {
		return 0
	}
	if credentials && !d.public && !d.mustRevalidate && d.sMaxAge < 0 {
		return 0
	}
	if d.sMaxAge >= 0 {
		return d.sMaxAge
	}
	return max(d.maxAge, 0)
}

// initialAge is resp's age when it arrived, for a fetch that took delay: the
// age that it had upstream and the way here (RFC 9111, 4.2.3). Of an Age list
// the first member counts, and one that is no number does not (5.1).
func initialAge(resp *Response, delay time.Duration) time.Duration {
	values := resp.Header["Age"]
	if len(values) == 0 {
		return delay
	}
	first, _, _ := strings.Cut(values[0], ",")
	age, ok := parseDelta(strings.Trim(first, " \t"))
	if !ok {
		return delay
	}
	return age + delay
}
