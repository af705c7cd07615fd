package origin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// Verdicts and stages of an Entry.
const (
	Allowed = "allowed"
	Refused = "refused"

	StageTCP  = "tcp"  // refused on the socket address, before any byte
	StageTLS  = "tls"  // refused in the handshake
	StageHTTP = "http" // decided on the request
)

// Values of Entry.Protocol.
const (
	ProtocolH2 = "h2" // over TCP
	ProtocolH3 = "h3" // over QUIC
)

// Entry is one line of the audit log: a request, or a connection that was
// refused before it could make one.
type Entry struct {
	Time    time.Time      `json:"time"`
	Peer    netip.AddrPort `json:"peer"`             // socket address, unmapped, without zone
	Serial  string         `json:"serial,omitempty"` // of the client certificate, hexadecimal
	SAN     string         `json:"san,omitempty"`    // its URIs and DNS names, by commas
	TLS     string         `json:"tls,omitempty"`    // "1.2" or "1.3"
	Group   string         `json:"group,omitempty"`  // key exchange
	Resumed bool           `json:"resumed,omitempty"`
	// Protocol is ProtocolH2 or ProtocolH3; "" is HTTP/1.1.
	Protocol string `json:"protocol,omitempty"`
	Verdict  string `json:"verdict"`         // Allowed or Refused
	Stage    string `json:"stage"`           // where it was decided
	Proof    string `json:"proof,omitempty"` // the one proof found missing; "" when it never came to that
	Reason   string `json:"reason,omitempty"`
	SNI      string `json:"sni,omitempty"`
	Host     string `json:"host,omitempty"`
	Path     string `json:"path,omitempty"`
	Method   string `json:"method,omitempty"`
	Status   int    `json:"status,omitempty"` // HTTP; 0 when nothing was answered by the guard
}

// Level says which entries an audit log keeps.
type Level string

// The levels; "" means LevelAll.
const (
	LevelAll     Level = "all"
	LevelRefused Level = "refused"
	LevelOff     Level = "off"
)

// Audit writes entries as JSON lines, one Write each. It is safe for
// concurrent use.
type Audit struct {
	level Level

	mu   sync.Mutex
	w    io.Writer
	line []byte
	err  error
}

// NewAudit keeps the entries of a level. A nil writer keeps none.
func NewAudit(w io.Writer, level Level) (*Audit, error) {
	switch level {
	case "":
		level = LevelAll
	case LevelAll, LevelRefused, LevelOff:
	default:
		return nil, fmt.Errorf("unknown audit level %q: want all, refused or off", level)
	}
	if w == nil {
		level = LevelOff
	}
	return &Audit{level: level, w: w}, nil
}

// Keeps says whether an entry with this verdict would be written.
func (a *Audit) Keeps(verdict string) bool {
	return a.level == LevelAll || a.level == LevelRefused && verdict == Refused
}

// Record writes the entry, unless its level is not kept. A zero Time becomes
// the current one. A failed write is remembered: see Err.
func (a *Audit) Record(e *Entry) {
	if !a.Keeps(e.Verdict) {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.line = appendEntry(a.line[:0], e)
	if _, err := a.w.Write(a.line); err != nil && a.err == nil {
		a.err = fmt.Errorf("the audit log lost a line: %w", err)
	}
}

// Err returns the first error of a write, nil when no line was lost.
func (a *Audit) Err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// appendEntry is json.Marshal of an Entry and a newline, without reflection:
// it runs once for each request on the measured path.
func appendEntry(b []byte, e *Entry) []byte {
	b = append(b, `{"time":"`...)
	b = e.Time.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","peer":`...)
	b = appendPeer(b, e.Peer)
	b = appendField(b, "serial", e.Serial)
	b = appendField(b, "san", e.SAN)
	b = appendField(b, "tls", e.TLS)
	b = appendField(b, "group", e.Group)
	if e.Resumed {
		b = append(b, `,"resumed":true`...)
	}
	b = appendField(b, "protocol", e.Protocol)
	b = append(b, `,"verdict":`...)
	b = appendString(b, e.Verdict)
	b = append(b, `,"stage":`...)
	b = appendString(b, e.Stage)
	b = appendField(b, "proof", e.Proof)
	b = appendField(b, "reason", e.Reason)
	b = appendField(b, "sni", e.SNI)
	b = appendField(b, "host", e.Host)
	b = appendField(b, "path", e.Path)
	b = appendField(b, "method", e.Method)
	if e.Status != 0 {
		b = append(b, `,"status":`...)
		b = strconv.AppendInt(b, int64(e.Status), 10)
	}
	return append(b, "}\n"...)
}

// appendPeer takes the long way for a zone, which may hold any character.
func appendPeer(b []byte, peer netip.AddrPort) []byte {
	switch {
	case !peer.IsValid():
		return append(b, `""`...)
	case peer.Addr().Zone() != "":
		return appendString(b, peer.String())
	default:
		b = append(b, '"')
		b = peer.AppendTo(b)
		return append(b, '"')
	}
}

func appendField(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":`...)
	return appendString(b, value)
}

// maxField bounds what a caller can put into the log with one field, in bytes.
const maxField = 1024

// appendString writes a JSON string. Control characters are escaped, so that
// no caller can write a line of his own; what is no UTF-8 is replaced.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	s = clip(s)
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
			i++
		case c < ' ' || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			i++
		case c < utf8.RuneSelf:
			b = append(b, c)
			i++
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += size
		}
	}
	return append(b, '"')
}

func clip(s string) string {
	if len(s) <= maxField {
		return s
	}
	end := maxField
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// maxLine bounds one line of an audit log that is read, in bytes: every field
// at its longest, every byte escaped, fits.
const maxLine = 128 << 10

// ReadAudit reads a whole audit log. The error names the first line that is
// not an entry; a last line without its newline is one that is cut off.
func ReadAudit(r io.Reader) ([]Entry, error) {
	var entries []Entry
	lines := bufio.NewReaderSize(r, maxLine)
	for number := 1; ; number++ {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return entries, nil
		case errors.Is(err, io.EOF):
			return entries, fmt.Errorf("audit line %d is cut off", number)
		case errors.Is(err, bufio.ErrBufferFull):
			return entries, fmt.Errorf("audit line %d is longer than %d bytes", number, maxLine)
		case err != nil:
			return entries, fmt.Errorf("audit line %d: %w", number, err)
		}
		entry, err := parseEntry(line)
		if err != nil {
			return entries, fmt.Errorf("audit line %d: %w", number, err)
		}
		entries = append(entries, entry)
	}
}

func parseEntry(line []byte) (Entry, error) {
	var entry Entry
	decoder := json.NewDecoder(bytes.NewReader(line))
	if err := decoder.Decode(&entry); err != nil {
		return Entry{}, fmt.Errorf("not an entry: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Entry{}, errors.New("not an entry: more than one value on the line")
	}
	if entry.Verdict != Allowed && entry.Verdict != Refused {
		return Entry{}, fmt.Errorf("not an entry: unknown verdict %q", entry.Verdict)
	}
	return entry, nil
}
