package cache

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

const (
	// entryCost is charged for an entry beside its bytes: the structs, the map
	// slots, the header map, and what a policy remembers of the evicted.
	// fieldCost is charged per header field, lineCost per line of one. They
	// are measured, see TestChargedBytesAreTheMemory.
	entryCost = 896
	fieldCost = 48
	lineCost  = 32

	// maxVariants bounds how many responses of one object are kept.
	maxVariants = 64
)

// key tells objects apart, byte by byte: no other tenant's or host's object is
// ever served.
type key struct{ tenant, host, path string }

// object is all that is known of one key.
type object struct {
	key     key
	entries []*entry // responses, the newest first
	marker  *entry   // "hit-for-miss": nobody waits for anybody until it expires
	varies  []string // the fields by which the newest response varied
}

// entry is a stored response or, with a nil response, a marker.
type entry struct {
	item
	terms
	object        *object
	response      *Response
	variant       variant
	part          part      // of the whole, for a 206
	born, expires time.Time // born: when its age was zero
}

// fresh reports whether e answers at now without the origin's word.
func (e *entry) fresh(now time.Time) bool { return !e.noCache && now.Before(e.expires) }

// stale reports whether e may be used at now, for want of freshness, within
// span of its end.
func (e *entry) stale(now time.Time, span time.Duration) bool {
	return !e.strict && span > 0 && now.Before(e.expires.Add(span))
}

// store keeps entries within a number of bytes. It is not safe for concurrent
// use.
type store struct {
	capacity int64
	coming   int64 // bytes of content on its way into the store, part of the bound
	bytes    int64 // of the entries
	objects  int   // entries with a response
	evicted  int64 // of these, those that left for want of room
	policy   policy
	index    map[key]*object
}

func newStore(capacity int64, policyName string) (*store, error) {
	s := &store{capacity: capacity, index: make(map[key]*object)}
	var err error
	s.policy, err = newPolicy(policyName, func(i *item) {
		e := i.entry
		if e.response != nil {
			s.evicted++
		}
		s.forget(e)
	})
	return s, err
}

// find returns the newest entry of o that a request with header asks for.
func (o *object) find(header http.Header) *entry {
	if o == nil {
		return nil
	}
	for _, e := range o.entries {
		if e.part.whole() && e.variant.matches(header) {
			return e
		}
	}
	return nil
}

// marked reports whether viewers of o do not wait for each other.
func (o *object) marked(now time.Time) bool {
	return o != nil && o.marker != nil && now.Before(o.marker.expires)
}

// put stores e under k in the place of what answered the same requests, after
// making room. It reports whether e fits at all.
func (s *store) put(k key, e *entry) bool {
	s.displace(k, e)
	o := s.index[k]
	if o == nil {
		o = &object{key: k}
	}
	e.weight = sizeOf(k, e)
	budget := s.capacity - s.coming
	if e.weight > budget {
		return false
	}
	e.object, e.entry, e.id = o, e, identity(k, e)
	if e.response != nil {
		o.entries = slices.Insert(o.entries, 0, e)
		o.varies = e.variant.fields
		s.objects++
	} else {
		o.marker = e
	}
	s.index[k] = o
	s.bytes += e.weight
	s.policy.add(&e.item, budget)
	return e.object != nil // a policy may refuse
}

// displace removes what e replaces under k.
func (s *store) displace(k key, e *entry) {
	o := s.index[k]
	if o == nil {
		return
	}
	if o.marker != nil {
		s.remove(o.marker)
	}
	if e.response == nil {
		return
	}
	for _, old := range slices.Clone(o.entries) {
		if (e.part.whole() || e.part == old.part) && slices.Equal(old.variant.fields, e.variant.fields) && slices.Equal(old.variant.values, e.variant.values) {
			s.remove(old)
		}
	}
	if len(o.entries) >= maxVariants {
		s.remove(o.entries[len(o.entries)-1])
	}
}

// room makes room for content on its way. It reports whether there can be.
func (s *store) room(bytes int64) bool {
	if s.coming+bytes > s.capacity {
		return false
	}
	s.coming += bytes
	if s.bytes+s.coming > s.capacity {
		s.policy.add(nil, s.capacity-s.coming)
	}
	return true
}

// remove takes e out for another reason than want of room.
func (s *store) remove(e *entry) {
	if e.object == nil {
		return
	}
	s.policy.remove(&e.item)
	s.forget(e)
}

// removeAll takes out all that is known of k, and reports whether that was a
// response.
func (s *store) removeAll(k key) bool {
	o := s.index[k]
	if o == nil {
		return false
	}
	found := len(o.entries) > 0
	for _, e := range slices.Clone(o.entries) {
		s.remove(e)
	}
	if o.marker != nil {
		s.remove(o.marker)
	}
	return found
}

func (s *store) forget(e *entry) {
	o := e.object
	if o == nil {
		return
	}
	e.object = nil
	s.bytes -= e.weight
	if e.response == nil {
		o.marker = nil
	} else {
		s.objects--
		at := slices.Index(o.entries, e)
		o.entries = slices.Delete(o.entries, at, at+1)
	}
	if len(o.entries) == 0 && o.marker == nil {
		delete(s.index, o.key)
	}
}

// sizeOf charges content with its whole backing array: that is what stays.
func sizeOf(k key, e *entry) int64 {
	size := entryCost + int64(len(k.tenant)+len(k.host)+len(k.path))
	if e.response == nil {
		return size
	}
	for i, field := range e.variant.fields {
		size += fieldCost + int64(len(field)+len(e.variant.raw[i])+len(e.variant.values[i]))
	}
	return size + headerSize(e.response.Header) + headerSize(e.trailer()) + int64(cap(e.response.Body))
}

func headerSize(h http.Header) int64 {
	size := int64(0)
	for field, values := range h {
		size += fieldCost + int64(len(field))
		for _, value := range values {
			size += lineCost + int64(len(value))
		}
	}
	return size
}

func (e *entry) trailer() http.Header {
	if e.response.Trailer == nil {
		return nil
	}
	return e.response.Trailer()
}

// identity is the same whenever the same variant of the same object comes
// back: FNV-1a, the same in every process.
func identity(k key, e *entry) uint64 {
	hash := uint64(14695981039346656037)
	add := func(text string) {
		for i := range len(text) {
			hash = (hash ^ uint64(text[i])) * 1099511628211
		}
		hash = (hash ^ 0x100) * 1099511628211
	}
	add(k.tenant)
	add(k.host)
	add(k.path)
	for i, field := range e.variant.fields {
		add(field)
		add(e.variant.values[i])
	}
	if e.response == nil {
		add("marker")
	} else if !e.part.whole() {
		add(strconv.FormatInt(e.part.first, 10))
	}
	return hash
}
