package pool

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// uploadStep is how much of a request's content is sent at once, in bytes.
const uploadStep = 32 << 10

// errTooShort is content of a request that ends before its length.
var errTooShort = fmt.Errorf("%w: the content is shorter than announced", io.ErrUnexpectedEOF)

// upload sends a request's content while its response is awaited.
type upload struct {
	flow     *flow
	unwanted atomic.Bool // the response is there, or will not come
	last     atomic.Bool // all of the content has been read: the rest is sent
	done     chan struct{}
	source   error // of reading the content; set before done
	err      error // of anything; likewise
}

// startUpload sends the content of f's request, unless its header could not be
// sent. endUpload waits for it.
func startUpload(f *flow, broken error) *upload {
	u := &upload{flow: f, done: make(chan struct{})}
	if broken != nil {
		u.err = broken
		_ = f.req.Content.Close() // nobody reads it
		close(u.done)
		return u
	}
	go func() {
		defer close(u.done)
		u.err = u.run()
		_ = f.req.Content.Close() // it is read, or failed
		if u.source != nil {
			f.interrupt() // half a request has no response
		}
	}()
	return u
}

// endUpload ends the upload, and reports whether all was sent. What is left
// when the response is at its end is not wanted any more.
func (f *flow) endUpload(whole bool) bool {
	u := f.upload
	if u == nil {
		return true
	}
	if !whole || !u.last.Load() {
		u.unwanted.Store(true)
		_ = f.req.Content.Close() // ends a Read that waits
		f.own.Lock()
		f.cut = true
		_ = f.conn.wire.SetWriteDeadline(time.Unix(1, 0))
		f.own.Unlock()
	}
	<-u.done
	return u.err == nil
}

func (u *upload) run() error {
	req := u.flow.req
	buffer := make([]byte, uploadStep)
	left := req.Length
	for {
		if left == 0 {
			u.last.Store(true)
			return nil
		}
		room := buffer
		if left > 0 {
			room = room[:min(int64(len(room)), left)]
		}
		u.flow.suspend()
		n, err := req.Content.Read(room)
		u.flow.renew()
		if left > 0 {
			left -= int64(n)
		}
		end := errors.Is(err, io.EOF)
		switch {
		case err != nil && !end && u.unwanted.Load():
			return err // by Close
		case err != nil && !end:
			u.source = err
			return err
		case end && left > 0:
			u.source = errTooShort
			return u.source
		case left == 0:
			u.last.Store(true) // the answer may come before the write returns
		}
		if err := u.write(room[:n]); err != nil || end && left == 0 {
			return err
		}
		if end {
			return u.finish()
		}
	}
}

// write sends a piece: as a chunk, where the length is not known.
func (u *upload) write(piece []byte) error {
	if len(piece) == 0 {
		return nil
	}
	if u.flow.req.Length < 0 {
		chunk := slices.Grow(strconv.AppendInt(nil, int64(len(piece)), 16), len(piece)+4)
		chunk = append(append(append(chunk, "\r\n"...), piece...), "\r\n"...)
		piece = chunk
	}
	u.flow.renew()
	_, err := u.flow.conn.stream.Write(piece)
	return err
}

// finish sends the last chunk and the trailer.
func (u *upload) finish() error {
	end := []byte("0\r\n")
	for name, values := range u.flow.req.Trailer {
		for _, value := range values {
			if !isToken(name) || !isFieldValue(value) || isOurs(name) {
				u.source = fmt.Errorf("the request's trailer %.40q is malformed", name)
				return u.source
			}
			end = append(append(append(append(end, name...), ": "...), value...), "\r\n"...)
		}
	}
	u.last.Store(true)
	u.flow.renew()
	_, err := u.flow.conn.stream.Write(append(end, "\r\n"...))
	return err
}
