package pool

import "maps"

// Stats counts what a pool did since its start. Connects is the sum of Plain
// and the three Handshakes counters, and of Open and all of Closed, whenever
// no call of Do is under way. In JSON the fields have their Go names.
type Stats struct {
	Dials             int64 // TCP connects begun, QUIC sockets opened
	Connects          int64 // of them made
	GivenUp           int64 // TCP connects that time or an interruption ended: the origin may have seen them made
	Unheard           int64 // of Connects: failed before anything came from the origin, which may never have seen them
	Plain             int64 // connections without TLS
	HandshakesFull    int64
	HandshakesResumed int64
	HandshakesFailed  int64            // those that the first read refuses included
	HandshakeSent     int64            // bytes beneath TLS of the full and resumed ones: see wire.Trace
	HandshakeReceived int64            // likewise
	Requests          int64            // sent, retries included
	Reused            int64            // of Requests: on a connection that had carried one before
	StaleRetries      int64            // requests sent once more: a reused connection was stale, 0-RTT was rejected, or the origin had not looked at it
	IdleClosed        int64            // of Closed: by Config.IdleTimeout
	Waits             int64            // requests that waited for Config.MaxConnections
	Shared            int64            // requests over h2 that waited for a dial of another's
	WaitNanos         int64            // that requests waited, for a place, a stream or another's dial, together
	WaitsRefused      int64            // requests that failed because Config.MaxWaiting others waited
	WaitTimeouts      int64            // requests that failed after Config.WaitTimeout
	Prewarmed         int64            // of Connects: by Prewarm
	RaceNoticed       int64            // idle connections that the origin had closed, or written to, noticed before a request was sent
	RaceLost          int64            // reused connections that turned out to be closed at the first read
	Unsafe            int64            // of RaceLost: not to be sent again, so that the viewer gets an error (502)
	CircuitOpened     int64            // times that a lane's circuit opened, failed probes included
	CircuitRefused    int64            // dials that an open circuit refused
	PerConnection     map[int64]int64  // connections closed, by how many requests they had carried
	MaxOpen           int64            // connections open at once
	Open              int64            // connections open now
	Closed            map[string]int64 // connections closed, by reason; the sum of it is that of PerConnection
}

// The reasons of Stats.Closed.
const (
	ReasonIdle      = "idle"      // Config.IdleTimeout
	ReasonAge       = "age"       // Config.MaxAge
	ReasonUses      = "uses"      // Config.MaxUses
	ReasonStale     = "stale"     // the origin had closed it, or sent what nobody asked for
	ReasonOrigin    = "origin"    // the origin's response ended it
	ReasonOnce      = "once"      // Config.Reuse is off
	ReasonHandshake = "handshake" // the TLS handshake failed
	ReasonFailed    = "failed"    // the exchange on it failed
	ReasonEarly     = "early"     // the origin took the session and not the request in 0-RTT
	ReasonSurplus   = "surplus"   // net/http's pool: enough were idle, or nobody came for it
	ReasonPool      = "pool"      // CloseIdle or Close
)

// Stats returns the counts so far.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Closed = maps.Clone(p.stats.Closed)
	s.PerConnection = maps.Clone(p.stats.PerConnection)
	return s
}
