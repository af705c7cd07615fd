// Package proxy is the edge for real viewers: a reverse proxy, with the cache
// and the origin connections of package edge behind it.
//
// The way of a request:
//
//  1. A connection shakes hands first, where viewers use TLS; where there is an
//     authority for viewers, with their certificate. ALPN chooses h2 or
//     HTTP/1.1, and what it chose is what is spoken.
//  2. Over HTTP/1.1 a gate reads along: what two readers could frame
//     differently (a bare LF, a folded line, two lengths, a length beside a
//     transfer coding) never reaches net/http, which answers 400 in its place
//     and closes.
//  3. The fields of the hop go, those that Connection names too, before the
//     cache looks at the request. TRACE and CONNECT are refused. Via,
//     X-Forwarded-For and X-Forwarded-Proto say who passes it on, and for whom.
//  4. The edge answers from its cache, or asks the origin, with its secret
//     header over whatever the viewer sent by that name. Of several origins
//     (Config.Routes) host and path say which: each has a certificate, a secret
//     and connections of its own.
//  5. The answer streams to its viewer: interim responses as they come, content
//     as it comes, trailers.
//
// Invariants:
//
//   - A viewer that was promised content which did not come is cut off; it never
//     sees an answer that looks whole and is not.
//   - A redirect is an answer like any other: nothing but a configured origin is
//     ever asked.
//   - Reload replaces certificates and target for what begins afterwards. No
//     connection ends for it.
//   - Who sends nothing, or takes nothing, for as long as Timeouts says, is cut
//     off: 408 where a request had begun.
package proxy
