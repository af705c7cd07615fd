// Package wire is what both ends of the hop between edge and origin share:
// how TLS is pinned, how a connection is made, and what it cost.
//
// A connection is made and measured in these steps:
//
//  1. A [Profile] pins a [crypto/tls.Config] to one protocol version and one
//     key-exchange group, with or without resumption. An unpinned comparison
//     of versions measures the post-quantum group instead.
//  2. A [Dialer] asks a [Network] for a stream: [Direct] is the kernel's
//     loopback, a [Path] any kind of [Link], with a distance in between.
//  3. The stream is wrapped in a [Conn], which counts bytes, flights, turns
//     and TLS records beneath TLS.
//  4. [Handshake] runs TLS over it and returns a [Trace]; [Plain] is its
//     counterpart for a connection without TLS.
//  5. Whoever reads the first byte of the first reply calls
//     [Trace.MarkFirstByte], which completes the trace.
//
// QUIC takes the same way: a [Dialer] opens [Packets] where its network is a
// [PacketNetwork], [HandshakeQUIC] returns a [QUIC] with a [Trace], and
// [QUIC.MarkFirstByte] completes it.
//
// # Links
//
// A run over a link takes these steps:
//
//  1. [Link.Problems] names everything that is wrong with what was asked for.
//     A kind that cannot do it fails and names those that can.
//  2. [Open] returns a [Path]. Edges dial and open packets at its near side,
//     origins listen at its far side, both in one process. Of a tun link that
//     side is a [Ground] too, on which a real server runs.
//  3. [Path.Calibrate] measures what the idle link does.
//  4. [Path.TakeStats] tells what it did during the run: packets, drops,
//     lateness, the CPU that this process used.
//  5. [Path.Judge] says how far latency may be believed, and whether CPU may be
//     read at all: an emulation wakes up on somebody's account.
//
// Packets of netstack and tun travel in a line per direction, which has delay,
// jitter, loss, rate and queue; see line.go. The kinds differ in who speaks
// TCP: two stacks of gVisor in this process, or the kernel in two network
// namespaces, which is the ground truth. Under netstack and tun a UDP socket is
// a plain one: no ECN, no segmentation offload, no path MTU discovery.
//
// # Turns and flights
//
// A turn is a Read that returned bytes after at least one Write since the
// last such Read: a round trip that was waited for, counted without a clock. A flight
// is a maximal run of I/O in one direction. A client's turns until its
// handshake returned are 2 for a full TLS 1.2 handshake and 1 for a resumed
// one, 1 for TLS 1.3 full or resumed, and one more after a HelloRetryRequest.
// Client certificates add none. Over QUIC they are 1, full or resumed, and 0
// with 0-RTT; see [Packets] for what makes a datagram a turn.
//
// # Invariants
//
//   - Direct never sends a packet to an address that is not loopback.
//   - Counting changes no system call: a Conn makes exactly the reads and
//     writes that TLS asks for.
//   - A Conn under TLS hands out at most one record per Read. What TLS has not
//     been given yet is therefore known, which is what makes [Trace].Received
//     and [Conn.Quiet] exact.
//   - A Model under [testing/synctest] is exact to the nanosecond. netstack
//     hangs there.
//   - A packet's fate is drawn from the seed, its flow and its index in the flow,
//     so it is the same in every run, whatever else happens. netstack hands out
//     ports in order for that; with tun they are the kernel's choice, so what is
//     lost differs from run to run.
//   - Jitter keeps the order within a flow and not between flows.
//   - On a Ground sockets have the congestion control of the system, which a
//     Ground names; those of a Path are told theirs.
//   - No link needs or changes an address, a route or a name of the system's. What
//     tun makes has no name and ends with the process, killed or not.
package wire
