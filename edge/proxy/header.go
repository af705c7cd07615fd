package proxy

import (
	"net/http"
	"strconv"
	"strings"
)

// hopByHop are the fields that are not passed on (RFC 9110, section 7.6.1).
// Expect is among them because its one value is answered here.
var hopByHop = [...]string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect",
	"Proxy-Authorization", "Proxy-Authenticate",
}

// strip takes the fields of the hop off a viewer's header, those that
// Connection names too: before the cache reads it, so that what it stores is
// never chosen by a field that the origin did not see.
func strip(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			delete(h, http.CanonicalHeaderKey(strings.Trim(name, " \t")))
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// path is the request's target in origin form, byte by byte as the viewer
// wrote it; "" where it has none.
func path(r *http.Request) string {
	target := r.RequestURI
	if strings.HasPrefix(target, "/") {
		return target
	}
	if target == "*" && r.Method == http.MethodOptions {
		return target
	}
	_, rest, absolute := strings.Cut(target, "://")
	if !absolute || r.Method == http.MethodConnect {
		return ""
	}
	at := strings.IndexAny(rest, "/?")
	switch {
	case at < 0 && r.Method == http.MethodOptions:
		return "*" // RFC 9112, section 3.2.4
	case at < 0:
		return "/"
	case rest[at] == '?':
		return "/" + rest[at:]
	}
	return rest[at:]
}

// lastHop reads Max-Forwards of OPTIONS (RFC 9110, section 7.6.2): it counts it
// down, and reports whether the request is for this proxy.
func lastHop(r *http.Request) bool {
	values := r.Header["Max-Forwards"]
	if r.Method != http.MethodOptions || len(values) != 1 {
		return false
	}
	n, err := strconv.ParseUint(values[0], 10, 31)
	if err != nil {
		return false
	}
	if n > 0 {
		r.Header["Max-Forwards"] = []string{strconv.FormatUint(n-1, 10)}
	}
	return n == 0
}
