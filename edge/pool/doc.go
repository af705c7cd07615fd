// Package pool keeps an edge's connections to its origins and sends requests
// over them.
//
// The pipeline of [Pool.Do]:
//
//  1. The [Target] names a group of connections: address, source, server name,
//     client identity and TLS configuration. Two identities never share one.
//  2. The idle connection that [Config.Order] has next is taken, unless it is
//     worn (by age or uses) or stale: the origin has closed it, or sent bytes
//     that nobody asked for.
//  3. Without one a connection is dialled, unless the [Circuit] is open; or, at
//     [Config.MaxConnections], the request waits its turn, first come, first
//     served, within the bounds of [Config.MaxWaiting] and WaitTimeout. A
//     target that must be asked for its certificate, and is not, fails before a
//     request is sent.
//     Over HTTP/3 that is a QUIC connection with a socket of its own, which
//     carries one request at a time like any other; quic-go is its codec.
//     Over HTTP/2 a connection carries as many requests at once as the origin's
//     SETTINGS allow; net/http is its codec, without net/http's pool. Requests
//     wait for a dial that is under way rather than dial too, and another
//     connection is made only when every stream of every other is taken.
//  4. The request is written and the response parsed by a strict HTTP/1.1
//     codec, which marks the first reply byte in the connection's trace.
//  5. A connection that may be kept goes to the longest waiting request or
//     back to the idle ones; one timer closes those idle for too long, or too
//     old. No goroutine waits on an idle HTTP/1.1 connection.
//
// [Pool.Open] is the same for content that streams, over HTTP/1.1 and HTTP/2:
// it returns after the header, the request's content is sent meanwhile, interim
// responses are told, and step 5 comes when the content is at its end.
//
// Invariants:
//
//   - Every connection that was made, over TCP or QUIC, is counted once in
//     Stats.Connects and ends up as a full, resumed or failed handshake, or as
//     plain.
//
//   - A request is sent again only as [Retry] allows: when its method is
//     idempotent, the connection was a kept one, and not one byte of a response
//     had arrived;
//     or when it left in 0-RTT and the origin rejected that; or when the origin
//     said over HTTP/2 that it has not looked at it (REFUSED_STREAM, or GOAWAY
//     with an earlier stream), whatever its method.
//
//   - Over HTTP/2 the first byte is that of the reply's first HEADERS frame. The
//     origin's SETTINGS may come before it and are no reply.
//
//   - What happened is decided by response bytes. A client certificate that
//     TLS 1.3 refuses shows at the first read, and fails at stage tls.
//
//   - Open sends content once. Content that ends early, on either side, is an
//     error, and the connection is not kept; nor is one on which more came than
//     the response announced.
//
// Note: net/http's Transport is not used. It races a dial against the next idle
// connection, lets dials outlive their request and retries without saying so,
// which distorts the counts that this package exists for. [NetHTTP] is that
// Transport all the same, for comparison: connections are dialled and traced as
// the pool's own are, and what becomes of them is read off net/http's hooks.
// Whoever asks beside its dial takes what is idle first, so that connections
// end that carried nothing (ReasonSurplus); they are read to their end, because
// their session tickets are bytes of their handshakes.
package pool
