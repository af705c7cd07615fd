package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/originpull/originpull/pki"
)

// refusal is the reload by which an origin stops trusting the edge's authority,
// as after a rotation that only one side made. A stranger's roots take the
// place of the edge's: the handshake fails, whatever the pin.
func refusal(s *Start) (*Reload, error) {
	stranger, err := pki.New(pki.Config{})
	if err != nil {
		return nil, fmt.Errorf("making an authority that the edge does not belong to: %w", err)
	}
	revoked, err := stranger.RevocationList()
	if err != nil {
		return nil, fmt.Errorf("making an authority that the edge does not belong to: %w", err)
	}
	c := s.Credentials
	c.Roots = map[string]string{credEdge: string(stranger.Roots())}
	c.RevocationLists = map[string]string{credEdge: string(revoked)}
	return &Reload{Policy: s.Arm.Policy, Credentials: c}, nil
}

// refuseLater has the origin refuse the edge once its time in a measured block
// has come. The function that it returns waits for that, or calls it off, and
// returns the error of the reload.
func (p *pair) refuseLater(ctx context.Context, b Block) (settle func() error) {
	worker, own := p.origin.(builtinEnd)
	if p.refuses == nil || b.Discard || !own {
		return func() error { return nil }
	}
	done, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		timer := time.NewTimer(time.Duration(p.arm.Settings.Origin.RefusesAfter))
		defer timer.Stop()
		select {
		case <-timer.C:
			_, err := worker.ask(ctx, Command{Type: msgReload, Reload: p.refuses})
			failed <- err
		case <-done:
			failed <- nil
		}
	}()
	return func() error {
		close(done)
		return <-failed
	}
}
