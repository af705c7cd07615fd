// Package cache is the shared cache of the edge: RFC 9111 in memory, bounded
// by bytes, one fetch for many viewers.
//
// The way of a request through Cache.Serve:
//
//  1. A fresh stored response answers it (Hit). The key is tenant, host and
//     path, byte by byte; of several responses that counts which has the
//     request's values in the fields of its Vary. Conditions, HEAD and a Range
//     of one part are answered from it too.
//  2. A stale one answers while the origin is asked in the background, if it
//     says that it may (Stale; RFC 5861, 3).
//  3. Else a plain GET joins the fetch that is under way for its object and
//     variant, or begins one (Miss, and Collapsed for those who joined). Where
//     a stored response has validators they are sent; a 304 updates it
//     (Revalidated).
//  4. A request for a part, with credentials, with conditions for the origin
//     alone, or one that may not be stored is fetched for its viewer alone.
//  5. What comes back is stored if RFC 9111 lets a shared cache store it. If
//     not, it is its viewer's alone (Pass), and for two seconds nobody waits
//     for anybody at this object. Where the origin fails, a stale response may
//     stand in (Stale; RFC 5861, 4).
//  6. Content that streams reaches all who wait as it comes, each from its
//     beginning, and is stored once it is whole. What turns out too large to be
//     stored goes on at the pace of the slowest viewer.
//
// An unsafe method passes, and a success makes the cache forget its object and
// those of the same host that the answer names.
//
// What leaves when room is needed a policy decides: lru, fifo, sieve, s3fifo,
// or otter's W-TinyLFU. [Simulation] plays the same policies in virtual time,
// and model.go has the closed forms beside them.
//
// Where the specifications leave a choice:
//
//   - Malformed is stale: a Cache-Control that does not follow its grammar, a
//     lifetime that is no number, a content that is not as long as it says.
//   - Heuristic freshness, negative caching, stale-if-error without the
//     origin's word and a viewer's Cache-Control are off unless set.
//   - A viewer's If-None-Match and If-Modified-Since are not passed on where the
//     answer may be stored: the whole is fetched, and the viewer gets its 304.
//   - Several ranges at once are answered with the whole.
//   - Accept-Language is compared without regard to case and order.
//   - A 304 for other than the validated response is no answer; the whole is
//     asked for.
//
// Invariants:
//
//   - The bytes charged, content on its way included, never exceed
//     Config.Capacity, at no moment; they are what the process uses, within a
//     tenth. Beyond it, content that is too large to be stored takes what its
//     slowest viewer has not read of it, once that is the window of 256 KiB.
//   - What is stored is never changed, is whole, and is never served stale
//     without leave.
//   - No answer reaches a second viewer unless it may be stored and is fresh.
//   - One viewer's leaving or error fails no other; a fetch without viewers
//     ends.
//   - A hit allocates nothing.
package cache
