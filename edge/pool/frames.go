package pool

import (
	"encoding/binary"
	"time"
)

// What this package reads of HTTP/2's framing (RFC 9113, sections 4 and 6).
const (
	frameHeader = 9 // bytes: length, type, flags, stream

	frameHeaders  = 0x1
	frameReset    = 0x3
	frameSettings = 0x4
	frameGoAway   = 0x7

	settingsAck          = 0x1 // flag of frameSettings
	settingMaxConcurrent = 0x3
	settingLength        = 6

	codeRefused = 0x7 // REFUSED_STREAM: nothing was done with the request

	maxFrameKept = 16 << 10 // bytes of a payload; no frame is longer by default
)

// frame is one that was seen.
type frame struct {
	kind, flags byte
	stream      uint32
	payload     []byte    // of frameReset, frameSettings and frameGoAway alone; valid until the next
	began       time.Time // when its first byte passed
}

// frames follows the frames of one direction of a connection. It only looks:
// what is no HTTP/2 at all makes some sequence of frames, and is refused by the
// codec that reads the same bytes.
type frames struct {
	skip    int // bytes that come before the first frame
	header  [frameHeader]byte
	have    int // bytes of the header seen
	left    int // bytes of the payload still to come
	payload []byte
	began   time.Time
}

// scan passes the frames of p to take: as soon as its header is complete, or,
// when the payload is kept, as soon as that is.
func (f *frames) scan(p []byte, at time.Time, take func(frame)) {
	for len(p) > 0 {
		switch {
		case f.skip > 0:
			n := min(f.skip, len(p))
			f.skip -= n
			p = p[n:]
		case f.have < frameHeader:
			if f.have == 0 {
				f.began = at
			}
			n := copy(f.header[f.have:], p)
			f.have += n
			p = p[n:]
			if f.have == frameHeader {
				f.start(take)
			}
		default:
			n := min(f.left, len(p))
			if f.keeps() {
				f.payload = append(f.payload, p[:min(n, maxFrameKept-len(f.payload))]...)
			}
			f.left -= n
			p = p[n:]
			if f.left == 0 {
				f.end(take)
			}
		}
	}
}

func (f *frames) keeps() bool {
	kind := f.header[3]
	return kind == frameReset || kind == frameSettings || kind == frameGoAway
}

func (f *frames) start(take func(frame)) {
	f.left = int(f.header[0])<<16 | int(f.header[1])<<8 | int(f.header[2])
	f.payload = f.payload[:0]
	if !f.keeps() {
		take(f.frame())
	}
	if f.left == 0 {
		f.end(take)
	}
}

func (f *frames) end(take func(frame)) {
	if f.keeps() {
		take(f.frame())
	}
	f.have = 0
}

func (f *frames) frame() frame {
	const reserved = 1 << 31
	return frame{
		kind: f.header[3], flags: f.header[4], payload: f.payload, began: f.began,
		stream: binary.BigEndian.Uint32(f.header[5:]) &^ reserved,
	}
}

// maxConcurrent returns the last SETTINGS_MAX_CONCURRENT_STREAMS of a
// payload, and whether there is one.
func (f frame) maxConcurrent() (limit uint32, found bool) {
	for p := f.payload; len(p) >= settingLength; p = p[settingLength:] {
		if binary.BigEndian.Uint16(p) == settingMaxConcurrent {
			limit, found = binary.BigEndian.Uint32(p[2:]), true
		}
	}
	return limit, found
}

// word is the n-th 32-bit word of the payload; 0 where that is too short.
func (f frame) word(n int) uint32 {
	if len(f.payload) < 4*n+4 {
		return 0
	}
	return binary.BigEndian.Uint32(f.payload[4*n:])
}
