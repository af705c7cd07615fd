package origin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Running is a real server that answers. Its methods are safe for concurrent
// use.
type Running struct {
	*rendering
	driver  Driver
	process *os.Process
	exited  chan struct{} // closed after waitErr is set
	waitErr error
	asked   atomic.Int64 // connections we made to the control listener

	mu      sync.Mutex // guards what follows
	hidden  []string   // secrets of earlier policies
	ledger  *ledger
	stopped bool
	// final is what was said when the folder was removed.
	final    string
	accepted int64 // -1: not known
}

// Address is the TLS listener.
func (r *Running) Address() netip.AddrPort { return r.tls }

// PlainAddress is the baseline's listener; the zero value without one.
func (r *Running) PlainAddress() netip.AddrPort { return r.plain }

// Installed is the server that runs.
func (r *Running) Installed() Installed { return r.found }

// Pids lists every process of the server, the one that was started first. All
// of them together are what its CPU is charged to.
func (r *Running) Pids() ([]int, error) { return groupPids(r.process.Pid) }

// Exited is closed when the server has ended, by Stop or by itself: then
// Output says why.
func (r *Running) Exited() <-chan struct{} { return r.exited }

// ExitText is how the server's process ended: "signal: killed", say; "" while
// it runs.
func (r *Running) ExitText() string {
	select {
	case <-r.exited:
		return exitText(r.waitErr)
	default:
		return ""
	}
}

// outputLimit bounds what is kept of a server's words, in bytes.
const outputLimit = 4 << 10

// tail is the end of a text, on one line.
func tail(text []byte) string {
	text = bytes.TrimSpace(text)
	if len(text) > outputLimit {
		text = text[len(text)-outputLimit:]
	}
	return strings.Join(strings.FieldsFunc(string(text), func(c rune) bool { return c == '\n' || c == '\r' }), "; ")
}

// Output is the last that the server said, without its secrets: what it
// printed, else what it wrote into its error log.
func (r *Running) Output() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.output()
}

func (r *Running) output() string {
	if r.stopped {
		return r.final
	}
	for _, name := range []string{outputFile, errorFile} {
		text, err := os.ReadFile(filepath.Join(r.dir, name))
		said := tail(text)
		if err != nil || said == "" {
			continue
		}
		for _, secret := range slices.Concat(r.secrets, r.hidden) {
			said = strings.ReplaceAll(said, secret, "(secret)")
		}
		return strings.ReplaceAll(said, r.dir+"/", "")
	}
	return "nothing"
}

// Counts returns what became of the connections to both listeners, as far as
// the server has written it down. After Stop it is final; before that the
// newest connections may be missing. Driver.CannotTell says what is never in it.
func (r *Running) Counts(ctx context.Context) (Counts, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.read(ctx); err != nil {
		return Counts{}, fmt.Errorf("server %s: %w", r.driver.Name, err)
	}
	counts := r.ledger.counts
	counts.Accepted = counts.Ended()
	if r.driver.accepted != nil && r.accepted >= 0 {
		counts.Accepted = r.accepted
	}
	if r.driver.opened {
		counts.Accepted = r.ledger.opened + counts.Plain
		counts.Untold = max(0, counts.Accepted-counts.Ended())
	}
	return counts, nil
}

// Await returns the last audit entry of a peer's socket address, waiting for
// the first until ctx ends.
func (r *Running) Await(ctx context.Context, peer netip.AddrPort) (Entry, error) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		entry, found, err := r.look(peer)
		if found || err != nil {
			return entry, err
		}
		select {
		case <-ctx.Done():
			return Entry{}, fmt.Errorf("server %s wrote nothing about %s: %w", r.driver.Name, peer, ctx.Err())
		case <-ticker.C:
		}
	}
}

func (r *Running) look(peer netip.AddrPort) (Entry, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.readLogs(); err != nil {
		return Entry{}, false, fmt.Errorf("server %s: %w", r.driver.Name, err)
	}
	entry, found := r.ledger.last[peer]
	return entry, found, nil
}

// read takes in counter and logs. A server that has died has no counter.
func (r *Running) read(ctx context.Context) error {
	if r.stopped {
		return nil
	}
	r.accepted = -1
	if r.driver.accepted != nil {
		select {
		case <-r.exited:
		default:
			accepted, refused, err := r.driver.accepted(ctx, r)
			if err != nil {
				return fmt.Errorf("connection counter: %w", err)
			}
			r.accepted, r.ledger.counts.Refused = accepted, refused
		}
	}
	return r.readLogs()
}

func (r *Running) readLogs() error {
	if r.stopped {
		return nil
	}
	for _, name := range r.driver.logs {
		err := r.ledger.follow(r.dir, name, func(line string) error {
			return r.driver.parse(r.ledger, name, line)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// stopWithin bounds each of the two ways to end a server.
const stopWithin = 3 * time.Second

// Stop ends the server, gracefully and then not, reads its logs to their end,
// writes the audit log and removes the folder. It returns when no process of
// the server is left. Stopping twice is no error.
func (r *Running) Stop(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return nil
	}
	readErr := r.read(ctx)
	accepted := r.accepted
	endErr := r.end()
	if err := r.readLogs(); err != nil {
		readErr = errors.Join(readErr, err)
	}
	r.accepted = accepted
	r.final, r.stopped = r.output(), true
	err := errors.Join(readErr, endErr, r.writeAudit(), os.RemoveAll(r.dir), r.owner.Close())
	if err != nil {
		return fmt.Errorf("stop server %s: %w", r.driver.Name, err)
	}
	return nil
}

func (r *Running) writeAudit() error {
	audit, err := NewAudit(r.Config.Audit, r.Config.AuditLevel)
	if err != nil {
		return err
	}
	for i := range r.ledger.entries {
		audit.Record(&r.ledger.entries[i])
	}
	return audit.Err()
}

// end leaves no process of the group.
func (r *Running) end() error {
	if r.process == nil {
		return nil
	}
	select {
	case <-r.exited:
	default:
		// A process that has ended just now needs no signal.
		_ = r.process.Signal(gracefully[r.driver.quit])
		timer := time.NewTimer(stopWithin)
		defer timer.Stop()
		select {
		case <-r.exited:
		case <-timer.C:
		}
	}
	if err := killGroup(r.process.Pid); err != nil {
		return err
	}
	<-r.exited
	return r.awaitEmpty()
}

// awaitEmpty waits for children that the kernel is still taking down.
func (r *Running) awaitEmpty() error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for deadline := time.Now().Add(stopWithin); ; <-ticker.C {
		pids, err := groupPids(r.process.Pid)
		if err != nil || len(pids) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v are still there", pids)
		}
	}
}
