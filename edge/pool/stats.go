package pool

import "maps"

// Stats counts what a pool did since its start. Connects is the sum of Plain
// and the three Handshakes counters, and of Open and all of Closed, whenever
// no call of Do is under way.
type Stats struct {
	Dials             int64 // TCP connects begun, QUIC sockets opened
	Connects          int64 // of them made
	Plain             int64 // connections without TLS
	HandshakesFull    int64
	HandshakesResumed int64
	HandshakesFailed  int64            // those that the first read refuses included
	HandshakeSent     int64            // bytes beneath TLS of the full and resumed ones: see wire.Trace
	HandshakeReceived int64            // likewise
	Requests          int64            // sent, retries included
	Reused            int64            // of Requests: on a connection that had carried one before
	StaleRetries      int64            // requests sent once more because a reused connection was stale, or 0-RTT was rejected
	IdleClosed        int64            // of Closed: by Config.IdleTimeout
	Waits             int64            // requests that waited for Config.MaxConnections
	Shared            int64            // requests over h2 that waited for a dial of another's
	MaxOpen           int64            // connections open at once
	Open              int64            // connections open now
	Closed            map[string]int64 // connections closed, by reason
}

// The reasons of Stats.Closed.
const (
	ReasonIdle      = "idle"      // Config.IdleTimeout
	ReasonStale     = "stale"     // the origin had closed it, or sent what nobody asked for
	ReasonOrigin    = "origin"    // the origin's response ended it
	ReasonOnce      = "once"      // Config.Reuse is off
	ReasonHandshake = "handshake" // the TLS handshake failed
	ReasonFailed    = "failed"    // the exchange on it failed
	ReasonEarly     = "early"     // the origin took the session and not the request in 0-RTT
	ReasonPool      = "pool"      // CloseIdle or Close
)

// Stats returns the counts so far.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Closed = maps.Clone(p.stats.Closed)
	return s
}
