package sim

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/wire"
)

// hopWorker is both ends of a hop with a distance, and the distance, in one
// process: edge and built-in origin with wire.Paths between them.
type hopWorker struct {
	edge       edgeWorker
	origin     originWorker
	server     *serverEnd // in place of origin: a real server
	congestion string     // what that sends by
	spans      []*span    // one, or one for each named point of presence
	calibrated bool
}

// span is one path with what is known of it.
type span struct {
	path  *wire.Path
	found wire.Calibration
	link  LinkSummary
}

func (w *hopWorker) start(ctx context.Context, s *Start) (Answer, error) {
	if s.Far == nil {
		return Answer{}, fmt.Errorf("a worker that is a %s needs both ends' part of the plan", RoleHop)
	}
	settings := &s.Arm.Settings
	for i, rtt := range settings.Distances() {
		link := linkOf(&settings.Link, s.Seed+uint64(i))
		link.RTT = rtt
		path, err := wire.Open(link)
		if err != nil {
			return Answer{}, err
		}
		w.spans = append(w.spans, &span{path: path})
		w.edge.sites = append(w.edge.sites, wire.Dialer{Network: path, Source: nearAddress(i)})
	}
	given := ""
	if settings.Workload.Realtime { // what is started from here on inherits it
		given = fmt.Sprintf("nice %d", hopNice)
		if err := hasten(); err != nil {
			given = "not given: " + err.Error()
		}
	}
	if err := w.startFar(ctx, s.Far); err != nil {
		return Answer{}, err
	}
	near := *s
	near.Origin, near.Source = farAddress, nearAddress(0)
	if _, err := w.edge.start(ctx, &near); err != nil {
		return Answer{}, err
	}
	if given != "" {
		w.edge.recorder.saw(results.EnvRealtime, given)
	}
	return Answer{Type: msgReady}, nil
}

// startFar starts the origin at the far end: the built-in one in this process,
// or a real server on the link's ground.
func (w *hopWorker) startFar(ctx context.Context, s *Start) error {
	if s.Arm.Settings.Origin.Server != builtin {
		ground, err := w.spans[0].path.Ground()
		if err != nil {
			return err
		}
		w.congestion = ground.Congestion
		w.server, _, err = startServer(ctx, s, ground)
		return err
	}
	w.origin.sockets = w.sockets
	if _, err := w.origin.start(ctx, s); err != nil {
		return err
	}
	for _, other := range w.spans[1:] {
		listener, err := other.path.Listen(farAddress)
		if err != nil {
			return err
		}
		w.origin.also(listener)
	}
	return nil
}

// sockets are the origin's at the far side of the first path.
func (w *hopWorker) sockets(_ context.Context, quic bool) (net.Listener, net.PacketConn, error) {
	path := w.spans[0].path
	listener, err := path.Listen(farAddress)
	if err != nil || !quic {
		return listener, nil, err
	}
	packets, err := path.ListenPackets(farAddress)
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
		if answer.Origin, err = w.drainFar(ctx, c, answer.Edge); err != nil {
			return Answer{}, err
		}
		for _, s := range w.spans {
			answer.Links = append(answer.Links, s.link)
		}
		return answer, nil
	}
	return Answer{}, fmt.Errorf("a hop has no command %q", c.Type)
}

// drainFar ends the origin and returns what it counted.
func (w *hopWorker) drainFar(ctx context.Context, c Command, edge *EdgeSummary) (*origin.Counts, error) {
	if w.server != nil {
		return w.server.drain(ctx, edge.Total.Pool.Connects)
	}
	far, err := w.origin.handle(ctx, c)
	return far.Origin, err
}

// block calibrates the paths while they are still idle, and notes what they do
// in a block that counts.
func (w *hopWorker) block(ctx context.Context, c Command) (Answer, error) {
	again := c.Block != nil && c.Block.Again
	for _, s := range w.spans {
		if !w.calibrated || again && !s.calm() {
			if err := s.calibrate(ctx); err != nil {
				return Answer{}, err
			}
			w.edge.apart = max(w.edge.apart, s.found.Realised)
		}
		if again {
			s.begin()
		}
	}
	w.calibrated = true
	for _, s := range w.spans {
		s.path.TakeStats()
	}
	answer, err := w.edge.handle(ctx, c)
	if w.server != nil && err == nil && answer.Done.Failed > 0 {
		err = w.server.ended(noticeWithin)
	}
	if err != nil || c.Block == nil || c.Block.Discard {
		return answer, err
	}
	for _, s := range w.spans {
		stats := s.path.TakeStats()
		s.link.add(stats, s.path.Judge(s.found, stats))
		if w.server != nil && w.congestion != stats.Congestion {
			s.link.Congestion += " at the edge, " + w.congestion + " at the origin"
		}
		if answer.Done != nil && len(s.link.Reasons) > 0 {
			answer.Done.Late = s.link.Reasons[0]
		}
	}
	return answer, nil
}

// calm reports whether the path was left alone while it was calibrated.
func (s *span) calm() bool { return s.path.Judge(s.found, wire.LinkStats{}).Valid }

// begin forgets what the path did in blocks.
func (s *span) begin() {
	s.link = LinkSummary{Kind: s.path.Link().Kind, Nominal: s.found.Nominal, Realised: s.found.Realised}
}

const (
	// calibrationTimeout bounds the probes of a link that loses most of them.
	calibrationTimeout = 15 * time.Second
	// calibrations are tried while the machine is busy with something else:
	// what the link does when left alone is wanted.
	calibrations = 4
)

// calibrate measures the idle link until it was left alone, and keeps the best.
func (s *span) calibrate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, calibrationTimeout)
	defer cancel()
	for i := range calibrations {
		found, err := s.path.Calibrate(ctx)
		if err != nil && i == 0 {
			return err
		}
		if err != nil {
			break // the time is over, and there is one
		}
		if i == 0 || found.Stats.LatenessP99 < s.found.Stats.LatenessP99 {
			s.found = found
		}
		if s.calm() {
			break
		}
	}
	s.begin()
	return nil
}

func (w *hopWorker) close() {
	w.edge.close()
	w.origin.close()
	if w.server != nil {
		_ = w.server.stop()
	}
	for _, s := range w.spans {
		_ = s.path.Close()
	}
}
