package cache

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"
)

const (
	// window is what is kept of content that is too large to be stored, for
	// viewers to read at their own pace.
	window = 256 << 10
	// chunk is read from an origin at once.
	chunk = 32 << 10
	// patience is how long others wait for a viewer that takes nothing of
	// content that cannot be kept for it.
	patience = 30 * time.Second
)

var errReadAfterClose = errors.New("read after Close")

// errStalled is told to a viewer that kept others waiting.
var errStalled = errors.New("viewer took nothing for too long while others waited for the same content")

// body is content that one goroutine writes while viewers read it, each from
// its beginning. As long as it may be stored all of it is kept; once it is
// narrow, only what the slowest viewer has not read.
type body struct {
	mu      sync.Mutex
	content []byte // from offset base on
	base    int64
	end     error         // io.EOF, or why there is no more; nil = more to come
	changed chan struct{} // closed at the next change; nil when nobody waits
	narrow  bool
	readers []*reader
}

// reader is one viewer's view of a body.
type reader struct {
	ctx    context.Context
	body   *body
	offset int64
	lost   error  // why this reader gets no more
	leave  func() // tells the flight; nil once it has
}

func (b *body) join(ctx context.Context, leave func()) *reader {
	r := &reader{ctx: ctx, body: b, leave: leave}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.readers = append(b.readers, r)
	return r
}

// change wakes who waits. The caller holds b.mu.
func (b *body) change() {
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// wait returns what is closed at the next change. The caller holds b.mu.
func (b *body) wait() <-chan struct{} {
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.changed
}

func (b *body) finish(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end = err
	b.change()
}

func (r *reader) Read(p []byte) (int, error) {
	b := r.body
	for {
		b.mu.Lock()
		if r.lost != nil {
			b.mu.Unlock()
			return 0, r.lost
		}
		if at := int(r.offset - b.base); at < len(b.content) {
			n := copy(p, b.content[at:])
			r.offset += int64(n)
			if b.narrow {
				b.change()
			}
			b.mu.Unlock()
			return n, nil
		}
		if b.end != nil {
			err := b.end
			b.mu.Unlock()
			return 0, err
		}
		changed := b.wait()
		b.mu.Unlock()
		select {
		case <-changed:
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		}
	}
}

// Close gives up the content; the last viewer's ends the fetch.
func (r *reader) Close() error {
	b := r.body
	b.mu.Lock()
	leave := r.leave
	r.leave, r.lost = nil, errReadAfterClose
	b.readers = slices.DeleteFunc(b.readers, func(other *reader) bool { return other == r })
	b.change()
	b.mu.Unlock()
	if leave != nil {
		leave()
	}
	return nil
}

// write appends to a body that is kept. The caller has accounted for the room.
func (b *body) write(p []byte, capacity int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if capacity > cap(b.content) {
		b.content = append(make([]byte, 0, capacity), b.content...)
	}
	b.content = append(b.content, p...)
	b.change()
}

// pass appends to a narrow body, after waiting until there is room. It returns
// the context's error.
func (b *body) pass(ctx context.Context, p []byte) error {
	var timer *time.Timer
	defer func() {
		if timer != nil {
			timer.Stop()
		}
	}()
	var expired <-chan time.Time
	var mark int64
	for {
		b.mu.Lock()
		slowest, alone := b.trim()
		if len(b.content) < window {
			b.content = append(b.content, p...)
			b.change()
			b.mu.Unlock()
			return nil
		}
		if timer == nil || slowest != mark {
			if timer != nil {
				timer.Stop()
			}
			timer, mark = time.NewTimer(patience), slowest
			expired = timer.C
		}
		changed := b.wait()
		b.mu.Unlock()
		late := expired
		if alone {
			late = nil // nobody waits for it but the origin
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			b.drop(slowest)
			timer = nil
		}
	}
}

// trim lets go of what all have read, and returns where the slowest is and
// whether there is no other. The caller holds b.mu.
func (b *body) trim() (slowest int64, alone bool) {
	slowest = b.base + int64(len(b.content))
	for _, r := range b.readers {
		slowest = min(slowest, r.offset)
	}
	if read := slowest - b.base; read > 0 && len(b.content) >= window {
		b.content = b.content[:copy(b.content, b.content[read:])]
		b.base = slowest
	}
	return slowest, len(b.readers) < 2
}

// drop gives up the readers that stand at offset.
func (b *body) drop(offset int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.readers {
		if r.offset == offset {
			r.lost = errStalled
		}
	}
	b.readers = slices.DeleteFunc(b.readers, func(r *reader) bool { return r.lost != nil })
	b.change()
}

// solo is a stream that one viewer reads, and that is kept for the store as it
// passes by.
type solo struct {
	io.ReadCloser
	intake *intake
	done   func(whole bool)
}

func (s *solo) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if s.done == nil {
		return n, err
	}
	s.intake.take(p[:n])
	if s.intake.refused {
		s.intake.body = &body{} // lets go of what was kept
	}
	if err != nil {
		err = s.intake.check(err)
		s.finish(errors.Is(err, io.EOF))
	}
	return n, err
}

func (s *solo) Close() error {
	s.finish(false)
	return s.ReadCloser.Close()
}

func (s *solo) finish(whole bool) {
	if s.done != nil {
		s.done(whole)
		s.done = nil
	}
}

// intake accounts for content on its way into the store. It has one user.
type intake struct {
	cache     *Cache
	body      *body // where the content goes
	announced int64 // -1 = not
	seen      int64
	taken     int64 // bytes accounted for
	refused   bool  // it will not be stored
}

// take adds p if that has room, and gives all up if not.
func (in *intake) take(p []byte) {
	in.seen += int64(len(p))
	if in.refused || len(p) == 0 {
		return
	}
	if in.announced >= 0 && in.seen > in.announced || !in.reserve() {
		in.giveUp()
		return
	}
	in.body.write(p, int(in.taken))
}

// reserve accounts for content up to what was seen.
func (in *intake) reserve() bool {
	limit := in.cache.cfg.MaxObject
	if in.seen <= in.taken {
		return true
	}
	want := max(2*in.taken, in.seen, 4096)
	if in.announced >= 0 {
		want = max(min(want, in.announced), in.seen)
	}
	want = max(min(want, limit), in.seen)
	if want > limit || in.announced > limit {
		return false
	}
	in.cache.mu.Lock()
	defer in.cache.mu.Unlock()
	if !in.cache.store.room(want - in.taken) {
		return false
	}
	in.taken = want
	return true
}

func (in *intake) giveUp() {
	in.refused = true
	in.cache.mu.Lock()
	defer in.cache.mu.Unlock()
	in.settle()
}

// settle takes the content off the account. The caller holds the cache's lock.
func (in *intake) settle() {
	in.cache.store.coming -= in.taken
	in.taken = 0
}

// check turns the end of content that is not what was announced into an error.
func (in *intake) check(err error) error {
	if errors.Is(err, io.EOF) && in.announced >= 0 && in.seen != in.announced {
		return io.ErrUnexpectedEOF
	}
	return err
}
