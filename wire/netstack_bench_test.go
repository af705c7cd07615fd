package wire

import (
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
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
	fresh := (held() - before) / connections
	if fresh > idle {
		t.Errorf("an idle connection costs %d bytes, more than %d", fresh, idle)
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
	worn := (held() - before) / connections
	if worn > used {
		t.Errorf("after %d bytes each way a connection costs %d bytes, more than %d", each, worn, used)
	}
	testify(t, "6-memory", "A kept connection holds %.1f KiB at both ends together before its first use (at most %d are allowed), and %.1f KiB after %d KiB each way (%d).",
		float64(fresh)/1024, idle>>10, float64(worn)/1024, each>>10, used>>10)
	for _, c := range ends {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
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
