// Package cache is the shared cache of the simulated edge: in memory, bounded
// by bytes, one fetch for many viewers.
//
// The way of a request through Cache.Serve:
//
//  1. A fresh stored response answers it (Hit). Host and path, byte by byte,
//     are the key.
//  2. Else a plain GET joins the fetch that is under way for its object, or
//     begins one (Miss, and Collapsed for those who joined).
//  3. A request that is no GET, that carries credentials, or that asks for a
//     part, a validation or no storing is fetched for its viewer alone.
//  4. What comes back is stored if RFC 9111 lets a shared cache store it. If
//     not, it is its viewer's alone (Pass), and for two seconds nobody waits
//     for anybody at this object.
//
// Read from the response: Cache-Control (max-age, s-maxage, no-store, private,
// no-cache, public, must-revalidate), Age, Vary and the status. Stricter than
// RFC 9111 asks, for now:
//
//   - no-cache is not stored, because nothing revalidates; with a list of
//     fields, no-cache and private count for the whole response.
//   - A response with Vary is not stored.
//   - Freshness comes from max-age and s-maxage only: no Expires, no heuristic.
//   - Unsafe methods pass and invalidate nothing.
//
// Invariants:
//
//   - The bytes charged never exceed Config.Capacity, at no moment.
//   - What is stored is never changed, and never served once it is stale.
//   - No answer reaches a second viewer unless it may be stored.
//   - One viewer's leaving fails no other; a fetch without viewers ends.
//   - A hit allocates nothing.
package cache
