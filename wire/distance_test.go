package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

// distanceRow is one case of the table of what a distance costs, in round
// trips from the start of connect to the end of the handshake and to the
// first reply byte.
type distanceRow struct {
	name string
	row
	plain, quic, early, kept bool
	// slack is what the first byte may come later: a fat chain over QUIC is
	// verified and acknowledged packet by packet.
	slack float64
}

const fatChain, mediumChain, quicChain = 20 << 10, 6500, 13000

// distanceRows are theory: derived from the protocols, not measured.
func distanceRows() []distanceRow {
	full12, full13 := row{version: "1.2", want: roundTrips{3, 4}}, row{version: "1.3", want: roundTrips{2, 3}}
	resumed12 := row{version: "1.2", resumed: true, want: roundTrips{2, 3}}
	resumed13 := row{version: "1.3", resumed: true, want: roundTrips{2, 3}}
	with := func(r row, server, client int, handshake, firstByte time.Duration) row {
		r.server, r.client, r.want = server, client, roundTrips{handshake, firstByte}
		return r
	}
	return []distanceRow{
		{name: "TCP only", plain: true, row: row{version: "1.3", want: roundTrips{1, 2}}},
		{name: "TCP kept, next request", plain: true, kept: true, row: row{version: "1.3", want: roundTrips{0, 1}}},
		{name: "TLS 1.2 full", row: full12},
		{name: "TLS 1.2 resumed", row: resumed12},
		{name: "TLS 1.3 full", row: full13},
		{name: "TLS 1.3 resumed", row: resumed13},
		{name: "1.2 full, 20 KB client chain", row: with(full12, 0, fatChain, 4, 5)},
		{name: "1.3 full, 20 KB client chain", row: with(full13, 0, fatChain, 2, 4)},
		{name: "1.2 resumed, 20 KB client chain", row: with(resumed12, 0, fatChain, 4, 5)},
		{name: "1.3 resumed, 20 KB client chain", row: with(resumed13, 0, fatChain, 3, 4)},
		{name: "1.3 full, 6.5 KB server chain", row: with(full13, mediumChain, 0, 2, 3)},
		{name: "H3 full", quic: true, row: with(full13, 0, 0, 1, 2)},
		{name: "H3 resumed", quic: true, row: with(resumed13, 0, 0, 1, 2)},
		{name: "H3 0-RTT", quic: true, early: true, row: with(resumed13, 0, 0, 1, 1)},
		{name: "H3 full, 13 KB client chain", quic: true, slack: 0.13, row: with(full13, 0, quicChain, 1, 2)},
		{name: "H3 full, 6.5 KB server chain", quic: true, row: with(full13, mediumChain, 0, 2, 3)},
	}
}

// distanceCell is a row as measured: medians, in round trips.
type distanceCell struct {
	handshake, firstByte float64
	trust                Trust
}

const (
	exactTheory = 0.12 // of a round trip, at 50 ms and more
	sameAsTun   = 0.06
)

// TestDistance holds netstack to theory and, where it can, to the kernel's
// own TCP. It prints the table.
func TestDistance(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for real round trips")
	}
	for _, r := range []struct {
		rtt     time.Duration
		samples int
		exact   bool
	}{{50 * ms, 9, !raced}, {10 * ms, 3, false}, {150 * ms, 9, !raced}} {
		if r.rtt > 50*ms && *evidence == "" {
			continue // it takes three times as long to say the same
		}
		t.Run(r.rtt.String(), func(t *testing.T) {
			if raced && r.rtt < 50*ms {
				t.Skip("under the race detector a handshake's CPU is a good part of that")
			}
			paths := []*Path{openPath(t, Link{Kind: "netstack", RTT: r.rtt})}
			if tun, _ := KindOf("tun"); tun.Available() == nil {
				paths = append(paths, openPath(t, Link{Kind: "tun", RTT: r.rtt}))
			} else {
				t.Logf("netstack is compared with theory alone: no tun link here: %v", tun.Available())
			}
			table := &strings.Builder{}
			defer func() {
				testify(t, fmt.Sprintf("1-theory-%06.2f", r.rtt.Seconds()), "%s", strings.TrimSuffix(table.String(), "\n"))
			}()
			titles(table, r.rtt, paths)
			for _, d := range distanceRows() {
				cells := make([]distanceCell, len(paths))
				// A busy machine is late, not wrong: it gets another chance.
				for range chances() {
					for i, p := range paths {
						cells[i] = measureDistance(t, p, d, r.samples)
					}
					if believed(cells) || *evidence == "" && d.judge(cells, r.exact) == nil {
						break
					}
				}
				fmt.Fprintf(table, "| %-31s | %d / %d |", d.name, d.want.handshake, d.want.firstByte)
				for _, c := range cells {
					fmt.Fprintf(table, " %.3f / %.3f |", c.handshake, c.firstByte)
				}
				fmt.Fprintln(table)
				if err := d.judge(cells, r.exact); err != nil {
					d.complain(t, err, cells)
				}
			}
		})
	}
}

// believed reports whether no link was late: what the cells hold is no part of
// that.
func believed(cells []distanceCell) bool {
	return !slices.ContainsFunc(cells, func(c distanceCell) bool { return !c.trust.Valid })
}

// titles begins the table.
func titles(table *strings.Builder, rtt time.Duration, paths []*Path) {
	fmt.Fprintf(table, "Round trips of %s from the start of connect to the end of the handshake / to the first\nbyte of the reply, medians, mTLS in every row of TLS; theory is what the model gives exactly:\n\n| %-31s | theory |", rtt, "")
	rule := "|---|---|"
	for _, p := range paths {
		fmt.Fprintf(table, " %s |", p.Kind().Name)
		rule += "---|"
	}
	fmt.Fprintf(table, "\n%s\n", rule)
}

// judge compares the first cell with theory, and with the second where there
// is one.
func (d distanceRow) judge(cells []distanceCell, exact bool) error {
	var errs []error
	want, got := d.want, cells[0]
	if math.Round(got.handshake) != float64(want.handshake) || math.Round(got.firstByte) != float64(want.firstByte) {
		errs = append(errs, fmt.Errorf("%.3f/%.3f does not round to %d/%d", got.handshake, got.firstByte, want.handshake, want.firstByte))
	}
	if exact && (math.Abs(got.handshake-float64(want.handshake)) > exactTheory || math.Abs(got.firstByte-float64(want.firstByte)) > exactTheory+d.slack) {
		errs = append(errs, fmt.Errorf("%.3f/%.3f is not within %g (%g) of %d/%d", got.handshake, got.firstByte, exactTheory, exactTheory+d.slack, want.handshake, want.firstByte))
	}
	if exact && len(cells) > 1 && (math.Abs(got.handshake-cells[1].handshake) > sameAsTun || math.Abs(got.firstByte-cells[1].firstByte) > sameAsTun) {
		errs = append(errs, fmt.Errorf("%.3f/%.3f is not within %g of the kernel's %.3f/%.3f", got.handshake, got.firstByte, sameAsTun, cells[1].handshake, cells[1].firstByte))
	}
	return errors.Join(errs...)
}

// complain fails the test, unless the link itself says that it was too late
// for its figures to be believed.
func (d distanceRow) complain(t *testing.T, err error, cells []distanceCell) {
	for _, c := range cells {
		if !c.trust.Valid && *evidence == "" {
			t.Logf("%s: %v; not judged: %s", d.name, err, strings.Join(c.trust.Reasons, "; "))
			return
		}
	}
	t.Errorf("%s: %v", d.name, err)
}

// measureDistance makes connections evenly spread over a round trip, each with
// sessions of its own: quic-go writes to a session that it resumes, so two
// connections must not resume the same at once.
func measureDistance(t *testing.T, p *Path, d distanceRow, samples int) distanceCell {
	t.Helper()
	l := newLab(t, ecdsaKey, d.server, d.client)
	l.server.ClientAuth = tls.RequireAndVerifyClientCert
	profile := Profile{Version: d.version, Group: "x25519", Resumption: d.resumed}
	clients := make([]*tls.Config, samples)
	for i := range clients {
		clients[i] = profile.Client(l.client)
		clients[i].NextProtos = []string{"h3"}
	}
	once, stop := d.pulls(t, p, profile.Server(l.server))
	defer stop()
	if d.resumed {
		spread(t, p.Link().RTT, clients, once)
	}
	p.TakeStats()
	all := spread(t, p.Link().RTT, clients, once)
	cell := distanceCell{trust: p.Judge(Calibration{}, p.TakeStats())}
	for _, s := range all {
		if s.resumed != d.resumed || s.early != d.early {
			t.Errorf("%s: resumed %v, early %v", d.name, s.resumed, s.early)
		}
	}
	cell.handshake = medianTrips(all, p.Link().RTT, func(s distanceSample) time.Duration { return s.handshake })
	cell.firstByte = medianTrips(all, p.Link().RTT, func(s distanceSample) time.Duration { return s.firstByte })
	return cell
}

// pullFunc makes one connection as a client.
type pullFunc func(context.Context, *tls.Config) (distanceSample, error)

// pulls starts an origin and returns how to pull from it.
func (d distanceRow) pulls(t *testing.T, p *Path, server *tls.Config) (pullFunc, func()) {
	t.Helper()
	server.NextProtos = []string{"h3"}
	if d.quic {
		at, stop := quicOrigin(t, p, farOrigin, server)
		return func(ctx context.Context, client *tls.Config) (distanceSample, error) {
			return pullQUIC(ctx, p, at, client, d.early)
		}, stop
	}
	if d.plain {
		server = nil
	}
	at, stop := origin(t, p, farOrigin, server)
	return func(ctx context.Context, client *tls.Config) (distanceSample, error) {
		if d.plain {
			client = nil
		}
		return pullStream(ctx, p, at, client, d.kept)
	}, stop
}

type distanceSample struct {
	handshake, firstByte time.Duration
	resumed, early       bool
}

func medianTrips(all []distanceSample, rtt time.Duration, of func(distanceSample) time.Duration) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	slices.SortFunc(all, func(a, b distanceSample) int { return int(of(a) - of(b)) })
	return float64(of(all[len(all)/2])) / float64(rtt)
}

func spread(t *testing.T, over time.Duration, clients []*tls.Config, once pullFunc) []distanceSample {
	t.Helper()
	var mu sync.Mutex
	var all []distanceSample
	var wg sync.WaitGroup
	for _, client := range clients {
		wg.Go(func() {
			s, err := once(t.Context(), client)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			all = append(all, s)
		})
		if err := wait(t.Context(), over/time.Duration(len(clients))); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	return all
}

// pullStream makes a connection and a request, or with kept two of which the
// second counts.
func pullStream(ctx context.Context, p *Path, at netip.AddrPort, cfg *tls.Config, kept bool) (distanceSample, error) {
	if !kept {
		trace, err := pullOnce(ctx, Dialer{Network: p, Source: edgeA}, at, cfg)
		if err != nil {
			return distanceSample{}, err
		}
		return distanceSample{handshake: trace.Connect + trace.TLS, firstByte: trace.FirstByte, resumed: trace.Resumed}, nil
	}
	c, err := Dialer{Network: p, Source: edgeA}.Dial(ctx, at)
	if err != nil {
		return distanceSample{}, err
	}
	if err := ask(c, nil, c); err != nil {
		return distanceSample{}, errors.Join(err, c.Close())
	}
	start := time.Now()
	err = ask(c, nil, c)
	return distanceSample{firstByte: time.Since(start)}, errors.Join(err, c.Close())
}

// pullQUIC makes a connection and a request on a stream.
func pullQUIC(ctx context.Context, p *Path, at netip.AddrPort, cfg *tls.Config, early bool) (s distanceSample, err error) {
	packets, err := Dialer{Network: p, Source: edgeA}.OpenPackets(ctx, at)
	if err != nil {
		return s, err
	}
	q, trace, err := HandshakeQUIC(ctx, packets, QUICConfig{Target: at, TLS: cfg, Early: early})
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, q.Close(0)) }()
	s.handshake = trace.TLS
	complete := make(chan time.Duration, 1)
	if early {
		go func() {
			<-q.HandshakeComplete()
			complete <- time.Since(trace.Start)
		}()
	}
	stream, err := q.OpenStreamSync(ctx)
	if err != nil {
		return s, err
	}
	if _, err := stream.Write(make([]byte, requestSize)); err != nil {
		return s, err
	}
	if _, err := io.ReadFull(stream, make([]byte, responseSize)); err != nil {
		return s, err
	}
	q.MarkFirstByte(trace, time.Now())
	if early {
		s.handshake = <-complete
	}
	s.firstByte, s.resumed, s.early = trace.FirstByte, trace.Resumed, trace.Early
	return s, nil
}

// quicOrigin answers one request per stream, over 0-RTT too.
func quicOrigin(t testing.TB, p *Path, at netip.AddrPort, cfg *tls.Config) (netip.AddrPort, func()) {
	t.Helper()
	packets, err := p.ListenPackets(at)
	if err != nil {
		t.Fatal(err)
	}
	transport := &quic.Transport{Conn: packets}
	l, err := transport.ListenEarly(cfg, &quic.Config{Allow0RTT: true})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			wg.Go(func() { answerQUIC(conn) })
		}
	})
	return packets.LocalAddr().(*net.UDPAddr).AddrPort(), func() {
		if err := errors.Join(l.Close(), transport.Close(), packets.Close()); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
}

func answerQUIC(conn *quic.Conn) {
	for {
		stream, err := conn.AcceptStream(context.Background())
		if err != nil {
			return // the client said goodbye
		}
		if _, err := io.ReadFull(stream, make([]byte, requestSize)); err != nil {
			return
		}
		if _, err := stream.Write(make([]byte, responseSize)); err != nil {
			return
		}
		if err := stream.Close(); err != nil {
			return
		}
	}
}
