package sim

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/originpull/originpull/edge"
)

// maxInFlight bounds how many viewers of an open loop wait at once. Arrivals
// beyond it are counted as dropped, never queued unseen.
const maxInFlight = 10000

// drainViewers bounds how long a block waits for its last viewers.
const drainViewers = 10 * time.Second

// edgeWorker is the simulated edge with its viewers in a process of its own.
type edgeWorker struct {
	arm      Arm
	edge     *edge.Distribution
	objects  *objects
	pacer    func() (Pacer, error)
	recorder *pullRecorder
	key      crypto.Signer // of the edge's own certificate; nil where there is none
	mu       sync.Mutex    // guards objects in a closed loop with several viewers
}

func (w *edgeWorker) start(_ context.Context, s *Start) (Answer, error) {
	asked, err := layout(s)
	if err != nil {
		return Answer{}, err
	}
	w.arm = s.Arm
	if w.edge, err = edge.NewDistribution(asked); err != nil {
		return Answer{}, err
	}
	workload := s.Arm.Settings.Workload
	if w.objects, err = newObjects(workload.Objects, s.Seed); err != nil {
		return Answer{}, err
	}
	w.pacer = func() (Pacer, error) { return NewPacer(workload.Arrivals, s.Seed) }
	w.recorder = newPullRecorder(s.Arm)
	if _, have := s.Credentials.Certificates[credEdge]; have {
		certificate, err := s.Credentials.Certificate(credEdge)
		if err != nil {
			return Answer{}, err
		}
		w.key, _ = certificate.PrivateKey.(crypto.Signer)
	}
	return Answer{Type: msgReady}, nil
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
		return Answer{Type: msgFloorDone, Floor: &floor}, nil
	case msgDrain:
		if err := w.edge.Close(); err != nil {
			return Answer{}, fmt.Errorf("draining: %w", err)
		}
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

// block lets viewers come for the granted time.
func (w *edgeWorker) block(ctx context.Context, b Block) (BlockDone, error) {
	w.recorder.begin(b)
	started := time.Now()
	var err error
	if w.arm.Settings.Workload.Arrivals.Model == "closed" {
		w.closedLoop(ctx, started.Add(seconds(b.Seconds)))
	} else {
		err = w.openLoop(ctx, started, seconds(b.Seconds))
	}
	if err != nil {
		return BlockDone{}, err
	}
	done, err := w.recorder.end()
	done.Seconds = time.Since(started).Seconds()
	return done, err
}

// closedLoop: each viewer asks again as soon as it has its answer.
func (w *edgeWorker) closedLoop(ctx context.Context, until time.Time) {
	viewers := max(1, w.arm.Settings.Workload.Concurrency)
	if viewers == 1 {
		w.viewer(ctx, until)
		return
	}
	var wg sync.WaitGroup
	for range viewers {
		wg.Go(func() { w.viewer(ctx, until) })
	}
	wg.Wait()
}

func (w *edgeWorker) viewer(ctx context.Context, until time.Time) {
	for ctx.Err() == nil {
		w.mu.Lock()
		path := w.objects.path()
		w.mu.Unlock()
		now := time.Now()
		w.pull(ctx, path, now, now)
		if !time.Now().Before(until) {
			return
		}
	}
}

// openLoop: viewers come when they are due, whatever the edge is doing.
func (w *edgeWorker) openLoop(ctx context.Context, started time.Time, duration time.Duration) error {
	pacer, err := w.pacer()
	if err != nil {
		return err
	}
	clock := newAlarm()
	defer func() { _ = clock.close() }()
	pullCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	slots := make(chan struct{}, maxInFlight)
	var wg sync.WaitGroup
	for {
		offset := pacer.Next()
		if offset >= duration {
			break
		}
		due := started.Add(offset)
		if err := clock.wait(ctx, due); err != nil {
			if ctx.Err() == nil {
				return err
			}
			break
		}
		path := w.objects.path()
		select {
		case slots <- struct{}{}:
		default:
			w.recorder.dropped()
			continue
		}
		wg.Go(func() {
			w.pull(pullCtx, path, due, time.Now())
			<-slots
		})
	}
	stop := time.AfterFunc(drainViewers, cancel)
	wg.Wait()
	stop.Stop()
	return nil
}

func (w *edgeWorker) pull(ctx context.Context, path string, due, sent time.Time) {
	reply, err := w.edge.Pull(ctx, edge.Viewer{Method: "GET", Path: path})
	w.recorder.record(pulled{due: due, sent: sent, end: time.Now(), reply: reply, err: err})
}

// seconds converts a plan's seconds.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
