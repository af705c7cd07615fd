package wire

// recordHeader is the length of a TLS record's header: content type, legacy
// version, and the length of what follows (RFC 8446, section 5.1).
const recordHeader = 5

// recordCutter follows the record boundaries of a TLS byte stream. It is used
// for framing only: what is no TLS at all is cut somewhere, and refused by
// the TLS library that reads it.
type recordCutter struct {
	offset int64 // bytes handed out
	header [recordHeader]byte
	have   int   // bytes of the header seen
	left   int   // bytes of the body still to come
	start  int64 // where the record in progress began
	last   int64 // where the last complete record began
}

// cut returns how many of the bytes that follow may be handed out: up to and
// including the end of the record in progress.
func (r *recordCutter) cut(p []byte) int {
	used := 0
	if r.have < recordHeader {
		if r.have == 0 && len(p) > 0 {
			r.start = r.offset
		}
		n := copy(r.header[r.have:], p)
		r.have += n
		used += n
		if r.have == recordHeader {
			r.left = int(r.header[3])<<8 | int(r.header[4])
		}
	}
	if r.have == recordHeader {
		n := min(r.left, len(p)-used)
		r.left -= n
		used += n
		if r.left == 0 {
			r.last, r.have = r.start, 0
		}
	}
	r.offset += int64(used)
	return used
}

// partial reports whether a record has begun but not ended.
func (r *recordCutter) partial() bool { return r.have > 0 }
