package cache

import (
	"net/http"
	"strings"
	"time"
)

// terms are what a stored response may be used for, and how long.
type terms struct {
	lifetime time.Duration // from its generation on
	age      time.Duration // when it arrived
	noCache  bool          // every use needs the origin's word
	strict   bool          // never to be used stale (RFC 9111, 4.2.4)

	whileRevalidate, ifError time.Duration // how long past freshness; 0 = not
}

// exchange is a response and how it was come by.
type exchange struct {
	request    *Request // the viewer's, whose Vary fields count
	response   *Response
	sent, came time.Time
}

// judge says whether a shared cache may store the response of x, on which
// terms, and without which fields (RFC 9111, 3). Nothing is stored that could
// neither be used once nor be validated.
func (c *Config) judge(x *exchange) (t terms, storable bool) {
	h := x.response.Header
	d, targeted := responseDirectives(h)
	if !understood(x.response.Status, &d) || d.malformed || d.private || d.noStore && !d.mustUnderstand {
		return t, false
	}
	if requestForbids(x.request.Header) || authorized(x.request) && !d.public && !d.mustRevalidate && d.sMaxAge < 0 {
		return t, false
	}
	if _, all := parseVary(h["Vary"]); all {
		return t, false
	}
	t.age = initialAge(x)
	lifetime, explicit := c.lifetime(x, &d, targeted)
	t.lifetime = lifetime
	if !explicit && !heuristic(x.response.Status) && !d.public {
		return t, false
	}
	t.noCache = d.noCache
	t.strict = d.mustRevalidate || d.proxyRevalidate || d.noCache || d.sMaxAge >= 0
	if !t.strict {
		t.whileRevalidate = max(d.whileRevalidate, 0)
		t.ifError = max(d.ifError, 0)
		if d.ifError < 0 {
			t.ifError = c.StaleIfError
		}
	}
	_, partial := parsePart(h["Content-Range"])
	if x.response.Status == http.StatusPartialContent && (!partial || t.noCache || !explicit) {
		return t, false // nothing validates a part
	}
	useful := t.lifetime > t.age && !t.noCache || t.whileRevalidate > 0 || hasValidator(h)
	return t, useful && whole(x.response)
}

// understood: an answer to a validation is never stored as an object; of a status with must-understand the rules must be known
// (RFC 9111, 5.2.2.3).
func understood(status int, d *directives) bool {
	if status < 200 || status == http.StatusNotModified {
		return false
	}
	return !d.mustUnderstand || http.StatusText(status) != ""
}

// heuristic reports whether a status may be stored without an explicit word
// on freshness (RFC 9110, 15.1).
func heuristic(status int) bool {
	switch status {
	case http.StatusOK, http.StatusNonAuthoritativeInfo, http.StatusNoContent, http.StatusMultipleChoices,
		http.StatusMovedPermanently, http.StatusPermanentRedirect, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusGone, http.StatusRequestURITooLong, http.StatusNotImplemented:
		return true
	}
	return false
}

// negative reports whether Config.Negative is about a status.
func negative(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone, http.StatusRequestURITooLong,
		http.StatusInternalServerError, http.StatusNotImplemented, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

func requestForbids(header http.Header) bool {
	values, present := header["Cache-Control"]
	return present && parseCacheControl(values).noStore
}

// authorized reports whether req carries credentials: its answer is stored
// only if that says so (RFC 9111, 3.5).
func authorized(req *Request) bool {
	_, present := req.Header["Authorization"]
	return present
}

func hasValidator(h http.Header) bool { return len(h["Etag"]) == 1 || len(h["Last-Modified"]) == 1 }

// lifetime is how long a response is fresh from its generation on (RFC 9111,
// 4.2.1), and whether it says so itself.
func (c *Config) lifetime(x *exchange, d *directives, targeted bool) (time.Duration, bool) {
	switch {
	case d.sMaxAge >= 0:
		return d.sMaxAge, true
	case d.maxAge >= 0:
		return d.maxAge, true
	}
	h := x.response.Header
	date, dated := onlyDate(h["Date"], x.came)
	if !dated {
		date = x.came
	}
	if expires, present := h["Expires"]; present && !targeted {
		at, ok := onlyDate(expires, x.came)
		if !ok {
			return 0, true // in the past, whatever it says (RFC 9111, 5.3)
		}
		return min(max(at.Sub(date), 0), maxDelta), true
	}
	if negative(x.response.Status) && c.Negative > 0 {
		return c.Negative, true
	}
	if c.Heuristic > 0 && (heuristic(x.response.Status) || d.public) {
		if modified, ok := onlyDate(h["Last-Modified"], x.came); ok {
			fresh := time.Duration(float64(max(date.Sub(modified), 0)) * c.Heuristic)
			return min(fresh, maxHeuristic), false
		}
	}
	return 0, false
}

// maxHeuristic is a day: beyond, RFC 9111 (4.2.2) once asked for a warning.
const maxHeuristic = 24 * time.Hour

// initialAge is how old a response was when it came: by its date, or by the
// age that it had upstream and the way here, whatever is more (RFC 9111,
// 4.2.3). Dates are whole seconds, so that the time of arrival counts as one
// too. Of an Age list the first member counts, and one that is no number does
// not (5.1).
func initialAge(x *exchange) time.Duration {
	age := x.came.Sub(x.sent)
	h := x.response.Header
	if values := h["Age"]; len(values) > 0 {
		first, _, _ := strings.Cut(values[0], ",")
		if said, ok := parseDelta(strings.Trim(first, " \t")); ok {
			age += said
		}
	}
	if date, ok := onlyDate(h["Date"], x.came); ok {
		age = max(age, time.Unix(x.came.Unix(), 0).Sub(date))
	}
	return min(age, maxDelta)
}

// whole reports whether all the content is there that the response announces.
// What is still to come is looked at when it has come.
func whole(r *Response) bool {
	announced, ok := contentLength(r.Header)
	return ok && (r.Stream != nil || announced < 0 || announced == int64(len(r.Body)) || r.Status == http.StatusNoContent)
}

// contentLength returns -1 where there is none, and false where it is no
// number or several.
func contentLength(h http.Header) (int64, bool) {
	values, present := h["Content-Length"]
	if !present {
		return -1, true
	}
	length := int64(0)
	if len(values) != 1 || values[0] == "" || len(values[0]) > 18 {
		return -1, false
	}
	for i := range len(values[0]) {
		digit := values[0][i]
		if digit < '0' || digit > '9' {
			return -1, false
		}
		length = 10*length + int64(digit-'0')
	}
	return length, true
}

// hopByHop are the fields that end at the edge and are never stored (RFC 9111,
// 3.1), beside those that Connection names.
var hopByHop = [...]string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization",
	"Proxy-Connection", "Te", "Transfer-Encoding", "Upgrade",
}

// storedHeader is what of h is stored: without the fields of the hop, and
// without those that a qualified no-cache or private names, which then need no
// validation (RFC 9111, 5.2.2.4 and 5.2.2.7). It is h itself where nothing has
// to go.
func storedHeader(h http.Header) http.Header {
	out, own := h, false
	drop := func(name string) {
		if _, present := out[name]; !present {
			return
		}
		if !own {
			out, own = h.Clone(), true
		}
		delete(out, name)
	}
	list := func(names string) {
		for _, name := range httpNames(names) {
			drop(name)
		}
	}
	for _, value := range h["Connection"] {
		list(value)
	}
	for _, name := range hopByHop {
		drop(name)
	}
	d, _ := responseDirectives(h)
	if d.noCacheFields != "" {
		list(d.noCacheFields)
	}
	if d.privateFields != "" {
		list(d.privateFields)
	}
	return out
}

// httpNames returns the canonical names of a list of fields.
func httpNames(list string) []string {
	names := strings.Split(list, ",")
	for i, name := range names {
		names[i] = http.CanonicalHeaderKey(strings.Trim(name, " \t"))
	}
	return names
}
