package sim

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/wire"
)

// maxInFlight bounds how many viewers of an open loop wait at once. Arrivals
// beyond it are counted as dropped, never queued unseen.
const maxInFlight = 10000

// tooLate is how long after its block a generator that is behind still sends: an
// edge that is overloaded grossly would never come to the end of its schedule.
const tooLate = 2 * time.Second

// drainViewers bounds how long a block waits for its last viewers.
const drainViewers = 10 * time.Second

// ballastSize is memory that is never touched, and so never resident: it lets
// the collector of a small edge run once for so many bytes of responses more,
// where each run would stop the viewers. Edges that make handshakes have none:
// their CPU is the result, and collecting belongs to it.
const ballastSize = 16 << 20

// edgeWorker is the simulated edge with its viewers in a process of its own.
type edgeWorker struct {
	arm      Arm
	edge     *edge.Distribution
	objects  *asker
	pacer    func(Block) (Pacer, error)
	replay   *replay // of a trace of the user's; nil: there is none
	paced    uint64  // blocks at a rate of their own so far
	recorder *pullRecorder
	warm     bool        // the pool's first connections are made
	before   *edge.Stats // when what counts began; nil until then
	planter  planter
	spent    time.Duration // CPU of the generator in the last block
	key      crypto.Signer // of the edge's own certificate; nil where there is none
	ballast  []byte
	sites    []wire.Dialer // how each point of presence dials over a distance; nil: loopback
	apart    time.Duration // round-trip time of that; 0: none to speak of
	scratch  sync.Pool     // of *edge.Scratch, for an open loop's viewers
	mu       sync.Mutex    // guards objects in a closed loop with several viewers
}

func (w *edgeWorker) start(_ context.Context, s *Start) (Answer, error) {
	asked, err := layout(s)
	if err != nil {
		return Answer{}, err
	}
	w.arm = s.Arm
	if len(w.sites) == 1 {
		asked.Edge.Target.Dialer = w.sites[0]
	} else if len(w.sites) > 1 {
		asked.Sites = w.sites
	}
	if w.edge, err = edge.NewDistribution(asked); err != nil {
		return Answer{}, err
	}
	w.recorder = newPullRecorder(s.Arm)
	if load := &s.Arm.Settings.Workload; load.Realtime && load.Arrivals.Open() && !s.Arm.distant() {
		given := "SCHED_FIFO"
		if err := realtime(); err != nil {
			given = "not given: " + err.Error()
		}
		w.recorder.saw(results.EnvRealtime, given)
	}
	workload := s.Arm.Settings.Workload
	var all *objects
	if len(s.Trace) > 0 {
		if w.replay, err = newReplay(s.Trace, workload.Arrivals); err != nil {
			return Answer{}, err
		}
		all = &objects{next: w.replay.object}
	} else if all, err = newObjects(workload.Objects, s.Seed); err != nil {
		return Answer{}, err
	}
	w.objects = newAsker(all, s.Arm.Settings.Origins, s.Seed)
	if workload.Mode == string(Requests) {
		w.ballast = make([]byte, ballastSize)
	}
	w.pacer = func(b Block) (Pacer, error) {
		switch {
		case w.replay != nil && w.replay.paced:
			return w.replay.block(seconds(b.Seconds)), nil
		case b.Rate == 0:
			return NewPacer(workload.Arrivals, s.Seed)
		}
		w.paced++ // a rate that is tried again meets other arrivals
		arrivals := workload.Arrivals
		arrivals.Rate = scenarios.Rate(b.Rate)
		return NewPacer(arrivals, s.Seed+w.paced)
	}
	if _, have := s.Credentials.Certificates[credEdge]; have {
		certificate, err := s.Credentials.Certificate(credEdge)
		if err != nil {
			return Answer{}, err
		}
		w.key, _ = certificate.PrivateKey.(crypto.Signer)
	}
	w.planter.share = s.Arm.Settings.Edge.Plant.CPU
	return Answer{Type: msgReady}, w.planter.begin()
}

func (w *edgeWorker) handle(ctx context.Context, c Command) (Answer, error) {
	if w.edge == nil {
		return Answer{}, fmt.Errorf("%q before start", c.Type)
	}
	switch c.Type {
	case msgBlock:
		if c.Block == nil {
			return Answer{}, errors.New("a block message without its content")
		}
		done, err := w.block(ctx, *c.Block)
		if err != nil {
			return Answer{}, err
		}
		return Answer{Type: msgBlockDone, Done: &done}, nil
	case msgFloor:
		if w.key == nil {
			return Answer{Type: msgFloorDone}, nil // no figure is better than a guessed one
		}
		floor, err := measureFloor(ctx, &w.arm, w.key)
		if err != nil {
			return Answer{}, err
		}
		return Answer{Type: msgFloorDone, Floor: &floor}, w.planter.begin() // what that took is no block's
	case msgPlant:
		return w.planter.handle(c.Plant)
	case msgDrain:
		if err := w.edge.Close(); err != nil {
			return Answer{}, fmt.Errorf("draining: %w", err)
		}
		w.countPool()
		summary := EdgeSummary{Summary: w.recorder.results.Summary(), Total: w.edge.Stats(), Labels: w.recorder.labels()}
		return Answer{Type: msgSummary, Edge: &summary}, nil
	}
	return Answer{}, fmt.Errorf("an edge has no command %q", c.Type)
}

func (w *edgeWorker) close() {
	if w.edge != nil {
		_ = w.edge.Close()
	}
}

// countPool records what the pool did since what counts began.
func (w *edgeWorker) countPool() {
	if w.before == nil || w.arm.Settings.Workload.Mode != string(Requests) {
		return
	}
	total := w.edge.Stats()
	for name, count := range poolCounts {
		w.recorder.results.Add(name, count(&total.Pool)-count(&w.before.Pool))
		for i := range total.Origins {
			w.recorder.results.Add(w.recorder.parts[i].name(name), count(&total.Origins[i])-count(&w.before.Origins[i]))
		}
	}
}

// block lets viewers come for the granted time.
func (w *edgeWorker) block(ctx context.Context, b Block) (BlockDone, error) {
	if !w.warm {
		traces, err := w.edge.Prewarm(ctx)
		if err != nil {
			return BlockDone{}, err
		}
		for i := range traces {
			for _, trace := range traces[i] {
				w.recorder.negotiated(i, trace)
			}
		}
		w.warm = true
	}
	if b.Report || b.Again {
		w.recorder.results.Reset()
		w.before = nil
	}
	if w.before == nil && !b.Discard {
		before := w.edge.Stats()
		w.before = &before
	}
	w.spent = 0
	granted := window{started: time.Now(), length: seconds(b.Seconds)}
	if b.Count > 0 {
		w.recorder.begin(b, window{})
		w.counted(ctx, b, granted.started)
		w.recorder.spent(time.Since(granted.started))
	} else if w.closed(b) {
		w.recorder.begin(b, window{})
		w.closedLoop(ctx, granted.started.Add(granted.length))
		w.recorder.spent(time.Since(granted.started))
	} else {
		w.recorder.begin(b, granted)
		if err := w.openLoop(ctx, b, granted); err != nil {
			return BlockDone{}, err
		}
		w.recorder.spent(granted.length)
	}
	done, err := w.recorder.end()
	done.Seconds, done.Generator = time.Since(granted.started).Seconds(), w.spent.Seconds()
	if b.Report {
		w.countPool()
		summary := w.recorder.results.Summary()
		done.Summary = &summary
	}
	return done, err
}

// closed reports whether viewers wait for their answers in a block. The warm-up
// of handshakes always does: a schedule may have nobody come in so short a
// time, and then no session would be there to resume.
func (w *edgeWorker) closed(b Block) bool {
	workload := &w.arm.Settings.Workload
	return !workload.Arrivals.Open() || b.Discard && workload.Mode == string(Handshakes)
}

// closedLoop: each viewer asks again as soon as it has its answer.
func (w *edgeWorker) closedLoop(ctx context.Context, until time.Time) {
	// Closing the edge ends every pull at once. To watch the context in each
	// would cost one in twenty requests.
	defer context.AfterFunc(ctx, func() { _ = w.edge.Close() })()
	viewers := max(1, w.arm.Settings.Workload.Concurrency)
	if viewers == 1 {
		w.viewer(ctx, until)
		return
	}
	var wg sync.WaitGroup
	for i := range viewers {
		wg.Go(func() {
			w.stagger(ctx, i, viewers)
			w.viewer(ctx, until)
		})
	}
	wg.Wait()
}

// stagger keeps viewers from marching in step over a distance: each would wait
// for the others' CPU in every round trip.
func (w *edgeWorker) stagger(ctx context.Context, i, of int) {
	if w.apart == 0 {
		return
	}
	timer := time.NewTimer(w.apart * time.Duration(i) / time.Duration(of))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// counted has one viewer ask so many times, one after another, or until its
// time is over, where it has one.
func (w *edgeWorker) counted(ctx context.Context, b Block, started time.Time) {
	pulling := context.WithoutCancel(ctx)
	var scratch edge.Scratch
	for range b.Count {
		now := time.Now()
		if ctx.Err() != nil || b.Seconds > 0 && now.Sub(started) >= seconds(b.Seconds) {
			return
		}
		w.pull(pulling, w.objects.ask(), now, now, &scratch)
	}
}

func (w *edgeWorker) viewer(ctx context.Context, until time.Time) {
	pulling := context.WithoutCancel(ctx)
	var scratch edge.Scratch
	for ctx.Err() == nil {
		w.mu.Lock()
		asked := w.objects.ask()
		w.mu.Unlock()
		now := time.Now()
		if end := w.pull(pulling, asked, now, now, &scratch); !end.Before(until) {
			return
		}
	}
}

// openLoop: viewers come when they are due, whatever the edge is doing.
func (w *edgeWorker) openLoop(ctx context.Context, b Block, granted window) error {
	pacer, err := w.pacer(b)
	if err != nil {
		return err
	}
	pullCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	var viewers sync.WaitGroup
	err = w.generate(ctx, pacer, granted, func(asked wanted, due, sent time.Time, left func()) {
		viewers.Go(func() {
			scratch, _ := w.scratch.Get().(*edge.Scratch)
			if scratch == nil {
				scratch = new(edge.Scratch)
			}
			w.pull(pullCtx, asked, due, sent, scratch)
			w.scratch.Put(scratch)
			left()
		})
	})
	stop := time.AfterFunc(drainViewers, cancel)
	viewers.Wait()
	stop.Stop()
	return err
}

// generate sends every viewer of a block when it is due, and returns when the
// schedule is over. A request counts as sent when it is handed to the edge:
// what it then waits for a processor is the edge's time, and in its latency.
func (w *edgeWorker) generate(ctx context.Context, pacer Pacer, block window, send func(asked wanted, due, sent time.Time, left func())) error {
	clock := newAlarm()
	w.recorder.saw(results.EnvGenerator, clock.name())
	slots := make(chan struct{}, maxInFlight)
	left := func() { <-slots }
	var err error
	for {
		offset := pacer.Next()
		if offset >= block.length {
			break
		}
		asked := w.objects.ask()
		due := block.started.Add(offset)
		if err = clock.wait(ctx, due); err != nil {
			break
		}
		if time.Since(block.started) > block.length+tooLate {
			w.recorder.unsent(due)
			continue
		}
		select {
		case slots <- struct{}{}:
			send(asked, due, time.Now(), left)
		default:
			w.recorder.dropped(due)
		}
	}
	w.spent = clock.cpu()
	if ctx.Err() != nil {
		err = nil // the worker's end says why
	}
	return errors.Join(err, clock.close())
}

// pull returns when it ended.
func (w *edgeWorker) pull(ctx context.Context, asked wanted, due, sent time.Time, scratch *edge.Scratch) time.Time {
	reply, err := w.edge.Pull(ctx, edge.Viewer{Method: w.arm.Settings.Workload.Method, Host: asked.host, Path: asked.path, Scratch: scratch})
	end := time.Now()
	w.recorder.record(pulled{due: due, sent: sent, end: end, origin: asked.origin, reply: reply, err: err})
	return end
}

// seconds converts a plan's seconds.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
