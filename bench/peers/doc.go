// Command peers compares originpull's generator with public load tools, on the
// same nginx and in the same rounds, per CPU-second of the generator's
// process. It is a development tool: make bench-peers.
//
//  1. A lab is made: certificates by package pki, one nginx with one worker on
//     the last core, with a port for every kind of row.
//  2. A table is a load and the contenders that can make it. Each round runs
//     every contender once, in an order drawn anew, pinned to core 0.
//  3. nginx counts: requests and accepts by stub_status, and every answer that
//     is not what the row says, which makes the run of that contender void.
//     CPU is that of the contender's whole process, its start included.
//  4. A ratio is taken within a round, its median over rounds.
//
// originpull's side is the program that ships, `originpull worker edge` over
// its own protocol, with cache, pool, histograms and accounting on: no loop of
// this program's own. It verifies the server's chain; no peer does.
//
// A tool that is missing is a row that says so, never a row less.
package main
