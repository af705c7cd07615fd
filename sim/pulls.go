package sim

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/wire"
)

// pulled is one viewer's request, answered or not.
type pulled struct {
	due, sent, end time.Time // latency counts from due, service time from sent
	origin         int       // of several, the one whose object was asked for
	reply          edge.Reply
	err            error
}

// pullRecorder turns pulls into results. It is safe for concurrent use.
type pullRecorder struct {
	results *results.Recorder
	arm     Arm
	parts   []part // of several origins; none where there is one

	mu      sync.Mutex
	discard bool
	done    BlockDone
	block   window
	seen    map[string]string // what was really negotiated
	wrong   error             // the first negotiation that the arm did not ask for
	began   time.Time         // of the block
	noticed time.Time         // when a viewer of the block was first told that a pull failed; zero: none was
}

func newPullRecorder(arm Arm) *pullRecorder {
	return &pullRecorder{results: results.NewRecorder(), arm: arm, parts: partsOf(&arm), seen: map[string]string{}}
}

// begin starts a block.
func (r *pullRecorder) begin(b Block, at window) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.discard, r.done, r.block, r.began, r.noticed = b.Discard, BlockDone{}, at, time.Now(), time.Time{}
}

// spent adds a block's span to what rates are taken over.
func (r *pullRecorder) spent(span time.Duration) {
	r.mu.Lock()
	discard := r.discard
	r.mu.Unlock()
	if !discard {
		r.results.Add(countSpan, int64(span))
	}
}

// end returns what the block recorded, and the first negotiation that the
// arm did not ask for, which makes the arm worthless.
func (r *pullRecorder) end() (BlockDone, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if after := time.Duration(r.arm.Settings.Origin.RefusesAfter); after > 0 && !r.discard && !r.noticed.IsZero() {
		b := r.results.Begin()
		b.Exact(exactHidden, (r.noticed.Sub(r.began) - after).Milliseconds())
		b.End()
	}
	return r.done, r.wrong
}

// notice keeps when the first viewer was told of a failure.
func (r *pullRecorder) notice(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.noticed.IsZero() || at.Before(r.noticed) {
		r.noticed = at
	}
}

// saw notes what was really used.
func (r *pullRecorder) saw(label, value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[label] = value
}

// labels returns what was really negotiated.
func (r *pullRecorder) labels() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.seen)
}

// skip counts a viewer in the block and reports whether the block is warm-up,
// of which nothing else is recorded.
func (r *pullRecorder) skip(failure error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.Count++
	if failure != nil {
		r.done.Failed++
		if r.done.Error == "" {
			r.done.Error = failure.Error()
		}
	}
	return r.discard
}

// unsent counts a viewer who was due and whom the generator never came to send.
func (r *pullRecorder) unsent(due time.Time) { r.missed(countUnsent, due) }

// dropped counts a viewer that was due and found the edge full.
func (r *pullRecorder) dropped(due time.Time) { r.missed(countDropped, due) }

// missed counts a viewer who was due and whose request came to nothing.
func (r *pullRecorder) missed(what string, due time.Time) {
	r.mu.Lock()
	discard, block := r.discard, r.block
	r.mu.Unlock()
	if !discard {
		b := r.results.Begin()
		defer b.End()
		b.Add(what, 1)
		block.due(b, due)
	}
}

func (r *pullRecorder) record(p pulled) {
	failure := r.failure(p)
	if x := p.reply.Exchange; x != nil && x.Trace != nil && failure == nil {
		r.negotiated(p.origin, x.Trace)
	}
	r.routed(&p)
	if r.skip(failure) {
		return
	}
	if x := p.reply.Exchange; x != nil && x.Trace != nil && failure == nil {
		r.early(x.Trace)
	}
	b := r.results.Begin()
	defer b.End()
	b.Add(countRequests, 1)
	r.block.pulled(b, p, failure == nil)
	b.Time(timeSendError, p.sent.Sub(p.due))
	if p.reply.Status == http.StatusBadGateway {
		b.Add(countBadGateway, 1)
	}
	if failure != nil {
		b.Add(countFailed, 1)
		r.notice(p.end)
	} else {
		b.Time(timeLatency, p.end.Sub(p.due))
		b.Time(timeService, p.end.Sub(p.sent))
	}
	r.atPop(b, p, failure)
	r.atOrigin(b, &p, failure)
	outcome(b, p.reply.Outcome)
	for i := range p.reply.Earlier {
		if p.reply.Earlier[i].Failed == pool.StageTCP {
			b.Add(countConnectRetries, 1)
		}
		r.exchange(b, &p.reply.Earlier[i], 0)
	}
	if p.reply.Exchange != nil {
		r.exchange(b, p.reply.Exchange, len(p.reply.Body))
	}
}

// failure says why a viewer did not get what the scenario's origin gives.
func (r *pullRecorder) failure(p pulled) error {
	if p.err != nil {
		return p.err
	}
	if want := r.at(p.origin).Settings.Origin.Response.Status; p.reply.Status != want {
		return fmt.Errorf("status %d instead of %d", p.reply.Status, want)
	}
	return nil
}

func outcome(b results.Batch, o cache.Outcome) {
	switch o {
	case cache.Hit:
		b.Add(countHit, 1)
	case cache.Collapsed:
		b.Add(countCollapsed, 1)
	case cache.Miss:
		b.Add(countMiss, 1)
	case cache.Pass:
		b.Add(countPass, 1)
	case cache.Revalidated:
		b.Add(countRevalidated, 1)
	case cache.Stale:
		b.Add(countStale, 1)
	}
}

// exchange records what one pull did on the hop.
func (r *pullRecorder) exchange(b results.Batch, x *pool.Exchange, body int) {
	b.Time(timeWait, x.Wait)
	if x.Failed == pool.StageNone || x.Failed == pool.StageHTTP { // else no request was sent, or none was let in
		b.Add(countOrigin, 1)
		b.Add(countOriginBytes, int64(body))
		if x.Reused {
			b.Add(countReused, 1)
		}
	}
	if x.Trace == nil {
		return
	}
	b.Add(countConnects, 1)
	if r.arm.Plaintext {
		r.connection(b, x.Trace)
		return
	}
	switch {
	case x.Failed == pool.StageTLS:
		b.Add(countHandshakeFailed, 1)
		return
	case x.Trace.Resumed:
		b.Add(countHandshakeResumed, 1)
	default:
		b.Add(countHandshakeFull, 1)
	}
	r.connection(b, x.Trace)
}

// connection records what making a connection took. Full and resumed
// handshakes are recorded under names of their own.
func (r *pullRecorder) connection(b results.Batch, t *wire.Trace) {
	kind := ""
	if t.Resumed {
		kind = resumedSuffix
	}
	if !t.QUIC {
		b.Time(timeConnect+kind, t.Connect)
	}
	if t.Stage != wire.StageHTTP {
		return // no reply came: its first byte is not at 0 ms, and the bytes before it are not final
	}
	b.Exact(exactFirstByteTurns+kind, int64(t.FirstByteTurns))
	b.Time(timeFirstByte+kind, t.FirstByte)
	if r.arm.Plaintext {
		return
	}
	b.Time(timeHandshake+kind, t.TLS)
	b.Exact(exactTurns+kind, int64(t.Turns))
	b.Exact(exactFlights+kind, int64(t.Flights))
	b.Exact(exactSent+kind, t.Sent)
	b.Exact(exactReceived+kind, t.Received)
}

// resumedSuffix marks what was recorded of resumed handshakes.
const resumedSuffix = ".resumed"

// perHandshake are the names that come in two kinds, full and resumed.
var perHandshake = []string{
	timeConnect, timeHandshake, timeFirstByte,
	exactTurns, exactFirstByteTurns, exactFlights, exactSent, exactReceived,
}

// figure returns the metric that a recorded name gives a figure of for the
// arm. Full and resumed handshakes are never mixed in one: an arm that resumes
// shows its resumed ones, any other its full ones, and what was recorded of
// the other kind stays in the histograms only.
func figure(a *Arm, recorded string) (metric string, shown bool) {
	if strings.HasPrefix(recorded, popPrefix) || strings.HasPrefix(recorded, partPrefix) {
		return "", false // of a part of the arm
	}
	base, resumed := strings.CutSuffix(recorded, resumedSuffix)
	if !slices.Contains(perHandshake, base) {
		return recorded, true
	}
	return base, resumed == (a.Settings.Edge.TLS.Resumption && !a.Plaintext)
}

// negotiated compares what a connection agreed on with what its arm asked
// for. An arm that measured something else than its name says is an error,
// not a result.
func (r *pullRecorder) negotiated(origin int, t *wire.Trace) {
	if r.arm.Plaintext {
		return
	}
	at, prefix := &r.at(origin).Settings.Edge, r.prefix(origin)
	asked := at.TLS
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[prefix+"tls.version"], r.seen[prefix+"cipher"], r.seen[prefix+"protocol"] = t.Version, t.Cipher, spoken(t)
	if t.Group != "" {
		r.seen[prefix+"group"] = t.Group
	}
	if r.wrong != nil {
		return
	}
	if protocol := at.Protocol; spoken(t) != protocol {
		r.wrong = fmt.Errorf("asked for %s, negotiated %s", protocol, spoken(t))
	} else if t.Version != asked.Version {
		r.wrong = fmt.Errorf("asked for TLS %s, negotiated %s", asked.Version, t.Version)
	} else if t.Group != "" && t.Group != asked.Group {
		r.wrong = fmt.Errorf("asked for group %s, negotiated %s", asked.Group, t.Group)
	} else if asked.HelloRetry && !t.HelloRetry {
		r.wrong = errors.New("asked for a HelloRetryRequest, the origin made none")
	} else if !asked.HelloRetry && t.HelloRetry {
		r.wrong = errors.New("the origin made a HelloRetryRequest that the arm did not ask for")
	}
}

// spoken is the protocol that a handshake agreed on, as scenarios name it.
// Without ALPN that is HTTP/1.1.
func spoken(t *wire.Trace) string {
	switch t.ALPN {
	case "", "http/1.1":
		return string(pool.H1)
	}
	return t.ALPN
}

// early holds an arm to its 0-RTT: only the first connection of a process has
// no session, and that one is in the warm-up.
func (r *pullRecorder) early(t *wire.Trace) {
	r.mu.Lock()
	defer r.mu.Unlock()
	settings := &r.arm.Settings
	if r.wrong == nil && settings.Workload.Mode == string(Handshakes) && settings.Edge.TLS.Early && !t.Early {
		r.wrong = errors.New("asked for 0-RTT, and the handshake came first")
	}
}

// Names under which a worker records.
const (
	countRequests         = "requests"
	countFailed           = "requests.failed"
	countBadGateway       = "requests.502"
	countConnectRetries   = "pool.retries.connect"
	countDropped          = "requests.dropped"
	countUnsent           = "requests.unsent"
	countHit              = "cache.hit"
	countMiss             = "cache.miss"
	countCollapsed        = "cache.collapsed"
	countPass             = "cache.pass"
	countRevalidated      = "cache.revalidated"
	countStale            = "cache.stale"
	countOrigin           = "origin.requests"
	countOriginBytes      = "origin.bytes"
	countReused           = "origin.reused"
	countConnects         = "connects"
	countHandshakeFull    = "handshake.full"
	countHandshakeResumed = "handshake.resumed"
	countHandshakeFailed  = "handshake.failed"

	countScheduled    = "rate.scheduled"     // arrivals due in their block
	countSentInTime   = "rate.sent"          // of them, sent before it was over
	countAnswered     = "rate.answered"      // answered, and not failed, before it was over
	countSpan         = "rate.span"          // nanoseconds of blocks
	countLateDue      = "rate.late.due"      // arrivals due in the second half of their block
	countLateAnswered = "rate.late.answered" // answers, failures too, in that half

	exactHidden = "failure.hidden" // milliseconds from the origin's refusal to the first viewer who was told

	timeLatency   = "latency"
	timeService   = "service"
	timeSendError = "send.error"
	timeWait      = "pool.wait"
	timeConnect   = "connect"
	timeHandshake = "handshake"
	timeFirstByte = "firstbyte"

	exactTurns          = "handshake.rtts"
	exactFirstByteTurns = "firstbyte.rtts"
	exactFlights        = "handshake.flights"
	exactSent           = "handshake.bytes.sent"
	exactReceived       = "handshake.bytes.received"
)
