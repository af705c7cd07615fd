package wire

import "time"

// segment is what one direction carries: bytes, the end, or a reset.
type segment struct {
	content    []byte
	end, reset bool
}

// sender is one direction of a stream: it sends what the congestion window
// lets through, and grows the window with what is acknowledged. The stream's
// lock guards it.
type sender struct {
	from, to    *modelConn
	delay, back time.Duration
	window      int // bytes
	queue       []byte
	ending      bool // the end follows the queue
	ended       bool
	flight      int // bytes sent and not acknowledged

	arrivals []arrival
	acks     []ack
	timer    *time.Timer // set to the earliest of them
}

// arrival is a segment on its way.
type arrival struct {
	at      time.Time
	segment segment
}

// ack is the acknowledgement of n bytes on its way back.
type ack struct {
	at     time.Time
	n      int
	flight int // bytes in flight when the n had left
}

// send lets out what the window allows.
func (s *sender) send() {
	n := min(s.window-s.flight, len(s.queue))
	if n > 0 {
		content := make([]byte, n)
		copy(content, s.queue)
		s.queue = s.queue[n:]
		s.flight += n
		s.depart(segment{content: content})
	}
	if s.ending && !s.ended && len(s.queue) == 0 {
		s.ended = true
		s.depart(segment{end: true})
	}
}

// reset drops what was not sent and tells the other end.
func (s *sender) reset() {
	s.drop()
	s.depart(segment{reset: true})
}

func (s *sender) drop() {
	s.queue, s.ending = nil, false
}

func (s *sender) depart(g segment) {
	now := time.Now()
	s.arrivals = append(s.arrivals, arrival{at: now.Add(s.delay), segment: g})
	if len(g.content) > 0 {
		s.acks = append(s.acks, ack{at: now.Add(s.delay + s.back), n: len(g.content), flight: s.flight})
	}
	s.arm(now)
}

// arm sets the timer to the earliest event. Both queues are in order, because
// every segment takes equally long.
func (s *sender) arm(now time.Time) {
	next, any := s.next()
	switch {
	case !any:
	case s.timer == nil:
		s.timer = time.AfterFunc(next.Sub(now), s.tick)
	default:
		s.timer.Reset(next.Sub(now))
	}
}

func (s *sender) next() (time.Time, bool) {
	switch {
	case len(s.arrivals) == 0 && len(s.acks) == 0:
		return time.Time{}, false
	case len(s.acks) == 0 || len(s.arrivals) > 0 && s.arrivals[0].at.Before(s.acks[0].at):
		return s.arrivals[0].at, true
	default:
		return s.acks[0].at, true
	}
}

// tick carries out the events that are due.
func (s *sender) tick() {
	s.from.stream.mu.Lock()
	defer s.from.stream.mu.Unlock()
	now := time.Now()
	for len(s.arrivals) > 0 && !s.arrivals[0].at.After(now) {
		arrived := s.arrivals[0].segment
		s.arrivals = s.arrivals[1:]
		s.to.arrive(arrived)
	}
	for len(s.acks) > 0 && !s.acks[0].at.After(now) {
		s.acknowledge(s.acks[0])
		s.acks = s.acks[1:]
	}
	s.arm(now)
}

// acknowledge is slow start (RFC 5681, section 3.1): the window grows by what
// is acknowledged, but only while the sender makes use of it (RFC 7661).
func (s *sender) acknowledge(a ack) {
	s.flight -= a.n
	if s.window < 2*a.flight {
		s.window += a.n
	}
	s.send()
	s.from.changed.Broadcast() // the send buffer has space
}
