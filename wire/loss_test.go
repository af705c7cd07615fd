package wire

import (
	"context"
	"crypto/tls"
	"math"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// TestLossCostsWhatItShould compares the mean of TCP connect and one request
// over a link that loses packets with what can be computed: the first packets
// have no round-trip time to go by, so one of them lost costs a second.
func TestLossCostsWhatItShould(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for real retransmissions")
	}
	const (
		rtt         = 50 * ms
		loss        = 0.005
		n           = 1500
		concurrency = 60
	)
	for _, kind := range []string{"netstack", "tun"} {
		t.Run(kind, func(t *testing.T) {
			available(t, kind)
			if kind == "tun" && raced {
				t.Skip("it is there to be compared with, once")
			}
			var mean, standardError float64
			var timeouts int
			var stats LinkStats
			var trust Trust
			for range chances() {
				p := openPath(t, Link{Kind: kind, RTT: rtt, Loss: loss, Seed: 1})
				mean, standardError, timeouts = meanTrips(pullMany(t, p, n, concurrency), rtt)
				stats = p.TakeStats()
				if trust = p.Judge(Calibration{}, stats); trust.Valid {
					break
				}
			}
			want := expectedTrips(rtt, loss)
			testify(t, "2-loss-"+kind, "TCP connect and one request over %s, 50 ms and 0.5 %% loss: %.3f round trips in the mean of %d, expected %.3f, standard error %.3f; %d waited a second or more; %d of %d packets lost.",
				kind, mean, n, want, standardError, timeouts, stats.Lost, stats.Packets)
			// Four standard deviations of a binomial, whatever the clock says.
			if lost := float64(stats.Packets) * loss; math.Abs(float64(stats.Lost)-lost) > 4*math.Sqrt(lost) {
				t.Errorf("%d packets lost instead of about %.0f", stats.Lost, lost)
			}
			unjudged(t, trust)
			if math.Abs(mean-want) > 3*standardError {
				t.Errorf("mean %.3f RTT instead of %.3f ± 3 × %.3f", mean, want, standardError)
			}
		})
	}
}

// meanTrips is the mean of times in round trips, its standard error, and how
// many of them are a second or more.
func meanTrips(took []time.Duration, rtt time.Duration) (mean, standardError float64, timeouts int) {
	sum, squares, n := 0.0, 0.0, float64(len(took))
	for _, d := range took {
		trips := float64(d) / float64(rtt)
		sum += trips
		squares += trips * trips
		if d >= time.Second {
			timeouts++
		}
	}
	mean = sum / n
	return mean, math.Sqrt((squares/n-mean*mean)/n) + 1e-9, timeouts
}

// expectedTrips is two round trips, and what becomes of the four packets on
// whose way nothing may be lost. (The acknowledgement that ends TCP's
// handshake is not one of them: the request acknowledges, too.)
func expectedTrips(rtt time.Duration, loss float64) float64 {
	pair := 1 - (1-loss)*(1-loss) // one of a packet and its answer is lost
	// SYN and SYN-ACK: one second, then two, then four (RFC 6298).
	connect, timeout := 0.0, float64(time.Second)/float64(rtt)
	for chance := pair; timeout < 1e4; timeout *= 2 {
		connect += chance * timeout
		chance *= pair
	}
	// Request and reply are each the last of what was sent: a tail loss probe
	// or a timeout, 200 to 300 ms (RFC 8985 and RFC 6298).
	request := pair * float64(250*ms) / float64(rtt)
	return 2 + connect + request
}

func pullMany(t *testing.T, p *Path, n, concurrency int) []time.Duration {
	t.Helper()
	at, stop := origin(t, p, farOrigin, nil)
	defer stop()
	due := make(chan struct{})
	var mu sync.Mutex
	var took []time.Duration
	var wg sync.WaitGroup
	for worker := range concurrency {
		source := netip.AddrFrom4([4]byte{130, 176, 1, byte(worker)})
		wg.Go(func() {
			// Not all at once: what waits for a CPU is not what is asked about.
			if err := wait(t.Context(), p.Link().RTT*time.Duration(worker)/time.Duration(concurrency)); err != nil {
				t.Error(err)
			}
			for range due {
				trace, err := pullOnce(t.Context(), Dialer{Network: p, Source: source}, at, nil)
				if err != nil {
					t.Error(err)
					continue
				}
				mu.Lock()
				took = append(took, trace.FirstByte)
				mu.Unlock()
			}
		})
	}
	for range n {
		due <- struct{}{}
	}
	close(due)
	wg.Wait()
	return took
}

// TestJitterDoesNotAddUp wants the median of what a jittery link does to be
// that of a steady one: only packets of the same flow wait for each other.
func TestJitterDoesNotAddUp(t *testing.T) {
	const rtt, n = 50 * ms, 99
	p := openPath(t, Link{Kind: "netstack", RTT: rtt, Jitter: 5 * ms, Seed: 1})
	at, stop := origin(t, p, farOrigin, nil)
	defer stop()
	all := spread(t, 4*rtt, make([]*tls.Config, n), func(ctx context.Context, _ *tls.Config) (distanceSample, error) {
		return pullStream(ctx, p, at, nil, false)
	})
	connect := medianTrips(all, rtt, func(s distanceSample) time.Duration { return s.handshake })
	spreadOut := all[n-1].handshake - all[0].handshake
	firstByte := medianTrips(all, rtt, func(s distanceSample) time.Duration { return s.firstByte })
	stats := p.TakeStats()
	t.Logf("connect %.3f RTT, first byte %.3f RTT, connects differ by %s; mean round trip of packets %s", connect, firstByte, spreadOut, stats.RoundTrip)
	unjudged(t, p.Judge(Calibration{}, stats))
	// The request leaves right behind the end of TCP's handshake and waits for
	// it: the later of two draws, a third of the jitter more. So may the reply.
	if math.Abs(connect-1) > 0.06 || math.Abs(firstByte-2) > 0.13 || spreadOut < 5*ms {
		t.Error("jitter moved the median, or did nothing")
	}
}
