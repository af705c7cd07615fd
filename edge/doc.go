// Package edge is the simulated CDN edge: it answers viewers from its cache
// and pulls from the origin, through its pool, what the cache does not have.
//
// The pipeline of [Edge.Pull]:
//
//  1. The viewer's request becomes the edge's own: its Host, its headers (a
//     secret header is the edge's to set; a viewer's header of the same name
//     is dropped, never added to).
//  2. The cache answers, or decides who fetches: one viewer for all that ask
//     for the same object at the same time.
//  3. Who fetches sends one request through the pool, and again after the
//     failures and within the budget of [Retry].
//     Which pool that is, among those of the point of presence, [Topology]
//     decides at random; with a parent (a shield) the parent is asked instead.
//  4. The reply says where it came from and, when this very pull went to the
//     origin, what the exchange took. A pull that failed has the status that
//     the viewer would be told, by [Phase].
//
// [Edge.Open] is the same for content that streams: package proxy meets real
// viewers with it. [Edge.Retarget] gives later pulls another target.
//
// In what else CDNs differ is [Behaviour], plain settings; no vendor is named
// in the code. [Presets] are what vendors document of theirs: one file each in
// presets, every value a setting of the scenario document, with its source,
// its date and how well it is known.
//
// A [Distribution] is many such edges, and perhaps a shield, behind one face. With
// several origins ([Route]) a point of presence is an edge towards each, with
// target, certificate, secret and pools of its own, and one cache for all: the
// first [Match] says whose a request is, and nothing of one can reach another.
//
// Invariant: Reply.Exchange is set exactly for the pulls that sent a request
// to the origin themselves and whose viewer stayed, so that no request at the
// origin is counted twice.
package edge
