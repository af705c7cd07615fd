package wire

import (
	"errors"
	"math"
	"net"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// lineConfig is one direction of a Link.
type lineConfig struct {
	delay, jitter time.Duration // one way; jitter at most delay
	loss          float64
	rate          int64 // bits per second; 0 = unlimited
	queue         int   // bytes
	seed          uint64
}

// line carries packets one way. A packet passes these steps:
//
//  1. It waits for the packets before it to leave at the rate. Where they and
//     it are more than the queue holds it is dropped.
//  2. It may be lost, by a draw from seed, flow and its index in the flow.
//  3. It arrives after the delay and its own jitter, but never before an
//     earlier packet of its flow. Other flows do not hold it up: keeping the
//     order of all would add to everybody's delay.
//
// One goroutine delivers, a packet at a time.
type line[P any] struct {
	cfg     lineConfig
	deliver func(P) // on the line's goroutine
	discard func(P) // releases what is not delivered
	epoch   time.Time
	alarm   Alarm
	stopped sync.WaitGroup

	mu       sync.Mutex
	pending  arrivals[P]
	sequence uint64
	flows    flowTable
	busy     time.Duration // until then the transmitter is sending
	armed    time.Duration // what the alarm is set to; awake while run is not waiting
	closed   bool
	failed   error
	counts   lineCounts
}

// awake is before every due time, so that nobody sets the alarm.
const awake = time.Duration(math.MinInt64)

// lineCounts is what a line did since it was last asked.
type lineCounts struct {
	offered, lost, overflowed, delivered int64
	underway                             time.Duration // sum over what was delivered
	late                                 *hdrhistogram.Histogram
}

func newLateness() *hdrhistogram.Histogram {
	// Microseconds, up to a minute.
	return hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 2)
}

func newLine[P any](cfg lineConfig, a Alarm, deliver, discard func(P)) *line[P] {
	l := &line[P]{cfg: cfg, deliver: deliver, discard: discard, epoch: time.Now(), alarm: a, armed: awake}
	l.counts.late = newLateness()
	l.stopped.Go(l.run)
	return l
}

// now is the time since the line was made: eight bytes, where a time.Time is 24.
func (l *line[P]) now() time.Duration { return time.Since(l.epoch) }

// send takes a packet of size bytes. It never waits.
func (l *line[P]) send(f flow, size int, p P) {
	l.mu.Lock()
	now := l.now()
	due, ok := l.schedule(now, f, size)
	if !ok || l.closed {
		l.mu.Unlock()
		l.discard(p)
		return
	}
	l.sequence++
	l.pending.push(arrivalOf[P]{due: due, sent: now, sequence: l.sequence, packet: p})
	if due < l.armed {
		l.arm(now, due)
	}
	l.mu.Unlock()
}

// schedule decides what becomes of a packet; l.mu is held.
func (l *line[P]) schedule(now time.Duration, f flow, size int) (due time.Duration, ok bool) {
	l.counts.offered++
	leaves := now
	if l.cfg.rate > 0 {
		leaves = max(now, l.busy)
		waiting := float64(leaves-now) * float64(l.cfg.rate) / 8e9
		if waiting+float64(size) > float64(l.cfg.queue) {
			l.counts.overflowed++
			return 0, false
		}
		leaves += time.Duration(float64(size) * 8e9 / float64(l.cfg.rate))
		l.busy = leaves
	}
	due = leaves + l.cfg.delay
	if l.cfg.loss == 0 && l.cfg.jitter == 0 {
		return due, true // in order by itself
	}
	state := l.flows.at(f)
	index := state.packets
	state.packets++
	if draw(l.cfg.seed, drawLoss, f, index) < l.cfg.loss {
		l.counts.lost++
		return 0, false
	}
	if l.cfg.jitter > 0 {
		due += time.Duration((2*draw(l.cfg.seed, drawJitter, f, index) - 1) * float64(l.cfg.jitter))
	}
	state.last = max(state.last, due)
	return state.last, true
}

// arm sets the alarm; l.mu is held.
func (l *line[P]) arm(now, due time.Duration) {
	l.armed = due
	if due == math.MaxInt64 {
		return // an old alarm may ring: once, for nothing
	}
	if err := l.alarm.Set(due - now); err != nil && l.failed == nil {
		l.failed = err
	}
}

func (l *line[P]) run() {
	for {
		packet, err := l.next()
		if err != nil {
			l.stop(err)
			return
		}
		l.deliver(packet)
	}
}

// next waits for the next packet that is due.
func (l *line[P]) next() (packet P, err error) {
	for {
		l.mu.Lock()
		l.armed = awake
		now := l.now()
		if len(l.pending) > 0 && l.pending[0].due <= now {
			a := l.pending.pop()
			l.counts.delivered++
			l.counts.underway += now - a.sent
			_ = l.counts.late.RecordValue(min(int64((now-a.due)/time.Microsecond), int64(time.Minute/time.Microsecond)))
			l.mu.Unlock()
			return a.packet, nil
		}
		next := time.Duration(math.MaxInt64)
		if len(l.pending) > 0 {
			next = l.pending[0].due
		}
		l.arm(now, next)
		err := l.failed
		l.mu.Unlock()
		if err == nil {
			err = l.alarm.Wait()
		}
		if err != nil {
			return packet, err
		}
	}
}

// stop discards what is underway.
func (l *line[P]) stop(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed, l.armed = true, awake
	if !errors.Is(err, net.ErrClosed) && l.failed == nil {
		l.failed = err
	}
	for _, a := range l.pending {
		l.discard(a.packet)
	}
	l.pending = nil
}

// close stops the line and waits. A line that could not go on says why.
func (l *line[P]) close() error {
	l.mu.Lock()
	l.closed, l.armed = true, awake
	failed := l.failed
	l.mu.Unlock()
	err := l.alarm.Close()
	l.stopped.Wait()
	return errors.Join(failed, err)
}

// take returns the counts since it was last called.
func (l *line[P]) take() lineCounts {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := l.counts
	l.counts = lineCounts{late: newLateness()}
	return counts
}

// arrivalOf is a packet underway.
type arrivalOf[P any] struct {
	due, sent time.Duration
	sequence  uint64 // where due times are equal the earlier goes first
	packet    P
}

// arrivals is a heap by due time. (container/heap would put every packet into
// an interface, which allocates twice.)
type arrivals[P any] []arrivalOf[P]

func (h arrivals[P]) before(i, j int) bool {
	return h[i].due < h[j].due || h[i].due == h[j].due && h[i].sequence < h[j].sequence
}

func (h *arrivals[P]) push(a arrivalOf[P]) {
	*h = append(*h, a)
	q := *h
	for i := len(q) - 1; i > 0; {
		parent := (i - 1) / 2
		if !q.before(i, parent) {
			return
		}
		q[i], q[parent] = q[parent], q[i]
		i = parent
	}
}

func (h *arrivals[P]) pop() arrivalOf[P] {
	q := *h
	first, last := q[0], len(q)-1
	q[0], q[last] = q[last], arrivalOf[P]{}
	q = q[:last]
	*h = q
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if q.before(child, least) {
				least = child
			}
		}
		if least == i {
			return first
		}
		q[i], q[least] = q[least], q[i]
		i = least
	}
}

// maxFlows bounds what a flowTable remembers: between that many flows and
// twice as many, those that had packets last.
const maxFlows = 1 << 17

// flowState is what a line knows of one flow.
type flowState struct {
	packets uint64        // so far: the index of the next
	last    time.Duration // due time of the last
}

// flowTable forgets flows that have been silent for the longest, by keeping
// two generations.
type flowTable struct{ young, old map[flow]*flowState }

func (t *flowTable) at(f flow) *flowState {
	if s := t.young[f]; s != nil {
		return s
	}
	s := t.old[f]
	if s == nil {
		s = &flowState{}
	}
	if t.young == nil || len(t.young) >= maxFlows {
		t.young, t.old = map[flow]*flowState{}, t.young
	}
	t.young[f] = s
	return s
}

// takeLines writes what both directions of a link did.
func takeLines[P any](s *LinkStats, lines ...*line[P]) {
	late := newLateness()
	for _, l := range lines {
		c := l.take()
		s.Packets += c.offered
		s.Lost += c.lost
		s.Overflowed += c.overflowed
		if c.delivered > 0 {
			s.RoundTrip += c.underway / time.Duration(c.delivered)
		}
		late.Merge(c.late)
	}
	if late.TotalCount() > 0 {
		s.LatenessP50 = time.Duration(late.ValueAtQuantile(50)) * time.Microsecond
		s.LatenessP99 = time.Duration(late.ValueAtQuantile(99)) * time.Microsecond
	}
}

// lines returns the configuration of both directions of l, which is resolved.
func (l Link) lines() (out, back lineConfig) {
	out = lineConfig{delay: l.RTT / 2, jitter: l.Jitter, loss: l.Loss, rate: l.Rate, queue: l.Queue, seed: l.Seed}
	back = out
	back.delay = l.RTT - l.RTT/2
	return out, back
}
