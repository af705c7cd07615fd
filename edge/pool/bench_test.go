package pool

import (
	"bytes"
	"context"
	"math"
	"testing"

	"github.com/originpull/originpull/wire"
)

// TestPooledRequestAllocations holds what a pooled request allocates on both
// sides: nothing of ours, and under TLS one reader per record that crypto/tls
// makes on each.
func TestPooledRequestAllocations(t *testing.T) {
	l := newLab(t)
	for _, test := range []struct {
		profile *wire.Profile
		want    float64
	}{{nil, 0}, {&wire.Profile{Version: "1.3", Group: "x25519"}, 2 + 2*raceAllocations}, {&wire.Profile{Version: "1.2", Group: "x25519"}, 2 + 2*raceAllocations}} {
		o, p, target := pooled(t, l, test.profile)
		var resp Response
		ctx := context.Background()
		// Of several: the collector empties pools of memory when it likes, and
		// under the race detector sync.Pool drops what it is given at random.
		got := math.Inf(1)
		for range 10 {
			got = min(got, testing.AllocsPerRun(100, func() {
				if _, err := p.Do(ctx, target, get, &resp); err != nil {
					t.Fatal(err)
				}
			}))
		}
		if got > test.want {
			t.Errorf("%v: %v allocations instead of %v", test.profile, got, test.want)
		}
		done(t, p, o)
	}
}

func pooled(t testing.TB, l *lab, profile *wire.Profile) (*scripted, *Pool, *Target) {
	t.Helper()
	s := always
	if profile != nil {
		s = under(l.server, s)
	}
	o := serve(t, wire.Direct{}, loopback, s)
	target := &Target{Address: o.at}
	if profile != nil {
		target = l.target(o.at, "one", *profile)
	}
	return o, newPool(t, Config{Reuse: true, IdleTimeout: defaultResponseTimeout}), target
}

// BenchmarkDo is one pooled request over mutual TLS 1.3; its allocations are
// those of crypto/tls on this side and of a hand-made origin on the other.
func BenchmarkDo(b *testing.B) {
	l := newLab(b)
	for name, profile := range map[string]*wire.Profile{"plain": nil, "tls1.3": {Version: "1.3", Group: "x25519"}} {
		b.Run(name, func(b *testing.B) {
			o, p, target := pooled(b, l, profile)
			var resp Response
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Do(context.Background(), target, get, &resp); err != nil {
					b.Fatal(err)
				}
			}
			if s := done(b, p, o); s.Connects != 1 {
				b.Errorf("stats %+v", s)
			}
		})
	}
}

// BenchmarkRead is the codec alone.
func BenchmarkRead(b *testing.B) {
	text := "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nCache-Control: max-age=60\r\nContent-Length: 1024\r\n\r\n" + string(bytes.Repeat([]byte("x"), 1024))
	source := bytes.NewReader(nil)
	d := reader{source: source}
	var resp Response
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	content := []byte(text)
	for b.Loop() {
		source.Reset(content)
		if _, err := d.read("GET", testBodyLimit, &resp); err != nil {
			b.Fatal(err)
		}
	}
}
