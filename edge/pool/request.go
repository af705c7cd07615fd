package pool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Request is one HTTP/1.1 request. The pool adds Host, Content-Length and,
// without reuse, Connection.
type Request struct {
	Method, Host, Path string
	Header             [][2]string // name and value, in order and verbatim; names may repeat
	Body               []byte

	// For Open alone, in the place of Body. Content is read while the response
	// is, and closed when it is at its end or no longer wanted: Close must end a
	// Read that waits. Length is its length, -1 where that is not known; Trailer
	// the fields after it, complete when Content is at its end.
	Content io.ReadCloser
	Length  int64
	Trailer http.Header
	// Interim is told of each interim response (1xx) but 101, before Open
	// returns; nil is not. The header is Interim's to keep.
	Interim func(status int, header http.Header)
}

// inlineBody is up to which length a body is written together with its
// header, in bytes: one TLS record.
const inlineBody = 8 << 10

// validate refuses what would not arrive as one request.
func (r *Request) validate() error {
	if !isToken(r.Method) {
		return fmt.Errorf("request method %q is not a token", r.Method)
	}
	if r.Method == "CONNECT" {
		return errors.New("request method CONNECT asks for a tunnel, which an origin pull has no use for")
	}
	if r.Path == "" || r.Path[0] != '/' && r.Path != "*" || !isVisible(r.Path) {
		return fmt.Errorf("request path %q: it must begin with / and hold no space or control character", r.Path)
	}
	if r.Host == "" || !isVisible(r.Host) {
		return fmt.Errorf("request host %q: it must not be empty or hold a space or control character", r.Host)
	}
	for _, h := range r.Header {
		if !isToken(h[0]) {
			return fmt.Errorf("request header name %q is not a token", h[0])
		}
		if !isFieldValue(h[1]) {
			// The value may be a secret.
			return fmt.Errorf("the value of request header %s holds a control character", h[0])
		}
		if isOurs(h[0]) {
			return fmt.Errorf("request header %s is the pool's to write", h[0])
		}
	}
	return nil
}

func isOurs(name string) bool {
	switch len(name) {
	case len("Host"):
		return strings.EqualFold(name, "Host")
	case len("Connection"):
		return strings.EqualFold(name, "Connection")
	case len("Content-Length"):
		return strings.EqualFold(name, "Content-Length")
	case len("Transfer-Encoding"):
		return strings.EqualFold(name, "Transfer-Encoding")
	}
	return false
}

// appendTo appends the header of r, and its body where that is short.
func (r *Request) appendTo(b []byte, last bool) []byte {
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, r.Path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, r.Host...)
	b = append(b, "\r\n"...)
	for _, h := range r.Header {
		b = append(b, h[0]...)
		b = append(b, ": "...)
		b = append(b, h[1]...)
		b = append(b, "\r\n"...)
	}
	switch {
	case r.Content != nil && r.Length < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case r.Content != nil:
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, r.Length, 10)
		b = append(b, "\r\n"...)
	case len(r.Body) > 0 || r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH":
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(r.Body)), 10)
		b = append(b, "\r\n"...)
	}
	if last {
		b = append(b, "Connection: close\r\n"...)
	}
	b = append(b, "\r\n"...)
	if len(r.Body) <= inlineBody {
		b = append(b, r.Body...)
	}
	return b
}

// standard is r for net/http's and quic-go's codecs.
func (r *Request) standard(ctx context.Context) *http.Request {
	// Opaque keeps the path as it is written.
	at := &url.URL{Scheme: "https", Host: r.Host, Opaque: "//" + r.Host + r.Path}
	if r.Path == "*" {
		at = &url.URL{Scheme: "https", Host: r.Host, Path: "*"}
	}
	out := &http.Request{Method: r.Method, URL: at, Host: r.Host, Header: make(http.Header, len(r.Header)+1)}
	for _, f := range r.Header {
		name := http.CanonicalHeaderKey(f[0])
		out.Header[name] = append(out.Header[name], f[1])
	}
	if out.Header["User-Agent"] == nil {
		out.Header["User-Agent"] = []string{""} // none, as over h1
	}
	if len(r.Body) > 0 {
		out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(r.Body)), int64(len(r.Body))
	}
	return out.WithContext(ctx)
}

// tokens are the characters of a token (RFC 9110, section 5.6.2).
var tokens = func() (set [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		set[c] = true
	}
	return set
}()

func isToken[T string | []byte](s T) bool {
	for i := range len(s) {
		if !tokens[s[i]] {
			return false
		}
	}
	return len(s) > 0
}

// isFieldValue allows what RFC 9110, section 5.5 does, obs-text included.
func isFieldValue[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

func isVisible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
