package pool

import (
	"bytes"
	"net/http"
	"sync"
	"sync/atomic"
)

// known is a response's header as it came and as it was understood. An origin
// answers most requests with the very same bytes, its Date changes once a
// second: bytes that are equal are not parsed again. It is never changed,
// because all connections of a lane and the responses that they read share it.
type known struct {
	raw     []byte // status line to empty line
	status  int
	framing framing
	header  http.Header
}

// learnEvery is how many unknown headers in a row a connection parses before
// it keeps one, so that an origin whose headers are never the same costs
// little.
const learnEvery = 4

var emptyLine = []byte("\r\n\r\n")

// recognise takes a header that is known. Otherwise it returns a copy of the
// header's bytes when it is time to learn one.
func (d *reader) recognise(resp *Response, f *framing) (found bool, learn []byte, err error) {
	if d.known == nil {
		return false, nil, nil
	}
	if d.r == d.w {
		if err := d.fill(); err != nil {
			return false, nil, err
		}
	}
	buffered := d.buf[d.r:d.w]
	if k := d.known.Load(); k != nil && bytes.HasPrefix(buffered, k.raw) {
		d.r += len(k.raw)
		d.budget -= len(k.raw)
		d.unknown = 0
		resp.Reset()
		resp.Status, resp.Header, resp.shared = k.status, k.header, true
		*f = k.framing
		return true, nil, nil
	}
	if d.unknown++; d.unknown < learnEvery {
		return false, nil, nil
	}
	d.unknown = 0
	if end := bytes.Index(buffered, emptyLine); end >= 0 {
		learn = bytes.Clone(buffered[:end+len(emptyLine)])
	}
	return false, learn, nil
}

// learn keeps a header that has been read without objection. The response
// gives its maps away.
func (d *reader) learn(raw []byte, resp *Response, f *framing) {
	resp.shared, resp.values = true, nil
	d.known.Store(&known{raw: raw, status: resp.Status, framing: *f, header: resp.Header})
}

// headers are what the connections of a lane know; nil knows nothing.
type headers = atomic.Pointer[known]

// buffers are what requests are written from and responses are read into.
// Connections borrow them, so that an idle one holds none.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

func borrow() []byte { return buffers.Get().(*[bufferSize]byte)[:] }

// giveBack takes what borrow returned, unless it has grown since.
func giveBack(b []byte) {
	if cap(b) == bufferSize {
		buffers.Put((*[bufferSize]byte)(b[:bufferSize]))
	}
}
