package cache

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// part is where the content of a stored 206 lies in the whole. The zero part
// is the whole.
type part struct {
	first, total int64 // the first byte's position, and how many there are in all
}

func (p part) whole() bool { return p.total == 0 }

// parsePart reads the Content-Range of a 206 with one part of a whole of known
// length (RFC 9110, 14.4). How much of it is there, the content says: nothing
// beyond that is ever answered from it.
func parsePart(values []string) (part, bool) {
	if len(values) != 1 || len(values[0]) < 6 || !strings.EqualFold(values[0][:6], "bytes ") {
		return part{}, false
	}
	span, size, ok := strings.Cut(values[0][6:], "/")
	if !ok {
		return part{}, false
	}
	from, to, ok := strings.Cut(span, "-")
	if !ok {
		return part{}, false
	}
	first, ok1 := parsePosition(from)
	last, ok2 := parsePosition(to)
	total, ok3 := parsePosition(size)
	return part{first, total}, ok1 && ok2 && ok3 && first <= last && last < total
}

// holds reports whether r, content that lies at p, goes on where it says and
// not beyond.
func (p part) holds(r *Response) bool {
	_, to, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Content-Range")), "-")
	to, _, _ = strings.Cut(to, "/")
	last, ok := parsePosition(to)
	return ok && len(r.Body) > 0 && p.first+int64(len(r.Body)) <= last+1
}

// findPart returns a fresh 206 of o that answers the Range of a GET, and the
// answer. A part of what was asked for will do, if it begins there (RFC 9110,
// 15.3.7).
func (o *object) findPart(req *Request, usable func(*entry) bool) (*entry, *Response) {
	if o == nil || req.Method != http.MethodGet {
		return nil, nil
	}
	for _, e := range o.entries {
		if e.part.whole() || !e.variant.matches(req.Header) || !usable(e) || !rangeApplies(e.response.Header, req.Header) {
			continue
		}
		from, to, verdict := parseRange(req.Header["Range"], e.part.total)
		end := e.part.first + int64(len(e.response.Body)) // of what is there
		if verdict == rangeInside && from >= e.part.first && from < end {
			return e, e.part.cut(e.response, from, min(to, end-1))
		}
	}
	return nil, nil
}

// cut returns bytes from to to of the whole, which r has.
func (p part) cut(r *Response, from, to int64) *Response {
	h := r.Header.Clone()
	h["Content-Range"] = []string{fmt.Sprintf("bytes %d-%d/%d", from, to, p.total)}
	h["Content-Length"] = []string{strconv.FormatInt(to-from+1, 10)}
	from, to = from-p.first, to-p.first
	return &Response{Status: http.StatusPartialContent, Header: h, Body: r.Body[from : to+1 : to+1]}
}
