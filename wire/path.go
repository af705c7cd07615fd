package wire

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// carrier is what a kind of link brings: streams and datagrams from the edge's
// side to the origin's.
type carrier interface {
	Network
	PacketNetwork
	// ListenPackets opens a socket at the origin's side; port 0 chooses one.
	ListenPackets(at netip.AddrPort) (net.PacketConn, error)
	// takeStats writes what happened since it was last called.
	takeStats(*LinkStats)
	// close ends every connection and waits for all goroutines.
	close() error
}

// Path is an opened Link. What it dials comes from the edge's side, what it
// listens for arrives at the origin's; both may be in one process.
type Path struct {
	carrier
	link Link
	kind Kind

	mu    sync.Mutex
	since time.Time     // when it was opened, or TakeStats last called
	cpu   time.Duration // of this process at that time
}

// Open opens a link. It fails, and never does less than was asked for, where
// the kind cannot do what l says or this machine lacks the kind.
func Open(l Link) (*Path, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	l = l.Resolved()
	kind, _ := kindNamed(l.Kind)
	c, err := kind.open(l)
	if err != nil {
		return nil, fmt.Errorf("opening a %s link: %w", l.Kind, err)
	}
	return &Path{carrier: c, link: l, kind: kind, since: time.Now(), cpu: processCPU()}, nil
}

// Link returns what the path was opened with, every default written out.
func (p *Path) Link() Link { return p.link }

// Kind returns the kind of the link.
func (p *Path) Kind() Kind { return p.kind }

// Close ends every connection and waits until nothing of the link is left.
func (p *Path) Close() error { return p.close() }

// LinkStats is what a link did between two calls of TakeStats.
type LinkStats struct {
	Packets    int64 // offered, both directions; 0 where the link has none
	Lost       int64 // dropped by the loss
	Overflowed int64 // dropped because the queue was full
	// RoundTrip is the mean time from a packet's departure to its delivery,
	// both directions added. Jitter, rate and lateness are in it.
	RoundTrip time.Duration
	// Lateness of deliveries against their due time.
	LatenessP50, LatenessP99 time.Duration
	// Busy is this process's CPU time as a share of the CPUs that it may use.
	Busy float64
	// Congestion names TCP's congestion control; "" where the link has none.
	Congestion string
	// TimeWait is how long an ended connection keeps its port; 0: the
	// kernel's minute.
	TimeWait time.Duration
}

// TakeStats returns what the link did since it was opened or since TakeStats
// was last called.
func (p *Path) TakeStats() LinkStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	var s LinkStats
	p.takeStats(&s)
	now, cpu := time.Now(), processCPU()
	s.Busy = busyShare(cpu-p.cpu, now.Sub(p.since))
	p.since, p.cpu = now, cpu
	return s
}

// directPath is Direct as a link.
type directPath struct{ Direct }

func (directPath) takeStats(*LinkStats) {}
func (directPath) close() error         { return nil }

// modelPath is a Model as a link.
type modelPath struct{ *Model }

func (modelPath) takeStats(*LinkStats) {}
func (modelPath) close() error         { return nil }

func (modelPath) OpenPackets(netip.Addr, netip.AddrPort) (net.PacketConn, error) {
	return nil, errNoDatagrams("model")
}

func (modelPath) ListenPackets(netip.AddrPort) (net.PacketConn, error) {
	return nil, errNoDatagrams("model")
}

func errNoDatagrams(kind string) error {
	return fmt.Errorf("a %s link carries no datagrams: QUIC needs direct, netstack or tun", kind)
}

func init() {
	registerKind(Kind{
		Name: "direct", Summary: "the kernel's loopback", CPU: true, Servers: true, rank: 1,
		open: func(Link) (carrier, error) { return directPath{}, nil },
	})
	registerKind(Kind{
		Name: "model", Summary: "a byte stream in memory with slow start, exact on virtual time", AnySource: true, rank: 3,
		honours: []string{"rtt", "mtu", "initialWindow", "mss"},
		open: func(l Link) (carrier, error) {
			m, err := NewModel(l)
			if err != nil {
				return nil, err
			}
			return modelPath{m}, nil
		},
	})
}
