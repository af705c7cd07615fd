package origin

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// pollEvery is how often a Journal looks at its file.
const pollEvery = 2 * time.Millisecond

// Journal reads an audit log that another process is still writing. It is safe
// for concurrent use.
type Journal struct {
	path string

	mu   sync.Mutex
	file logFile
	last map[netip.AddrPort]Entry
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
	err := j.file.follow(j.path, func(line []byte) error {
		entry, err := parseEntry(line)
		if err != nil {
			return err
		}
		j.last[entry.Peer] = entry
		return nil
	})
	if err != nil {
		return fmt.Errorf("audit log %w", err)
	}
	return nil
}
