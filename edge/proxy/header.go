package proxy

import (
	"net"
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

// forwarded says for whom the request is, as every CDN does: X-Forwarded-For
// goes on with the viewer's address, and X-Forwarded-Proto is what the viewer
// speaks, over whatever it claims. Of the addresses only the last is the edge's
// own word; those before it anyone can write.
func forwarded(r *http.Request, secure bool) {
	viewer := r.RemoteAddr
	if host, _, err := net.SplitHostPort(viewer); err == nil {
		viewer = host
	}
	if others := r.Header["X-Forwarded-For"]; len(others) > 0 {
		viewer = strings.Join(others, ", ") + ", " + viewer
	}
	r.Header["X-Forwarded-For"] = []string{viewer}
	proto := "http"
	if secure {
		proto = "https"
	}
	r.Header["X-Forwarded-Proto"] = []string{proto}
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
