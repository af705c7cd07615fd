package wire

import (
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"
)

// held is the memory that this process holds after everything it could let go
// of is gone.
func held() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// TestNetstackConnectionMemory bounds what a kept connection costs at both
// ends together.
func TestNetstackConnectionMemory(t *testing.T) {
	if raced {
		t.Skip("the race detector holds memory of its own")
	}
	const connections, idle, used, each = 1000, 15 << 10, 30 << 10, 4 << 10
	p := openPath(t, Link{Kind: "netstack"})
	l, err := p.Listen(farOrigin)
	if err != nil {
		t.Fatal(err)
	}
	before := held()
	var ends []net.Conn
	for range connections {
		near, err := p.Dial(t.Context(), edgeA, farOrigin)
		if err != nil {
			t.Fatal(err)
		}
		far, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, near, far)
	}
	if per := (held() - before) / connections; per > idle {
		t.Errorf("an idle connection costs %d bytes, more than %d", per, idle)
	} else {
		t.Logf("an idle connection costs %d bytes", per)
	}
	buffer := make([]byte, each)
	for i := 0; i < len(ends); i += 2 {
		for _, d := range [][2]net.Conn{{ends[i], ends[i+1]}, {ends[i+1], ends[i]}} {
			if _, err := d[0].Write(buffer); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(d[1], buffer); err != nil {
				t.Fatal(err)
			}
		}
	}
	if per := (held() - before) / connections; per > used {
		t.Errorf("after %d bytes each way a connection costs %d bytes, more than %d", each, per, used)
	} else {
		t.Logf("after %d bytes each way a connection costs %d bytes", each, per)
	}
	for _, c := range ends {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// BenchmarkNetstackEdges connects from 2,000 addresses, which must not take
// five seconds.
func BenchmarkNetstackEdges(b *testing.B) {
	for b.Loop() {
		p, err := Open(Link{Kind: "netstack", RTT: 50 * ms})
		if err != nil {
			b.Fatal(err)
		}
		at, stop := origin(b, p, farOrigin, nil)
		var wg sync.WaitGroup
		queue := make(chan netip.Addr)
		for range 100 {
			wg.Go(func() {
				for source := range queue {
					if _, err := pullOnce(b.Context(), Dialer{Network: p, Source: source}, at, nil); err != nil {
						b.Error(err)
					}
				}
			})
		}
		for i := range 2000 {
			queue <- netip.AddrFrom4([4]byte{130, 176, byte(i >> 8), byte(i)})
		}
		close(queue)
		wg.Wait()
		stop()
		if err := p.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNetstackConnections makes connections in a row from one address; at
// 100,000 (-benchtime=100000x) it has been through all of its ports twice.
func BenchmarkNetstackConnections(b *testing.B) {
	p := openPath(b, Link{Kind: "netstack"})
	at, stop := origin(b, p, farOrigin, nil)
	defer stop()
	for b.Loop() {
		if _, err := pullOnce(b.Context(), Dialer{Network: p, Source: edgeA}, at, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(held())/(1<<20), "MiB-held")
}

// BenchmarkNetstackSoak makes 200 requests a second for a minute, each on a
// connection of its own, and fails where goroutines or memory grow after the
// first ten seconds. It takes that long whatever -benchtime says.
func BenchmarkNetstackSoak(b *testing.B) {
	const rate, warm, whole = 200, 10, 60
	p := openPath(b, Link{Kind: "netstack", RTT: 20 * ms})
	at, stop := origin(b, p, farOrigin, nil)
	defer stop()
	var wg sync.WaitGroup
	goroutines, memory := 0, int64(0)
	measure := func() (int, int64) {
		wg.Wait()
		if err := wait(b.Context(), 2*timeWait); err != nil {
			b.Fatal(err)
		}
		return runtime.NumGoroutine(), held()
	}
	start := time.Now()
	for i := range rate * whole {
		if i == rate*warm {
			goroutines, memory = measure()
			start = time.Now().Add(-warm * time.Second)
		}
		if err := wait(b.Context(), time.Until(start.Add(time.Duration(i)*time.Second/rate))); err != nil {
			b.Fatal(err)
		}
		wg.Go(func() {
			if _, err := pullOnce(b.Context(), Dialer{Network: p, Source: edgeA}, at, nil); err != nil {
				b.Error(err)
			}
		})
	}
	moreGoroutines, moreMemory := measure()
	b.ReportMetric(float64(moreGoroutines-goroutines), "goroutines-more")
	b.ReportMetric(float64(moreMemory-memory)/1024, "KiB-more")
	if moreGoroutines > goroutines+2 || moreMemory > memory+memory/10 {
		b.Errorf("%d goroutines and %d bytes became %d and %d", goroutines, memory, moreGoroutines, moreMemory)
	}
}

// BenchmarkLine is what one packet costs on a line without a stack.
func BenchmarkLine(b *testing.B) {
	var wg sync.WaitGroup
	l := newLine(lineConfig{delay: ms, jitter: ms / 2, loss: 0.001, seed: 1}, newAlarm(), func(parcel) { wg.Done() }, func(parcel) { wg.Done() })
	i := 0
	for b.Loop() {
		wg.Add(1)
		l.send(flow(i%100), 1500, parcel{})
		i++
	}
	wg.Wait()
	if err := l.close(); err != nil {
		b.Fatal(err)
	}
}
