package proxy

import "bytes"

// scanner reads along with what frames HTTP/1.1 requests (RFC 9112), and
// accepts one way of framing each. What it accepts has one meaning to every
// reader.
type scanner struct {
	state   state
	line    []byte // of a line that has come in parts
	left    int64  // bytes of content or of a chunk that are skipped
	length  int64  // of the request's content, -1 = not said
	chunked bool
	coding  bool // there is a Transfer-Encoding
	strange bool // and it is not chunked: net/http answers 501 and closes
	old     bool // HTTP/1.0
	fresh   bool // feed returned where a line begins
}

type state uint8

const (
	atRequest  state = iota // a request line is next
	atField                 // a header line
	atContent               // content of known length
	atSize                  // a chunk's size
	atChunk                 // a chunk's content
	atChunkEnd              // the line end after it
	atTrailer               // a trailer line
	atNothing               // what follows is not read
)

// lineKept is how much of a line is looked at, in bytes: net/http bounds how
// long it may be.
const lineKept = 16 << 10

// reading reports whether a header has begun and is not at its end.
func (s *scanner) reading() bool {
	return s.state == atField || s.state == atRequest && len(s.line) > 0
}

// feed takes what was read next. It returns -1, or the position from which on
// it must not be read.
func (s *scanner) feed(b []byte) int {
	for at := 0; at < len(b); {
		switch s.state {
		case atNothing:
			return at
		case atContent, atChunk:
			n := min(int64(len(b)-at), s.left)
			at += int(n)
			if s.left -= n; s.left == 0 {
				s.state++ // atChunk is followed by atChunkEnd
				if s.state == atSize {
					s.begin()
				}
			}
			continue
		default:
		}
		s.fresh = len(s.line) == 0
		end := bytes.IndexByte(b[at:], '\n')
		if end < 0 {
			if s.hold(b[at:]) {
				return -1
			}
			return at
		}
		line := b[at : at+end]
		if len(s.line) > 0 {
			if !s.hold(line) {
				return at
			}
			line = s.line
		}
		if !s.take(line) {
			s.fresh = s.fresh && end == 0
			return at + end
		}
		s.line = s.line[:0]
		at += end + 1
	}
	return -1
}

// hold keeps a part of a line. It reports whether that may go on.
func (s *scanner) hold(part []byte) bool {
	if len(s.line) == 0 && len(part) > 0 && (part[0] == ' ' || part[0] == '\t') && (s.state == atField || s.state == atTrailer) {
		return false // a folded line
	}
	if len(s.line)+len(part) > lineKept {
		s.line = append(s.line, part[:max(0, lineKept-len(s.line))]...)
		return s.state == atRequest || s.state == atField // net/http says what is too long
	}
	s.line = append(s.line, part...)
	return true
}

func (s *scanner) begin() { *s = scanner{line: s.line[:0], length: -1} }

// take reads a line, without its LF.
func (s *scanner) take(line []byte) bool {
	if len(line) == 0 || line[len(line)-1] != '\r' {
		return false
	}
	line = line[:len(line)-1]
	for _, c := range line {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	switch s.state {
	case atRequest:
		return s.request(line)
	case atField:
		if len(line) == 0 {
			return s.headerEnd()
		}
		return s.field(line)
	case atSize:
		return s.size(line)
	case atChunkEnd:
		s.state = atSize
		return len(line) == 0
	case atTrailer:
		if len(line) == 0 {
			s.begin()
			return true
		}
		_, _, ok := splitField(line)
		return ok
	default:
		return false
	}
}

func (s *scanner) request(line []byte) bool {
	s.begin()
	s.state = atField
	s.old = bytes.HasSuffix(line, []byte(" HTTP/1.0"))
	// HTTP/2's preface would have net/http speak it.
	return len(line) > 0 && !bytes.HasPrefix(line, []byte("PRI "))
}

func (s *scanner) field(line []byte) bool {
	name, value, ok := splitField(line)
	if !ok {
		return false
	}
	switch {
	case bytes.EqualFold(name, []byte("Content-Length")):
		length, ok := parseNumber(value, 10, 18)
		if !ok || s.length >= 0 {
			return false
		}
		s.length = length
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		if s.coding {
			return false
		}
		s.coding = true
		s.chunked = bytes.EqualFold(value, []byte("chunked"))
		s.strange = !s.chunked
	}
	return true
}

// headerEnd decides how the content is framed.
func (s *scanner) headerEnd() bool {
	switch {
	case s.coding && (s.length >= 0 || s.old):
		return false
	case s.strange:
		s.state = atNothing
	case s.chunked:
		s.state = atSize
	case s.length > 0:
		s.state, s.left = atContent, s.length
	default:
		s.begin()
	}
	return true
}

func (s *scanner) size(line []byte) bool {
	digits, _, _ := bytes.Cut(line, []byte(";"))
	size, ok := parseNumber(bytes.TrimRight(digits, " \t"), 16, 15)
	if !ok {
		return false
	}
	if s.state, s.left = atChunk, size; size == 0 {
		s.state = atTrailer
	}
	return true
}

func splitField(line []byte) (name, value []byte, ok bool) {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return nil, nil, false
	}
	for _, c := range line[:colon] {
		if !tokens[c] {
			return nil, nil, false
		}
	}
	return line[:colon], bytes.Trim(line[colon+1:], " \t"), true
}

// tokens are the characters of a token (RFC 9110, section 5.6.2).
var tokens = func() (set [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		set[c] = true
	}
	return set
}()

// parseNumber reads one or more digits, at most so many.
func parseNumber(text []byte, base int64, most int) (int64, bool) {
	n := int64(0)
	for _, c := range text {
		digit := int64(c - '0')
		switch {
		case '0' <= c && c <= '9':
		case base == 16 && 'a' <= c|0x20 && c|0x20 <= 'f':
			digit = int64(c|0x20-'a') + 10
		default:
			return 0, false
		}
		n = n*base + digit
	}
	return n, len(text) > 0 && len(text) <= most
}
