package wire

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"
)

const (
	calibrationProbes = 20
	// fineRTT is below what the timers of a busy machine can tell apart.
	fineRTT = 5 * time.Millisecond
	// maxLateness is the share of the round trip that deliveries may be late.
	maxLateness = 0.05
	// maxBusy is the share of its CPUs at which a process waits for them.
	maxBusy = 0.9
)

// Calibration is what an idle link really does, to be printed beside what it
// was asked to.
type Calibration struct {
	Nominal  time.Duration // round-trip time asked for
	Realised time.Duration // median time of a TCP connect
	Probes   int
	Stats    LinkStats
}

// Calibrate connects a number of times within about two round trips and
// measures. It takes what the link did before away from the next TakeStats.
func (p *Path) Calibrate(ctx context.Context) (Calibration, error) {
	probe := netip.MustParseAddr("192.0.2.1") // RFC 5737
	if p.kind.Name == "direct" {
		probe = netip.MustParseAddr("127.0.0.1")
	}
	l, err := p.Listen(netip.AddrPortFrom(probe, 0))
	if err != nil {
		return Calibration{}, fmt.Errorf("calibrating the link: %w", err)
	}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close() // a probe's: nothing was sent
		}
	})
	p.TakeStats()
	took, err := p.probe(ctx, l.Addr())
	stats := p.TakeStats()
	if closing := l.Close(); err == nil {
		err = closing
	}
	accepting.Wait()
	if err != nil {
		return Calibration{}, fmt.Errorf("calibrating the link: %w", err)
	}
	slices.Sort(took)
	return Calibration{Nominal: p.link.RTT, Realised: took[len(took)/2], Probes: len(took), Stats: stats}, nil
}

// probe connects to at, evenly spread over one round trip.
func (p *Path) probe(ctx context.Context, at net.Addr) ([]time.Duration, error) {
	target, err := netip.ParseAddrPort(at.String())
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	var probes sync.WaitGroup
	for range calibrationProbes {
		probes.Go(func() {
			start := time.Now()
			c, err := p.Dial(ctx, netip.Addr{}, target)
			d := time.Since(start)
			if err == nil {
				err = c.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, d)
			if err != nil && failed == nil {
				failed = err
			}
		})
		if err := wait(ctx, p.link.RTT/calibrationProbes); err != nil && failed == nil {
			break // the probes say why
		}
	}
	probes.Wait()
	return took, failed
}

// Trust says how far a run over a link can be believed.
type Trust struct {
	Valid    bool     // latency and round trips
	CPU      bool     // whether CPU per handshake may be read from the run at all
	Reasons  []string // why it is not valid
	Warnings []string
}

// Judge compares what the link did during a run, s, and while it was idle, c,
// with what it should have done.
func (p *Path) Judge(c Calibration, s LinkStats) Trust {
	t := Trust{Valid: true, CPU: p.kind.CPU}
	if !p.kind.Packets {
		return t
	}
	rtt := p.link.RTT
	if rtt < fineRTT {
		t.Warnings = append(t.Warnings, fmt.Sprintf("an rtt of %s is below %s: the lateness of timers is a large part of it", rtt, fineRTT))
	}
	if allowed := time.Duration(maxLateness * float64(rtt)); rtt > 0 {
		for _, m := range []struct {
			when string
			s    LinkStats
		}{{"while the link was calibrated", c.Stats}, {"during the run", s}} {
			if m.s.LatenessP99 > allowed {
				t.Reasons = append(t.Reasons, fmt.Sprintf("one packet in a hundred was more than %s late %s, which is more than %g %% of the rtt: use a longer rtt or a quieter machine",
					m.s.LatenessP99, m.when, 100*maxLateness))
			}
		}
	}
	if s.Busy > maxBusy {
		t.Reasons = append(t.Reasons, fmt.Sprintf("this process used %.0f %% of its CPUs: it waited for them, and that would be taken for the link's latency; lower the rate", 100*s.Busy))
	}
	t.Valid = len(t.Reasons) == 0
	return t
}

// busyShare is the CPU time used as a share of what was there.
func busyShare(used, elapsed time.Duration) float64 {
	if elapsed <= 0 {
		return 0
	}
	return float64(used) / float64(elapsed) / float64(min(runtime.GOMAXPROCS(0), runtime.NumCPU()))
}
