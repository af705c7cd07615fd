package wire

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// parcel is a packet of a test.
type parcel struct {
	flow  flow
	index int
}

// arrived is what came out of a line, and when.
type arrived struct {
	parcel
	after time.Duration
}

// lineLab is a line on virtual time and what came out of it.
type lineLab struct {
	*line[parcel]
	start     time.Time
	mu        sync.Mutex
	got       []arrived
	discarded int
}

func newLineLab(cfg lineConfig) *lineLab {
	lab := &lineLab{start: time.Now()}
	lab.line = newLine(cfg, newTimerAlarm(), func(p parcel) {
		lab.mu.Lock()
		defer lab.mu.Unlock()
		lab.got = append(lab.got, arrived{p, time.Since(lab.start)})
	}, func(parcel) {
		lab.mu.Lock()
		defer lab.mu.Unlock()
		lab.discarded++
	})
	return lab
}

// finish waits until nothing can be underway and closes the line.
func (lab *lineLab) finish(t testing.TB) []arrived {
	t.Helper()
	time.Sleep(time.Hour) // virtual
	if err := lab.close(); err != nil {
		t.Error(err)
	}
	return lab.got
}

const ms = time.Millisecond

func TestLineDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLineLab(lineConfig{delay: 25 * ms})
		var want []arrived
		for i := range 5 {
			p := parcel{flow(i % 2), i}
			lab.send(p.flow, 1500, p)
			want = append(want, arrived{p, time.Duration(i)*10*ms + 25*ms})
			time.Sleep(10 * ms)
		}
		if got := lab.finish(t); !slices.Equal(got, want) {
			t.Errorf("%v instead of %v", got, want)
		}
		c := lab.take()
		if c.offered != 5 || c.delivered != 5 || c.lost != 0 || c.underway != 5*25*ms || c.late.Max() != 0 {
			t.Errorf("counts %+v", c)
		}
		if c = lab.take(); c.offered != 0 || c.late.TotalCount() != 0 {
			t.Errorf("counts were not taken: %+v", c)
		}
	})
}

func TestLineWithoutDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLineLab(lineConfig{})
		for i := range 100 {
			lab.send(1, 100, parcel{1, i})
		}
		for i, a := range lab.finish(t) {
			if a.index != i || a.after > 1 {
				t.Errorf("packet %d: %+v", i, a)
			}
		}
		if len(lab.got) != 100 {
			t.Errorf("%d packets arrived", len(lab.got))
		}
	})
}

// TestLineJitter wants the order kept within a flow and not between flows, and
// delays that are spread evenly around the one asked for.
func TestLineJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const flows, each = 2000, 3
		lab := newLineLab(lineConfig{delay: 25 * ms, jitter: 5 * ms, seed: 1})
		for i := range each {
			for f := range flows {
				lab.send(flow(f), 100, parcel{flow(f), i})
			}
		}
		next := map[flow]int{}
		overtaken, first := 0, time.Duration(0)
		for i, a := range lab.finish(t) {
			if a.index != next[a.flow] {
				t.Fatalf("packet %d of flow %d arrived as number %d", a.index, a.flow, next[a.flow])
			}
			next[a.flow]++
			if a.after < 20*ms || a.after > 30*ms {
				t.Fatalf("a packet took %s", a.after)
			}
			if a.index == 0 {
				first += a.after
			}
			if i > 0 && a.flow < lab.got[i-1].flow {
				overtaken++
			}
		}
		if overtaken < flows/2 {
			t.Errorf("flows kept each other's order: %d overtook", overtaken)
		}
		// Uniform over 10 ms: a standard error of 10/√12/√2000 = 0.065 ms.
		if mean := first / flows; mean < 25*ms-200*time.Microsecond || mean > 25*ms+200*time.Microsecond {
			t.Errorf("mean delay %s of first packets", mean)
		}
	})
}

// TestLineLoss wants the same packets lost in every run, whatever other flows
// do meanwhile, others with another seed, and as many as asked for.
func TestLineLoss(t *testing.T) {
	const each = 20000
	run := func(t *testing.T, seed uint64, others int) (lost []int) {
		synctest.Test(t, func(t *testing.T) {
			lab := newLineLab(lineConfig{delay: ms, loss: 0.05, seed: seed})
			for i := range each {
				for range others {
					lab.send(2, 100, parcel{2, i})
				}
				lab.send(1, 100, parcel{1, i})
			}
			here := map[int]bool{}
			for _, a := range lab.finish(t) {
				if a.flow == 1 {
					here[a.index] = true
				}
			}
			for i := range each {
				if !here[i] {
					lost = append(lost, i)
				}
			}
			if c := lab.take(); int(c.lost) != lab.discarded || int(c.lost+c.delivered) != each*(1+others) {
				t.Errorf("%d discarded, counts %+v", lab.discarded, c)
			}
		})
		return lost
	}
	a := run(t, 1, 0)
	// A binomial's standard deviation is √(20000 × 0.05 × 0.95) = 31.
	if math.Abs(float64(len(a))-0.05*each) > 100 {
		t.Errorf("%d of %d were lost", len(a), each)
	}
	if b := run(t, 1, 3); !slices.Equal(a, b) {
		t.Error("other flows changed what was lost")
	}
	if b := run(t, 2, 0); slices.Equal(a, b) {
		t.Error("another seed lost the same packets")
	}
	together := 0
	for i := 1; i < len(a); i++ {
		if a[i] == a[i-1]+1 {
			together++
		}
	}
	// Independent losses follow one another 20000 × 0.05² = 50 times.
	if together < 20 || together > 90 {
		t.Errorf("%d of %d losses follow one another", together, len(a))
	}
}

func TestLineRateAndQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// 1500 bytes at 12 Mbit/s are one millisecond.
		lab := newLineLab(lineConfig{delay: 25 * ms, rate: 12e6, queue: 4 * 1500})
		for i := range 6 {
			lab.send(1, 1500, parcel{1, i})
		}
		time.Sleep(2 * ms) // two have left
		for i := 6; i < 9; i++ {
			lab.send(1, 1500, parcel{1, i})
		}
		want := []arrived{
			{parcel{1, 0}, 26 * ms},
			{parcel{1, 1}, 27 * ms},
			{parcel{1, 2}, 28 * ms},
			{parcel{1, 3}, 29 * ms},
			{parcel{1, 6}, 30 * ms},
			{parcel{1, 7}, 31 * ms},
		}
		if got := lab.finish(t); !slices.Equal(got, want) {
			t.Errorf("%v instead of %v", got, want)
		}
		if c := lab.take(); c.overflowed != 3 || c.lost != 0 || lab.discarded != 3 {
			t.Errorf("%d discarded, counts %+v", lab.discarded, c)
		}
	})
}

func TestLineCloseDiscards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLineLab(lineConfig{delay: 25 * ms})
		lab.send(1, 1500, parcel{1, 0})
		if err := lab.close(); err != nil {
			t.Error(err)
		}
		lab.send(1, 1500, parcel{1, 1})
		if lab.discarded != 2 || len(lab.got) != 0 {
			t.Errorf("%d discarded, %d delivered", lab.discarded, len(lab.got))
		}
	})
}

// TestAlarmOfTheSystem is about the alarm that a line has outside of tests: it
// rings, never early, and its owner can stop.
func TestAlarmOfTheSystem(t *testing.T) {
	delivered := make(chan time.Duration, 1)
	start := time.Now()
	l := newLine(lineConfig{delay: ms}, newAlarm(), func(parcel) { delivered <- time.Since(start) }, func(parcel) {})
	for range 20 {
		start = time.Now()
		l.send(1, 1, parcel{})
		if after := <-delivered; after < ms {
			t.Errorf("a packet arrived after %s", after)
		}
	}
	if err := l.close(); err != nil {
		t.Error(err)
	}
}

func TestFlowTableForgetsTheSilent(t *testing.T) {
	var table flowTable
	table.at(1).packets = 5
	for f := range flow(maxFlows) {
		table.at(f + 100)
		if got := table.at(2); f == 0 {
			got.packets = 7
		}
	}
	if table.at(1).packets != 5 || table.at(2).packets != 7 {
		t.Error("a flow was forgotten too early")
	}
	for f := range flow(2 * maxFlows) {
		table.at(f + 1e9)
		table.at(2)
	}
	if table.at(1).packets != 0 || table.at(2).packets != 7 {
		t.Error("the wrong flow was forgotten")
	}
	if n := len(table.young) + len(table.old); n > 2*maxFlows {
		t.Errorf("%d flows are remembered", n)
	}
}

// FuzzLine sends packets at any times, of any flows and sizes, and wants each
// of them delivered or discarded once, in order within its flow, no earlier
// than a packet can travel.
func FuzzLine(f *testing.F) {
	f.Add(uint16(50), uint16(10), uint8(20), uint16(100), []byte{0, 1, 2, 3, 255, 0, 0, 9})
	f.Add(uint16(0), uint16(0), uint8(0), uint16(0), []byte{1, 1, 1, 1})
	f.Add(uint16(3), uint16(900), uint8(200), uint16(9), []byte{7, 0, 250, 7, 1, 1})
	f.Fuzz(func(t *testing.T, delay, jitter uint16, loss uint8, rate uint16, script []byte) {
		cfg := lineConfig{
			delay: time.Duration(delay) * ms, loss: float64(loss) / 256,
			rate: int64(rate) * 10_000, queue: 8000, seed: uint64(jitter),
		}
		cfg.jitter = min(time.Duration(jitter)*ms, cfg.delay)
		synctest.Test(t, func(t *testing.T) {
			lab := newLineLab(cfg)
			sent := map[parcel]time.Duration{}
			for i, b := range script {
				p := parcel{flow(b % 4), i}
				sent[p] = time.Since(lab.start)
				lab.send(p.flow, 40+int(b)*5, p)
				time.Sleep(time.Duration(b/16) * ms)
			}
			last := map[flow]int{}
			for _, a := range lab.finish(t) {
				if took := a.after - sent[a.parcel]; took < cfg.delay-cfg.jitter {
					t.Errorf("%+v took %s", a, took)
				}
				if before, any := last[a.flow]; any && a.index <= before {
					t.Errorf("%+v overtook %d or arrived again", a, before)
				}
				last[a.flow] = a.index
			}
			if len(lab.got)+lab.discarded != len(script) {
				t.Errorf("%d delivered and %d discarded of %d", len(lab.got), lab.discarded, len(script))
			}
		})
	})
}

func TestFlowOf(t *testing.T) {
	v4 := func(protocol, last, port byte, fragment uint16) []byte {
		p := make([]byte, 28)
		p[0], p[9], p[6], p[7] = 0x45, protocol, byte(fragment>>8), byte(fragment)
		p[15], p[19], p[21], p[23] = last, 9, port, 80
		return p
	}
	v6 := func(last, port byte) []byte {
		p := make([]byte, 48)
		p[0], p[6], p[23], p[39], p[41] = 0x60, protocolUDP, last, 9, port
		return p
	}
	base := flowOfPacket(v4(protocolTCP, 1, 1, 0))
	seen := map[flow]string{}
	for name, p := range map[string][]byte{
		"base": v4(protocolTCP, 1, 1, 0), "address": v4(protocolTCP, 2, 1, 0), "port": v4(protocolTCP, 1, 2, 0),
		"protocol": v4(protocolUDP, 1, 1, 0), "IPv6": v6(1, 1), "IPv6 port": v6(1, 2), "IPv6 address": v6(2, 1),
		"first fragment": v4(protocolUDP, 1, 1, 0x2000),
	} {
		f := flowOfPacket(p)
		if other, taken := seen[f]; taken {
			t.Errorf("%s and %s are one flow", name, other)
		}
		seen[f] = name
	}
	if flowOfPacket(v4(protocolTCP, 1, 1, 0x4000)) != base {
		t.Error("the flag against fragments changed the flow")
	}
	if flowOfPacket(v4(protocolUDP, 1, 1, 0x2000)) != flowOfPacket(v4(protocolUDP, 1, 7, 0x0010)) {
		t.Error("two fragments are two flows")
	}
	// Fixed for ever: what was lost with a seed is lost in later versions too.
	if got := fmt.Sprintf("%016x", uint64(base)); got != wantFlow {
		t.Errorf("flow %s instead of %s", got, wantFlow)
	}
}

const wantFlow = "49ebe557b618f452"

func FuzzFlowOf(f *testing.F) {
	f.Add([]byte{0x45, 0, 0, 28})
	f.Add(make([]byte, 60))
	f.Add([]byte{0x4f, 1, 2, 3})
	f.Fuzz(func(t *testing.T, packet []byte) {
		if flowOfPacket(packet) != flowOfPacket(slices.Clone(packet)) {
			t.Error("a packet has two flows")
		}
	})
}
