package sim

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/wire"
)

// farAddress is where the origin is at the end of every distance: an address
// for documentation (RFC 5737), which exists on the link alone.
var farAddress = netip.MustParseAddrPort("192.0.2.80:443")

// nearAddress is a point of presence's, of which there are fewer than 255. Each
// has its own: to the origin, two connections from one port would be one.
func nearAddress(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + i)})
}

// nearPrefixes is what an allowlist at the far end of a distance lets in.
func nearPrefixes() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
}

// hopProcs is how many processors the process of a hop may use: what wakes up
// for a packet must not wait for a signature.
const hopProcs = "2"

// errDistant is why an arm on a link has no CPU figures.
var errDistant = errors.New("edge, origin and the link between them are one process: an emulated distance wakes up on their account")

// linkOf is the link of a scenario in wire's terms. A trial's seed stands in
// for one that is not given.
func linkOf(l *scenarios.Link, seed uint64) wire.Link {
	if l.Seed != 0 {
		seed = l.Seed
	}
	return wire.Link{
		Kind: l.Kind, RTT: time.Duration(l.RTT), Jitter: time.Duration(l.Jitter), Loss: l.Loss,
		Rate: int64(l.Rate), Queue: int(l.Queue), MTU: l.MTU, Seed: seed,
	}
}

// distant reports whether there is more than loopback between the arm's ends.
func (a *Arm) distant() bool { return a.Settings.Link.Distant() }

// distant reports whether an arm of the experiment is.
func (x *Experiment) distant() bool {
	return slices.ContainsFunc(x.Arms, func(a Arm) bool { return a.distant() })
}

// LinkSummary is what the link of a hop did.
type LinkSummary struct {
	Kind     string        `json:"kind"`
	Nominal  time.Duration `json:"nominal"`  // round-trip time asked for
	Realised time.Duration `json:"realised"` // measured before the first block
	LateP50  time.Duration `json:"lateP50"`  // of packets, in the worst block
	LateP99  time.Duration `json:"lateP99"`
	// Congestion names TCP's congestion control, of both ends where they differ;
	// "" where the link's streams have none.
	Congestion string   `json:"congestion,omitempty"`
	Packets    int64    `json:"packets"`
	Lost       int64    `json:"lost"`
	Overflow   int64    `json:"overflow"`
	Reasons    []string `json:"reasons,omitempty"` // why latency is not valid
	Warnings   []string `json:"warnings,omitempty"`
}

// add takes in one block.
func (s *LinkSummary) add(stats wire.LinkStats, trust wire.Trust) {
	s.LateP50, s.LateP99 = max(s.LateP50, stats.LatenessP50), max(s.LateP99, stats.LatenessP99)
	s.Packets += stats.Packets
	s.Congestion = stats.Congestion
	s.Lost += stats.Lost
	s.Overflow += stats.Overflowed
	s.Reasons = append(s.Reasons, trust.Reasons...)
	s.Warnings = append(s.Warnings, trust.Warnings...)
}

// hopEnd is the origin's side of a hop whose ends share a process.
type hopEnd struct{ counts *origin.Counts }

func (h *hopEnd) pids() ([]int, error) { return nil, errDistant }
func (h *hopEnd) stop() error          { return nil }

func (h *hopEnd) drain(context.Context, int64) (*origin.Counts, error) {
	if h.counts == nil {
		return nil, fmt.Errorf("the origin of a hop: %w", errNoAnswer)
	}
	return h.counts, nil
}

// startHop starts both ends in one process.
func (r *run) startHop(ctx context.Context, p *pair, start *Start, credentials credentialSet) (err error) {
	far := *start
	far.QUIC = p.arm.overQUIC()
	near := *start
	near.Credentials, near.Certificate, near.Audit, near.Include, near.Far = credentials.edge, "", "", "", &far
	near.Trace = r.plan.packedTrace(p.arm)
	p.origin, p.trial.noCPU = &hopEnd{}, errDistant
	if p.edge, err = r.cfg.of(p.arm).startProcess(RoleHop, "the hop of "+p.arm.Name, append(workerEnv(), "GOMAXPROCS="+hopProcs)); err != nil {
		return err
	}
	_, err = p.edge.ask(ctx, Command{Type: msgStart, Start: &near})
	return err
}

// What an experiment on a link takes.
const (
	togetherHandshakes = 4 // arms at once: they wait for most of the time, and nobody reads CPU
	lateHandshakes     = 4 // blocks that are measured again where the link was late
	lateRequests       = 2 // the same of long blocks
	leastTurns         = 6 // round trips that a block holds at the least, for each of a connection's
	mostTurns          = 5 // round trips from TCP connect to the first byte: TLS 1.2 with a chain beyond the initial window
	calibrationTurns   = 4 // of two each, and most often of one calibration
)

// aloneBelow is the distance below which an arm is measured alone: what others
// do meanwhile makes its packets late by more than it can bear.
const aloneBelow = 40 * time.Millisecond

// lateBlocks is how many blocks of the arm are measured again where the link
// was late.
func (a *Arm) lateBlocks() int {
	if a.Settings.Workload.Mode == string(Handshakes) {
		return lateHandshakes
	}
	return lateRequests
}

// batches are the arms of the experiment, in order, as they are measured at
// once.
func (x *Experiment) batches() (all [][]Arm) {
	if !x.distant() {
		return [][]Arm{x.Arms}
	}
	for i := 0; i < len(x.Arms); i += len(all[len(all)-1]) {
		n := 1
		for x.Kind == Handshakes && n < togetherHandshakes && i+n < len(x.Arms) && x.Arms[i].farthest() >= aloneBelow && x.Arms[i+n].farthest() >= aloneBelow {
			n++
		}
		all = append(all, x.Arms[i:i+n])
	}
	return all
}

// blockOf is the length of an arm's block, in seconds: one that a distance
// does not fit into many times over would measure hardly anything.
func (x *Experiment) blockOf(a *Arm) float64 {
	if x.Kind != Handshakes || !a.distant() {
		return x.Block
	}
	return max(x.Block, leastTurns*mostTurns*a.farthest().Seconds())
}

// farthest is the longest round trip of an arm.
func (a *Arm) farthest() time.Duration { return slices.Max(a.Settings.Distances()) }

// distantSeconds is what the blocks of one trial take where arms have a
// distance: those measured together take as long as the longest of them.
func (x *Experiment) distantSeconds() (total float64) {
	for _, some := range x.batches() {
		longest := 0.0
		for i := range some {
			rtt := some[i].farthest().Seconds()
			// Calibration, the last exchanges of warm-up and block, and goodbye.
			calibrating := float64(calibrationTurns * len(some[i].Settings.Distances()))
			longest = max(longest, x.blockOf(&some[i])+(calibrating+mostTurns+mostTurns+1)*rtt)
		}
		total += longest
	}
	return total
}

// link refuses what a link cannot do, where it was written.
func (c *compiler) link(e *scenarios.Experiment) {
	l := linkProblems{c, e, map[string]bool{}}
	cells := e.Cells()
	for i := range cells {
		l.asked(&cells[i])
		if cells[i].Link.Distant() {
			l.apart(&cells[i])
		}
	}
}

// linkProblems reports problems of an experiment's cells, each once.
type linkProblems struct {
	c    *compiler
	e    *scenarios.Experiment
	seen map[string]bool
}

func (l linkProblems) report(cell *scenarios.Cell, path, text string) {
	at, ok := cell.WrittenBy(path)
	if !ok {
		at = fmt.Sprintf("experiments[%d].%s", l.e.Index, path)
	}
	if !l.seen[at+text] {
		l.seen[at+text] = true
		l.c.problem(at, "%s", text)
	}
}

// asked is what no link, or not this kind, can do.
func (l linkProblems) asked(cell *scenarios.Cell) {
	for _, p := range linkOf(&cell.Link, 0).Problems() {
		l.report(cell, "link."+p.Field, p.Problem)
	}
	for _, pop := range cell.Edge.Pops.Named {
		far := linkOf(&cell.Link, 0)
		far.RTT = time.Duration(pop.RTT)
		for _, p := range far.Problems() {
			if p.Field == "rtt" || p.Field == "jitter" {
				l.report(cell, "edge.pops", pop.Name+": "+p.Problem)
			}
		}
	}
}

// apart is what edges and origins cannot do over a distance.
func (l linkProblems) apart(cell *scenarios.Cell) {
	kind, known := wire.KindOf(cell.Link.Kind)
	if !known {
		return // asked has said so
	}
	server, pops, h3 := cell.Origin.Server, len(cell.Edge.Pops.Named), cell.Edge.Protocol == string(pool.H3)
	if pops > 0 && cell.Edge.Shield.Enabled {
		l.report(cell, "edge.shield.enabled", "with a shield no point of presence dials the origin, so that none has a distance to it: give a number of edge.pops and a link.rtt, or remove the shield")
	}
	if pops > 1 && h3 {
		l.report(cell, "edge.protocol", "points of presence with distances of their own speak h1 or h2: use one of them, or a number of edge.pops")
	}
	if !kind.Packets && h3 {
		l.report(cell, "link.kind", "a "+kind.Name+" link carries no datagrams: h3 needs direct, netstack or tun")
	}
	switch {
	case server == builtin:
	case !kind.Servers:
		l.report(cell, "origin.server", server+" speaks the kernel's TCP, which a "+cell.Link.Kind+" link has not: use link.kind: tun, or server: builtin")
	case pops > 1:
		l.report(cell, "origin.server", server+" is at the end of one link, and points of presence with distances of their own have one each: use server: builtin, or a number of edge.pops")
	}
	for path, planted := range map[string]float64{"edge.plant.cpu": cell.Edge.Plant.CPU, "origin.plant.cpu": cell.Origin.Plant.CPU} {
		if planted > 0 {
			l.report(cell, path, "no CPU is read on a link, so that nothing planted could be found: use link.kind: direct")
		}
	}
}

// missingLink says which kind of link an experiment needs and this machine
// does not have, "" when it has all.
func missingLink(x *Experiment) string {
	for i := range x.Arms {
		name := x.Arms[i].Settings.Link.Kind
		kind, known := wire.KindOf(name)
		if !known {
			continue
		}
		if err := kind.Available(); err != nil {
			instead := "use netstack, which needs no privilege"
			if x.Arms[i].Settings.Origin.Server != builtin {
				instead += ", and server: builtin"
			}
			return fmt.Sprintf("this machine has no %s link (%v): %s", name, err, instead)
		}
	}
	return ""
}

// NotHere says of each experiment that this machine cannot run why that is: a
// server or a kind of link that it lacks. None of these is a problem of the
// scenario.
func NotHere(ctx context.Context, plan *Plan) (why []string) {
	servers := found{}
	for i := range plan.Experiments {
		x := &plan.Experiments[i]
		for _, reason := range []string{servers.missing(ctx, x), missingLink(x)} {
			if reason != "" {
				why = append(why, x.Name+" would not be run here: "+reason)
			}
		}
	}
	return why
}
