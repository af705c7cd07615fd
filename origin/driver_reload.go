package origin

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/originpull/originpull/pki"
)

// The listeners beside the TLS port: see Setup.Sides.
const (
	SidePlain = "plain" // HTTP without TLS
	SideV6    = "v6"    // TLS on [::1]
)

// Opens says whether the driver knows how to open a listener beside the TLS
// port.
func (d Driver) Opens(side string) bool { return slices.Contains(d.sides, side) }

// PublicHosts says whether the driver writes public hosts beside the protected
// one.
func (d Driver) PublicHosts() bool { return d.publicHosts }

// Reloads says whether a running server takes another policy: see
// Running.Reload.
func (d Driver) Reloads() bool { return d.reload != "" }

// Side is where else the server listens; the zero value where it does not.
func (r *Running) Side(name string) netip.AddrPort {
	switch {
	case !r.Sides:
		return netip.AddrPort{}
	case name == SidePlain:
		return r.plain
	case name == SideV6:
		return r.v6
	default:
		return netip.AddrPort{}
	}
}

// reloadSettles bounds the wait for the processes of the old configuration.
const reloadSettles = 5 * time.Second

// Reload writes another policy and other credentials, and has the server read
// them. It returns when the processes of the old configuration have ended, or
// with what the server said when it refused and stayed as it was. The mistake
// of checking revocation at handshakes only is, on a server, that the list is
// replaced on disk and nobody tells the server.
func (r *Running) Reload(ctx context.Context, p Policy, c pki.Credentials) error {
	if !r.driver.Reloads() {
		return fmt.Errorf("server %s: it reads its policy at the start", r.driver.Name)
	}
	before, err := r.Pids()
	if err != nil {
		return fmt.Errorf("server %s: reload: %w", r.driver.Name, err)
	}
	said, err := r.rewrite(p, c)
	if err != nil {
		return fmt.Errorf("server %s: reload: %w", r.driver.Name, err)
	}
	if p.Mistake == "handshake-only-revocation" {
		return nil
	}
	if err := r.process.Signal(gracefully[r.driver.reload]); err != nil {
		return fmt.Errorf("server %s: reload: %w", r.driver.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, reloadSettles)
	defer cancel()
	if err := r.awaitReload(ctx, said, before); err != nil {
		return fmt.Errorf("server %s: reload: %w", r.driver.Name, err)
	}
	return nil
}

// rewrite puts another setup into the folder, and returns the length of the
// error log so far.
func (r *Running) rewrite(p Policy, c pki.Credentials) (said int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return 0, errors.New("it has stopped")
	}
	r.Config.Policy, r.Config.Credentials = p, c
	r.unchecked, r.secretRule, r.certificateRule = true, exactSecret, requireCertificate
	r.ready = "/ready-" + rand.Text()
	known := r.secrets
	r.secrets = nil
	if err := r.prepare(); err != nil {
		return 0, err
	}
	if _, err := r.driver.render(r.rendering); err != nil {
		return 0, err
	}
	// Output hides the old secrets too.
	r.hidden = append(r.hidden, known...)
	if err := giveAway(r.dir); err != nil {
		return 0, fmt.Errorf("private folder: %w", err)
	}
	info, err := os.Stat(filepath.Join(r.dir, errorFile))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// awaitReload waits until the new configuration answers and the old processes,
// all but the first, have ended.
func (r *Running) awaitReload(ctx context.Context, said int64, before []int) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		if refusal := r.refusedSince(said); refusal != "" {
			return fmt.Errorf("it stays as it was: %s", refusal)
		}
		if status, _, err := r.askControl(ctx, r.ready); err == nil && status == http.StatusNoContent {
			now, err := r.Pids()
			if err != nil {
				return err
			}
			old := slices.ContainsFunc(before, func(pid int) bool { return pid != r.process.Pid && slices.Contains(now, pid) })
			if !old {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the processes of the old configuration are still there: %w", ctx.Err())
		case <-ticker.C:
		}
	}
}

// refusedSince looks for the refusal of a configuration in the error log, from
// an offset in bytes on.
func (r *Running) refusedSince(offset int64) string {
	text, err := os.ReadFile(filepath.Join(r.dir, errorFile))
	if err != nil || int64(len(text)) <= offset {
		return ""
	}
	for line := range bytes.Lines(text[offset:]) {
		if bytes.Contains(line, []byte("[emerg]")) {
			return tail(bytes.ReplaceAll(line, []byte(r.dir+"/"), nil))
		}
	}
	return ""
}
