package cache

import "time"

const (
	// entryCost is charged for an entry beside its bytes: the structs, the map
	// slot and the header map. fieldCost is charged per header line.
	entryCost = 256
	fieldCost = 32
)

// key tells objects apart, byte by byte: no other host's object is ever served.
type key struct{ host, path string }

// entry is a stored response or, with a nil response, the marker that the
// object turned out uncacheable ("hit-for-miss").
type entry struct {
	key           key
	response      *Response
	born, expires time.Time // born: when its age was zero
	size          int64
	newer, older  *entry
}

// store keeps entries within a number of bytes, the least recently used ones
// leaving first. It is not safe for concurrent use.
type store struct {
	capacity int64
	entries  map[key]*entry
	ring     entry // ring.older is the newest, ring.newer the oldest
	bytes    int64
	objects  int   // entries with a response
	evicted  int64 // objects that left for want of room
}

func newStore(capacity int64) *store {
	s := &store{capacity: capacity, entries: make(map[key]*entry)}
	s.ring.newer, s.ring.older = &s.ring, &s.ring
	return s
}

// get returns the entry of k that is current at now, as the newest, and nil
// when there is none. An expired entry is removed: nothing revalidates yet.
func (s *store) get(k key, now time.Time) *entry {
	e := s.entries[k]
	if e == nil {
		return nil
	}
	if !now.Before(e.expires) {
		s.remove(e)
		return nil
	}
	e.unlink()
	s.link(e)
	return e
}

// put stores e in the place of what its key had, after making room, so that
// the bound holds at every moment. It reports whether e fits at all.
func (s *store) put(e *entry) bool {
	s.delete(e.key)
	e.size = sizeOf(e)
	if e.size > s.capacity {
		return false
	}
	for s.bytes+e.size > s.capacity {
		oldest := s.ring.newer
		if oldest.response != nil {
			s.evicted++
		}
		s.remove(oldest)
	}
	s.entries[e.key] = e
	s.link(e)
	s.bytes += e.size
	if e.response != nil {
		s.objects++
	}
	return true
}

func (s *store) delete(k key) {
	if e := s.entries[k]; e != nil {
		s.remove(e)
	}
}

func (s *store) remove(e *entry) {
	e.unlink()
	delete(s.entries, e.key)
	s.bytes -= e.size
	if e.response != nil {
		s.objects--
	}
}

func (s *store) link(e *entry) {
	e.newer, e.older = &s.ring, s.ring.older
	e.older.newer, s.ring.older = e, e
}

func (e *entry) unlink() {
	e.newer.older, e.older.newer = e.older, e.newer
	e.newer, e.older = nil, nil
}

// sizeOf charges a body with its whole backing array: that is what stays.
func sizeOf(e *entry) int64 {
	size := entryCost + int64(len(e.key.host)+len(e.key.path))
	if e.response == nil {
		return size
	}
	for field, values := range e.response.Header {
		size += int64(len(field))
		for _, value := range values {
			size += fieldCost + int64(len(value))
		}
	}
	return size + int64(cap(e.response.Body))
}
