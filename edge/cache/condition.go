package cache

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// asks is what a request asks for beyond the object as it is.
type asks struct {
	validation bool // If-None-Match or If-Modified-Since: the cache can answer
	ranged     bool // Range
	origin     bool // If-Match or If-Unmodified-Since: for the origin alone
	control    bool // Cache-Control or Pragma
}

func readAsks(h http.Header) (a asks) {
	if len(h) == 0 {
		return a
	}
	_, none := h["If-None-Match"]
	_, since := h["If-Modified-Since"]
	_, match := h["If-Match"]
	_, unmodified := h["If-Unmodified-Since"]
	_, a.ranged = h["Range"]
	_, control := h["Cache-Control"]
	_, pragma := h["Pragma"]
	return asks{validation: none || since, ranged: a.ranged, origin: match || unmodified, control: control || pragma}
}

// suited makes of a stored or arriving response what req asks for: no content
// for HEAD, 304 where the viewer's copy is current, a part (RFC 9111, 4.3.2;
// RFC 9110, 13.2.2 and 14.2). A response that streams cannot be parted.
func suited(r *Response, req *Request, a asks) *Response {
	if a.validation && r.Status == http.StatusOK && current(r.Header, req.Header) {
		return notModified(r.Header)
	}
	if a.ranged && req.Method == http.MethodGet && r.Status == http.StatusOK && r.Stream == nil && rangeApplies(r.Header, req.Header) {
		if part := cut(r, req.Header); part != nil {
			return part
		}
	}
	if req.Method == http.MethodHead && (r.Stream != nil || r.Body != nil) {
		return &Response{Status: r.Status, Header: r.Header}
	}
	return r
}

// current evaluates If-None-Match and, only without that, If-Modified-Since.
// Where Last-Modified is missing, Date stands for it (RFC 9111, 4.3.2).
func current(stored, asked http.Header) bool {
	if tags, present := asked["If-None-Match"]; present {
		if len(stored["Etag"]) != 1 {
			return len(tags) == 1 && strings.Trim(tags[0], " \t") == "*"
		}
		return anyTag(tags, stored["Etag"][0])
	}
	now := time.Now()
	since, ok := onlyDate(asked["If-Modified-Since"], now)
	if !ok {
		return false
	}
	modified, ok := onlyDate(stored["Last-Modified"], now)
	if _, present := stored["Last-Modified"]; !present {
		modified, ok = onlyDate(stored["Date"], now)
	}
	return ok && !modified.After(since)
}

// anyTag reports whether one of the entity tags listed in values equals tag by
// the weak comparison (RFC 9110, 8.8.3.2), or is "*".
func anyTag(values []string, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for _, rest := range values {
		for {
			rest = strings.TrimLeft(rest, " \t,")
			if rest == "" {
				break
			}
			if rest[0] == '*' {
				return true
			}
			rest = strings.TrimPrefix(rest, "W/")
			end := len(rest)
			if rest[0] == '"' {
				if quote := strings.IndexByte(rest[1:], '"'); quote >= 0 {
					end = quote + 2
				}
			} else if comma := strings.IndexAny(rest, ", \t"); comma >= 0 {
				end = comma
			}
			if rest[:end] == tag {
				return true
			}
			rest = rest[end:]
		}
	}
	return false
}

// notModified is a 304 with the fields that a 200 would have and that a
// viewer's copy needs (RFC 9110, 15.4.5).
func notModified(stored http.Header) *Response {
	h := make(http.Header, 8)
	for _, name := range [...]string{
		"Cache-Control", "Content-Location", "Date", "Etag", "Expires", "Last-Modified", "Vary", targetedField,
	} {
		if values, present := stored[name]; present {
			h[name] = values
		}
	}
	return &Response{Status: http.StatusNotModified, Header: h}
}

// rangeApplies evaluates If-Range by the strong comparison (RFC 9110, 13.1.5).
func rangeApplies(stored, asked http.Header) bool {
	values, present := asked["If-Range"]
	if !present {
		return true
	}
	if len(values) != 1 {
		return false
	}
	if tag := values[0]; strings.HasPrefix(tag, `"`) {
		return len(stored["Etag"]) == 1 && stored["Etag"][0] == tag
	}
	now := time.Now()
	since, ok := onlyDate(values, now)
	modified, known := onlyDate(stored["Last-Modified"], now)
	// A date is a strong validator only if it was old when it was sent.
	date, dated := onlyDate(stored["Date"], now)
	return ok && known && dated && since.Equal(modified) && !modified.Add(time.Second).After(date)
}

// cut returns the part of r that a Range of one part asks for, 416 for one
// that lies outside, and nil where the whole is the answer: other units,
// several parts, and what is no range (RFC 9110, 14.2).
func cut(r *Response, asked http.Header) *Response {
	size := int64(len(r.Body))
	from, to, verdict := parseRange(asked["Range"], size)
	if verdict == rangeIgnored {
		return nil
	}
	if verdict == rangeOutside {
		h := http.Header{"Content-Range": {fmt.Sprintf("bytes */%d", size)}}
		if date, present := r.Header["Date"]; present {
			h["Date"] = date
		}
		return &Response{Status: http.StatusRequestedRangeNotSatisfiable, Header: h}
	}
	return part{total: size}.cut(r, from, to)
}

type rangeVerdict int

const (
	rangeIgnored rangeVerdict = iota
	rangeOutside
	rangeInside
)

// parseRange reads a Range field for content of size bytes; from and to are
// the first and the last byte.
func parseRange(values []string, size int64) (from, to int64, verdict rangeVerdict) {
	if len(values) != 1 || len(values[0]) < 6 || !strings.EqualFold(values[0][:6], "bytes=") {
		return 0, 0, rangeIgnored
	}
	first, last, ok := strings.Cut(strings.Trim(values[0][6:], " \t"), "-")
	if !ok {
		return 0, 0, rangeIgnored
	}
	begin, begins := parsePosition(first)
	end, ends := parsePosition(last)
	switch {
	case !begins && first != "" || !ends && last != "" || !begins && !ends || begins && ends && end < begin:
		return 0, 0, rangeIgnored
	case !begins && (end == 0 || size == 0), begins && begin >= size:
		return 0, 0, rangeOutside
	case !begins:
		return max(size-end, 0), size - 1, rangeInside
	case !ends:
		end = size - 1
	}
	return begin, min(end, size-1), rangeInside
}

// parsePosition reads 1*DIGIT. What does not fit is as good as the greatest.
func parsePosition(text string) (int64, bool) {
	const greatest = int64(1) << 59 // ten times as much still fits
	position := int64(0)
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		position = min(10*position+int64(text[i]-'0'), greatest)
	}
	return position, text != ""
}
