package origin

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// ledger is what a server's logs tell, read as they grow.
type ledger struct {
	counts  Counts
	last    map[netip.AddrPort]Entry
	entries []Entry
	// known are connections that have been counted and may be named again, by
	// whatever the server calls them.
	known map[string]bool
	files map[string]*logFile
	// reasons are what was said of a peer before its connection is counted.
	reasons map[netip.AddrPort]string
	// failed is whose handshake failed on the line before.
	failed netip.AddrPort
	// opened are the TLS connections that the server wrote down at accept.
	opened int64
	// size is that of the object, in bytes; keep keeps all entries.
	size int64
	keep bool
	// plain and control are the addresses of those listeners, as logs have them.
	plain, control string
}

func newLedger(c Config) *ledger {
	return &ledger{
		last: map[netip.AddrPort]Entry{}, known: map[string]bool{}, files: map[string]*logFile{},
		reasons: map[netip.AddrPort]string{}, size: c.Response.Size, keep: c.Audit != nil,
	}
}

// follow hands what a log grew by to parse, line by line.
func (l *ledger) follow(dir, name string, parse func(string) error) error {
	at := l.files[name]
	if at == nil {
		at = &logFile{}
		l.files[name] = at
	}
	err := at.follow(filepath.Join(dir, name), func(line []byte) error { return parse(string(line)) })
	if err != nil {
		return fmt.Errorf("log %w", err)
	}
	return nil
}

// request is one line of an access log.
type request struct {
	entry Entry
	// connection is what the server calls it; unique while it is kept in known.
	connection string
	plain      bool // without TLS
	// handshakeFailed: there was none, and the line is about a handshake.
	handshakeFailed bool
	// silent: the connection ended without a request.
	silent bool
	// told: the server says of a silent connection how its handshake ended.
	told    bool
	noHello bool
	bytes   int64 // of body, headers excluded
}

// add takes one line in.
func (l *ledger) add(r request) {
	if !l.known[r.connection] {
		l.known[r.connection] = true
		l.open(r)
	}
	if r.silent || r.noHello {
		return
	}
	if !r.handshakeFailed {
		l.counts.Requests++
		if r.entry.Verdict == Allowed {
			l.counts.Bytes += r.bytes
		}
	}
	l.last[r.entry.Peer] = r.entry
	if l.keep {
		l.entries = append(l.entries, r.entry)
	}
}

// amend says what was missing of the peer whose entry is the newest.
func (l *ledger) amend(peer netip.AddrPort, missing Proof, reason string) {
	e := l.last[peer]
	e.Proof, e.Reason = missing.String(), reason
	l.last[peer] = e
	if n := len(l.entries); n > 0 && l.entries[n-1].Peer == peer {
		l.entries[n-1] = e
	}
}

func (l *ledger) open(r request) {
	switch {
	case r.noHello:
		l.counts.NoHello++
	case r.handshakeFailed:
		l.counts.Failed++
	case r.plain:
		l.counts.Plain++
	case r.silent && !r.told:
		l.counts.Untold++
	case r.entry.Resumed:
		l.counts.Resumed++
	default:
		l.counts.Full++
	}
}

// protocolName is Entry.Protocol by what servers write into their logs.
func protocolName(text string) string {
	switch text {
	case "HTTP/2.0":
		return ProtocolH2
	case "HTTP/3.0":
		return ProtocolH3
	default:
		return ""
	}
}

// judge fills in the verdict that a status means.
func judge(e *Entry) {
	e.Stage = StageHTTP
	if e.Status >= 200 && e.Status < 400 {
		e.Verdict = Allowed
		return
	}
	e.Verdict = Refused
	if e.Proof == "" && e.Status == 421 {
		e.Proof = Authority.String()
	}
	if e.Reason == "" {
		e.Reason = fmt.Sprintf("status %d", e.Status)
	}
}

// certificateProof says which proof was missing by what OpenSSL and crypto/x509
// call it; Chain for everything else that is wrong with a certificate.
func certificateProof(reason string) Proof {
	reason = strings.ToLower(reason)
	for _, known := range []struct {
		part  string
		proof Proof
	}{
		{"invalid signature by the client", Possession},
		{"expired", Validity},
		{"not yet valid", Validity},
		{"revoked", Freshness},
		{"purpose", Purpose},
		{"incompatible key usage", Purpose},
	} {
		if strings.Contains(reason, known.part) {
			return known.proof
		}
	}
	return Chain
}

// fields splits a line of our own log formats: by tabs, "-" for nothing.
func fields(line string, n int) ([]string, error) {
	f := strings.Split(line, "\t")
	if len(f) != n {
		return nil, fmt.Errorf("%d fields, want %d: %q", len(f), n, clip(line))
	}
	for i := range f {
		if f[i] == "-" {
			f[i] = ""
		}
	}
	return f, nil
}

// peerAt reads address and port as logs write them.
func peerAt(address, port string) (netip.AddrPort, error) {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("peer: %w", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("peer: %w", err)
	}
	return netip.AddrPortFrom(plainAddr(addr), uint16(number)), nil
}

// numbers reads a status and a size; nothing is zero.
func numbers(status, size string) (int, int64, error) {
	var code int
	var bytes int64
	var err error
	if status != "" {
		if code, err = strconv.Atoi(status); err != nil {
			return 0, 0, fmt.Errorf("status: %w", err)
		}
	}
	if size != "" {
		if bytes, err = strconv.ParseInt(size, 10, 64); err != nil {
			return 0, 0, fmt.Errorf("size: %w", err)
		}
	}
	return code, bytes, nil
}
