package sim

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/wire"
)

// hopWorker is both ends of a hop with a distance, and the distance, in one
// process: edge and built-in origin with a wire.Path between them.
type hopWorker struct {
	edge   edgeWorker
	origin originWorker
	path   *wire.Path
	link   *LinkSummary // nil until the link is calibrated
	found  wire.Calibration
}

func (w *hopWorker) start(ctx context.Context, s *Start) (Answer, error) {
	if s.Far == nil {
		return Answer{}, fmt.Errorf("a worker that is %s needs both ends' part of the plan", RoleHop)
	}
	var err error
	if w.path, err = wire.Open(linkOf(&s.Arm.Settings.Link, s.Seed)); err != nil {
		return Answer{}, err
	}
	w.origin.sockets = w.sockets
	ready, err := w.origin.start(ctx, s.Far)
	if err != nil {
		return Answer{}, err
	}
	near := *s
	near.Origin, near.Source = farAddress, nearAddress
	w.edge.network = w.path
	if _, err := w.edge.start(ctx, &near); err != nil {
		return Answer{}, err
	}
	if s.Arm.Settings.Workload.Realtime {
		given := fmt.Sprintf("nice %d", hopNice)
		if err := hasten(); err != nil {
			given = "not given: " + err.Error()
		}
		w.edge.recorder.saw(results.EnvRealtime, given)
	}
	return ready, nil
}

// sockets are the origin's at the far side.
func (w *hopWorker) sockets(_ context.Context, quic bool) (net.Listener, net.PacketConn, error) {
	listener, err := w.path.Listen(farAddress)
	if err != nil || !quic {
		return listener, nil, err
	}
	packets, err := w.path.ListenPackets(farAddress)
	if err != nil {
		_ = listener.Close()
		return nil, nil, err
	}
	return listener, packets, nil
}

func (w *hopWorker) handle(ctx context.Context, c Command) (Answer, error) {
	switch c.Type {
	case msgBlock:
		return w.block(ctx, c)
	case msgDrain:
		answer, err := w.edge.handle(ctx, c)
		if err != nil {
			return Answer{}, err
		}
		far, err := w.origin.handle(ctx, c)
		if err != nil {
			return Answer{}, err
		}
		answer.Origin, answer.Link = far.Origin, w.link
		return answer, nil
	}
	return Answer{}, fmt.Errorf("a hop has no command %q", c.Type)
}

// block calibrates the link while it is still idle, and notes what it does in
// a block that counts.
func (w *hopWorker) block(ctx context.Context, c Command) (Answer, error) {
	if w.link == nil {
		if err := w.calibrate(ctx); err != nil {
			return Answer{}, err
		}
	}
	w.path.TakeStats()
	answer, err := w.edge.handle(ctx, c)
	if err != nil || c.Block == nil || c.Block.Discard {
		return answer, err
	}
	stats := w.path.TakeStats()
	w.link.add(stats, w.path.Judge(w.found, stats))
	return answer, nil
}

const (
	// calibrationTimeout bounds the probes of a link that loses most of them.
	calibrationTimeout = 15 * time.Second
	// calibrations are tried while the machine is busy with something else:
	// what the link does when left alone is wanted.
	calibrations = 4
)

// calibrate measures the idle link until it was left alone, and keeps the best.
func (w *hopWorker) calibrate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, calibrationTimeout)
	defer cancel()
	for i := range calibrations {
		found, err := w.path.Calibrate(ctx)
		if err != nil && i == 0 {
			return err
		}
		if err != nil {
			break // the time is over, and there is one
		}
		if i == 0 || found.Stats.LatenessP99 < w.found.Stats.LatenessP99 {
			w.found = found
		}
		if w.path.Judge(w.found, wire.LinkStats{}).Valid {
			break
		}
	}
	w.link = newLinkSummary(w.path.Link(), w.found)
	w.edge.apart = w.found.Realised
	return nil
}

func (w *hopWorker) close() {
	w.edge.close()
	w.origin.close()
	if w.path != nil {
		_ = w.path.Close()
	}
}
