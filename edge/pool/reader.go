package pool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/originpull/originpull/wire"
)

const (
	maxHeader  = 64 << 10 // bytes of status line, header and trailer together
	maxInterim = 16       // 1xx responses before the final one
	maxChunk   = 4 << 10  // bytes of a chunk-size line
	bufferSize = 4 << 10
	bodyStep   = 1 << 20 // a body grows by what has arrived, not by what was announced
)

// reader reads the responses of one connection.
type reader struct {
	source io.Reader
	buf    []byte // borrowed; nil between exchanges
	r, w   int    // what is buffered
	full   bool   // the last read left no space: there may be more above the socket

	first time.Time   // of the current response
	trace *wire.Trace // completed by the first byte of all; nil afterwards
	conn  *wire.Conn  // that trace belongs to

	budget int // bytes of header that are still allowed

	interim func(status int, header http.Header) // is told of interim responses; nil = is not

	known   *headers // of the lane
	unknown int      // headers in a row that were not known
}

// read reads one response. Whether another may follow is its result; without
// a first byte, first is zero.
func (d *reader) read(method string, maxBody int64, resp *Response) (reusable bool, err error) {
	d.first, d.budget = time.Time{}, maxHeader
	defer d.release()
	f, err := d.final(resp)
	if err != nil {
		return false, err
	}
	ends, err := d.body(method, maxBody, resp, &f)
	if err != nil {
		return false, err
	}
	return ends && !f.close && !f.oldVersion && d.r == d.w && !d.full, nil
}

// final reads the header of the final response.
func (d *reader) final(resp *Response) (f framing, err error) {
	found, raw, err := d.recognise(resp, &f)
	if found || err != nil {
		return f, err
	}
	for interim := 0; ; interim++ {
		if interim > maxInterim {
			return f, errors.New("origin sends interim responses without end")
		}
		f = framing{}
		resp.begin()
		if err := d.header(resp, &f); err != nil {
			if interim > 0 {
				err = unexpected(err)
			}
			return f, err
		}
		if resp.Status == 101 {
			return f, errors.New("origin switches protocols although it was not asked to")
		}
		if resp.Status < 200 {
			if raw = nil; d.interim != nil {
				d.interim(resp.Status, resp.Header)
				*resp = Response{} // the header is given away
			}
			continue
		}
		if raw != nil {
			d.learn(raw, resp, &f)
		}
		return f, nil
	}
}

// release gives the buffer back between exchanges.
func (d *reader) release() {
	if d.r == d.w && d.buf != nil {
		giveBack(d.buf)
		d.buf, d.r, d.w = nil, 0, 0
	}
}

func (d *reader) header(resp *Response, f *framing) error {
	line, err := d.line()
	if err != nil {
		return err
	}
	if err := resp.statusLine(line, f); err != nil {
		return err
	}
	for {
		line, err := d.line()
		if err != nil {
			return unexpected(err)
		}
		if len(line) == 0 {
			return f.check(resp.Status)
		}
		name, value, err := fieldLine(line)
		if err != nil {
			return err
		}
		if err := f.note(name, value); err != nil {
			return err
		}
		resp.add(name, value)
	}
}

// body reads the content. Its result says whether the response ends before
// the connection does.
func (d *reader) body(method string, limit int64, resp *Response, f *framing) (bool, error) {
	switch {
	case method == "HEAD" || resp.Status == 204 || resp.Status == 304:
		return true, nil
	case f.chunked:
		return true, unexpected(d.chunks(limit, resp))
	case f.hasLength:
		if f.length > limit {
			return false, errBodyTooLarge
		}
		return true, unexpected(d.content(f.length, resp))
	default:
		return false, d.rest(limit, resp)
	}
}

// content reads n bytes. It asks for one more than are due, so that what
// follows unasked for is noticed rather than taken for the next response.
func (d *reader) content(n int64, resp *Response) error {
	resp.Body = slices.Grow(resp.Body, int(min(n, bodyStep))+1)
	buffered := int(min(n, int64(d.w-d.r)))
	resp.Body = append(resp.Body, d.buf[d.r:d.r+buffered]...)
	d.r += buffered
	for left := n - int64(buffered); left > 0; {
		have := len(resp.Body)
		ask := int(min(left, bodyStep)) + 1
		resp.Body = slices.Grow(resp.Body, ask)
		m, err := d.source.Read(resp.Body[have : have+ask])
		if int64(m) > left {
			d.full, m = true, int(left)
		} else {
			d.full = m == ask
		}
		resp.Body = resp.Body[:have+m]
		left -= int64(m)
		if err != nil && left > 0 {
			return err
		}
	}
	return nil
}

// rest reads what comes until the connection ends.
func (d *reader) rest(limit int64, resp *Response) error {
	for {
		resp.Body = append(resp.Body, d.buf[d.r:d.w]...)
		d.r = d.w
		if int64(len(resp.Body)) > limit {
			return errBodyTooLarge
		}
		if err := d.fill(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// chunks reads the chunked coding (RFC 9112, section 7.1). Trailer fields are
// checked and dropped.
func (d *reader) chunks(limit int64, resp *Response) error {
	for {
		size, err := d.chunkSize()
		if err != nil {
			return err
		}
		if size == 0 {
			return d.trailer()
		}
		if size > limit-int64(len(resp.Body)) {
			return errBodyTooLarge
		}
		for left := int(size); left > 0; {
			if d.r == d.w {
				if err := d.fill(); err != nil {
					return err
				}
			}
			n := min(left, d.w-d.r)
			resp.Body = append(resp.Body, d.buf[d.r:d.r+n]...)
			d.r += n
			left -= n
		}
		line, err := d.chunkLine()
		if err != nil {
			return err
		}
		if len(line) > 0 {
			return errChunkEnd
		}
	}
}

func (d *reader) chunkSize() (int64, error) {
	line, err := d.chunkLine()
	if err != nil {
		return 0, err
	}
	digits := line
	if i := bytes.IndexByte(line, ';'); i >= 0 { // extensions are ignored, as RFC 9112 asks
		digits = bytes.TrimRight(line[:i], " \t")
	}
	const maxDigits = 15 // fits an int64
	if len(digits) == 0 || len(digits) > maxDigits || !isFieldValue(line) {
		return 0, fmt.Errorf("malformed chunk size %.40q", line)
	}
	var size int64
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, fmt.Errorf("malformed chunk size %.40q", line)
		}
		size = size<<4 | int64(c)
	}
	return size, nil
}

// chunkLine is a line that counts towards no header: there are as many as the
// content needs.
func (d *reader) chunkLine() ([]byte, error) {
	kept := d.budget
	d.budget = maxChunk
	line, err := d.line()
	d.budget = kept
	if errors.Is(err, errHeaderTooLarge) {
		err = errChunkEnd
	}
	return line, err
}

func (d *reader) trailer() error {
	_, err := d.trailers()
	return err
}

// trailers reads the fields after the last chunk; nil = there are none.
func (d *reader) trailers() (http.Header, error) {
	var fields http.Header
	for {
		line, err := d.line()
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			return fields, nil
		}
		name, value, err := fieldLine(line)
		if err != nil {
			return nil, err
		}
		if fields == nil {
			fields = http.Header{}
		}
		fields.Add(string(name), string(value))
	}
}

// line returns the next line without its CR LF. It is valid until the next
// read.
func (d *reader) line() ([]byte, error) {
	for seen := 0; ; {
		if i := bytes.IndexByte(d.buf[d.r+seen:d.w], '\n'); i >= 0 {
			line := d.buf[d.r : d.r+seen+i]
			d.r += len(line) + 1
			if d.budget -= len(line) + 1; d.budget < 0 {
				return nil, errHeaderTooLarge
			}
			if len(line) == 0 || line[len(line)-1] != '\r' {
				return nil, errBareLF
			}
			return line[:len(line)-1], nil
		}
		if seen = d.w - d.r; seen >= d.budget {
			return nil, errHeaderTooLarge
		}
		if err := d.fill(); err != nil {
			if seen > 0 {
				err = unexpected(err)
			}
			return nil, err
		}
	}
}

// fill reads more, and returns an error only where nothing more came.
func (d *reader) fill() error {
	switch {
	case d.r == d.w:
		d.r, d.w = 0, 0
	case d.w == len(d.buf) && d.r > 0:
		d.w = copy(d.buf, d.buf[d.r:d.w])
		d.r = 0
	}
	if d.buf == nil {
		d.buf = borrow()
	} else if d.w == len(d.buf) {
		d.buf = append(d.buf, make([]byte, max(len(d.buf), bufferSize))...)
	}
	const patience = 100
	for range patience {
		n, err := d.source.Read(d.buf[d.w:])
		d.full = n == len(d.buf)-d.w
		d.w += n
		if n > 0 {
			d.mark()
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// mark notes the first byte of a response.
func (d *reader) mark() {
	if !d.first.IsZero() {
		return
	}
	d.first = time.Now()
	if d.trace != nil {
		d.trace.MarkFirstByte(d.conn, d.first)
		d.trace = nil
	}
}

// unexpected turns an end in the middle into an error that says so.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
