package origin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"sync"
	"time"
)

// pollEvery is how often a Journal looks at its file.
const pollEvery = 2 * time.Millisecond

// Journal reads an audit log that another process is still writing. It is safe
// for concurrent use.
type Journal struct {
	path string

	mu     sync.Mutex
	offset int64
	part   []byte // of a line whose end is not written yet
	lines  int
	last   map[netip.AddrPort]Entry
}

// OpenJournal follows the audit log in the named file, which need not exist
// yet. It holds no file open between looks, so there is nothing to close.
func OpenJournal(path string) *Journal {
	return &Journal{path: path, last: map[netip.AddrPort]Entry{}}
}

// Await returns the last entry of a peer's socket address, waiting for the
// first until ctx ends. An entry of a request is in the log before its reply
// can be read; that of a failed handshake may follow the alert.
func (j *Journal) Await(ctx context.Context, peer netip.AddrPort) (Entry, error) {
	peer = netip.AddrPortFrom(plainAddr(peer.Addr()), peer.Port())
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		entry, found, err := j.look(peer)
		if found || err != nil {
			return entry, err
		}
		select {
		case <-ctx.Done():
			return Entry{}, fmt.Errorf("no entry of %s in audit log %s: %w", peer, j.path, ctx.Err())
		case <-ticker.C:
		}
	}
}

func (j *Journal) look(peer netip.AddrPort) (Entry, bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.read(); err != nil {
		return Entry{}, false, err
	}
	entry, found := j.last[peer]
	return entry, found, nil
}

// read takes in what the file grew by.
func (j *Journal) read() error {
	file, err := os.Open(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	grown, err := io.ReadAll(io.NewSectionReader(file, j.offset, 1<<62-j.offset))
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("audit log %s: %w", j.path, err)
	}
	j.offset += int64(len(grown))
	j.part = append(j.part, grown...)
	for {
		line, rest, whole := bytes.Cut(j.part, []byte("\n"))
		if !whole {
			return nil
		}
		j.part = rest
		j.lines++
		entry, err := parseEntry(line)
		if err != nil {
			return fmt.Errorf("audit log %s, line %d: %w", j.path, j.lines, err)
		}
		j.last[entry.Peer] = entry
	}
}
