package pool

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
)

// Response is filled by Do. One Response may be used for many calls: the next
// call overwrites Header and Body, so whoever keeps either uses a Response of
// its own. Header may be shared with other responses of the same origin: nobody
// may change it. The zero value is ready.
type Response struct {
	Status int
	Header http.Header // canonical names
	Body   []byte

	// What the last response had, so that fields that do not change cost no
	// allocation.
	fields []field
	values []string
	shared bool // Header belongs to others too
}

type field struct{ raw, name, value string }

// Reset forgets the response and keeps the memory.
func (r *Response) Reset() {
	r.Status = 0
	r.Body = r.Body[:0]
	if r.shared {
		r.Header, r.shared = nil, false
		return
	}
	clear(r.Header)
}

// begin is Reset before a response is read.
func (r *Response) begin() {
	r.Reset()
	r.values = r.values[:0]
	if r.Header == nil {
		r.Header = make(http.Header, 16)
	}
}

// add takes one header field.
func (r *Response) add(raw, value []byte) {
	i := len(r.values)
	if i == len(r.fields) {
		r.fields = append(r.fields, field{})
	}
	f := &r.fields[i]
	if f.raw != string(raw) {
		f.raw = string(raw)
		f.name = textproto.CanonicalMIMEHeaderKey(f.raw)
	}
	if f.value != string(value) {
		f.value = string(value)
	}
	r.values = append(r.values, f.value)
	if others := r.Header[f.name]; len(others) > 0 {
		r.Header[f.name] = append(others, f.value)
		return
	}
	r.Header[f.name] = r.values[i : i+1 : i+1]
}

// framing is what decides where a response ends and whether another may
// follow (RFC 9112, section 6).
type framing struct {
	oldVersion bool // HTTP/1.0: the connection ends with the response
	length     int64
	hasLength  bool
	chunked    bool
	encodings  int // Transfer-Encoding fields
	close      bool
}

var (
	errHeaderTooLarge = fmt.Errorf("response header is larger than %d bytes", maxHeader)
	errBareLF         = errors.New("response line does not end in CR LF")
	errFold           = errors.New("response header has a folded line")
	errBothFramings   = errors.New("response has both Content-Length and Transfer-Encoding")
	errTwoLengths     = errors.New("response has more than one Content-Length")
	errChunkEnd       = errors.New("a chunk does not end where its size says")
	errBodyTooLarge   = errors.New("response content is larger than the pool's limit")
)

// statusLine reads "HTTP/1.1 200 OK".
func (r *Response) statusLine(line []byte, f *framing) error {
	const versionLength = len("HTTP/1.1 ")
	switch {
	case bytes.HasPrefix(line, []byte("HTTP/1.1 ")):
	case bytes.HasPrefix(line, []byte("HTTP/1.0 ")):
		f.oldVersion = true
	default:
		return fmt.Errorf("response begins with %.40q instead of an HTTP/1.1 status line", line)
	}
	code := line[versionLength:]
	if len(code) < 3 || len(code) > 3 && code[3] != ' ' || !isFieldValue(code) {
		return fmt.Errorf("malformed status line %.40q", line)
	}
	r.Status = 0
	for _, c := range code[:3] {
		if c < '0' || c > '9' {
			return fmt.Errorf("malformed status code %q", code[:3])
		}
		r.Status = 10*r.Status + int(c-'0')
	}
	if r.Status < 100 {
		return fmt.Errorf("malformed status code %q", code[:3])
	}
	return nil
}

// fieldLine reads "name: value".
func fieldLine(line []byte) (name, value []byte, err error) {
	if line[0] == ' ' || line[0] == '\t' {
		return nil, nil, errFold
	}
	colon := bytes.IndexByte(line, ':')
	if colon < 0 || !isToken(line[:colon]) {
		return nil, nil, fmt.Errorf("malformed response header line %.40q", line)
	}
	name, value = line[:colon], bytes.Trim(line[colon+1:], " \t")
	if !isFieldValue(value) {
		return nil, nil, fmt.Errorf("the value of response header %.40s holds a control character", name)
	}
	return name, value, nil
}

// note takes what a header field says of framing.
func (f *framing) note(name, value []byte) error {
	switch len(name) {
	case len("Content-Length"):
		if !equalFold(name, "content-length") {
			return nil
		}
		if f.hasLength {
			return errTwoLengths
		}
		f.hasLength = true
		return f.contentLength(value)
	case len("Transfer-Encoding"):
		if !equalFold(name, "transfer-encoding") {
			return nil
		}
		f.encodings++
		if f.encodings > 1 || !equalFold(value, "chunked") || f.oldVersion {
			return fmt.Errorf("response has Transfer-Encoding %.40q: only chunked, once and in HTTP/1.1, is understood", value)
		}
		f.chunked = true
	case len("Connection"):
		if equalFold(name, "connection") && listHas(value, "close") {
			f.close = true
		}
	}
	return nil
}

func (f *framing) contentLength(value []byte) error {
	const maxDigits = 18 // fits an int64
	if len(value) == 0 || len(value) > maxDigits {
		return fmt.Errorf("malformed Content-Length %.40q", value)
	}
	f.length = 0
	for _, c := range value {
		if c < '0' || c > '9' {
			return fmt.Errorf("malformed Content-Length %.40q", value)
		}
		f.length = 10*f.length + int64(c-'0')
	}
	return nil
}

// check looks at a whole header of that status.
func (f *framing) check(status int) error {
	if f.chunked && f.hasLength {
		return errBothFramings
	}
	if f.chunked && (status < 200 || status == 204) {
		return fmt.Errorf("a response with status %d has no content to be chunked (RFC 9112, section 6.1)", status)
	}
	return nil
}

// equalFold compares with a name in lower case.
func equalFold(s []byte, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i, c := range s {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// listHas looks for an element of a comma-separated list.
func listHas(list []byte, lower string) bool {
	for len(list) > 0 {
		element := list
		if i := bytes.IndexByte(list, ','); i >= 0 {
			element, list = list[:i], list[i+1:]
		} else {
			list = nil
		}
		if equalFold(bytes.Trim(element, " \t"), lower) {
			return true
		}
	}
	return false
}
