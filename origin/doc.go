// Package origin is the origin of an origin pull: who may pull, and the
// built-in server that enforces it.
//
// A Policy says who may have the content. It is plain JSON; strategies fill
// it, credentials are named in it. Policy.Requires turns it into the proofs
// that a caller must hold on a path, so that a bypass is predicted before it
// is measured. A Mistake is one named way to get a strategy wrong; a policy
// with a mistake is a control, and nothing else may be served unsafely.
//
// A Profile makes the built-in server a managed front door with an application
// behind it: it asks for certificates as that front door does, and tells the
// application who came. It adds no check of its own.
//
// The Server decides in this order:
//
//  1. At accept, on the socket address (unmapped, without zone): closed before
//     any byte. Forwarded addresses and PROXY prefaces are never read.
//  2. In the handshake. SNI picks the configuration: public hosts are let off,
//     every other name, unknown and absent ones too, must show a certificate.
//     crypto/tls verifies chain, dates and purpose; VerifyConnection, which
//     resumption does not skip, verifies pin and revocation.
//  3. On each request, outside the router: SNI is Host, or 421; the
//     connection's certificate is still good under the current policy, or 403
//     and closed; the secret header is there once and right, or 403.
//     Over HTTP/2, which ALPN chooses where the edge offers it, requests run at
//     once and each is decided by itself; a refusal that closes a connection
//     sends GOAWAY.
//  4. HTTP/3, where ServeQUIC serves it, meets the same guard: step 1 for every
//     datagram, and without an answer; steps 2 and 3 as they are. A request in
//     0-RTT, which Config.Early allows, is answered on /o/{key} alone; any
//     other route says 425.
//  5. The router: GET and HEAD of /o/{key} and /.
//
// Invariants:
//
//   - Every reply that the guard allowed carries X-Origin-Proof; no other does.
//   - Once connections have ended, Counts.Accepted is the sum of their ends.
//   - Every request, and every connection refused before one, is one audit
//     line. A request's line is written before its reply can be read.
//   - A refusal names one missing proof: the first that was found missing.
//   - Reload swaps everything at once; no ticket key is dropped for it.
//   - Every phase of a connection has a timeout; over HTTP/2 and QUIC a request's
//     header shares that of an idle connection.
//   - What ALPN chose is what is spoken: neither HTTP/2 without having been
//     offered, nor HTTP/1.1 after it was chosen.
//
// A Driver runs a server that others have made as an origin instead: it writes
// the policy in that server's own words, and Limits says what those words
// cannot express. Nothing of it outlives Running.Stop.
package origin
