package results

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

func summaryOf(durations ...time.Duration) Summary {
	r := NewRecorder()
	for _, d := range durations {
		r.Time("latency", d)
	}
	return r.Summary()
}

func TestRecorderCounts(t *testing.T) {
	r := NewRecorder()
	r.Add("requests", 7)
	r.Exact("turns", 9)
	r.Time("latency", time.Second)
	r.Reset()
	r.Add("requests", 2)
	r.Add("requests", 3)
	r.Exact("turns", 2)
	r.Exact("turns", 1)
	r.Time("latency", 5*time.Millisecond)
	s := r.Summary()
	if s.Counts["requests"] != 5 {
		t.Errorf("requests = %d, want 5: Reset forgets what was before", s.Counts["requests"])
	}
	if want := (Range{Min: 1, Max: 2, N: 2}); s.Exact["turns"] != want {
		t.Errorf("turns = %+v, want %+v", s.Exact["turns"], want)
	}
	h, err := DecodeHistogram(s.Histograms["latency"])
	if err != nil {
		t.Fatal(err)
	}
	if h.TotalCount() != 1 || !h.ValuesAreEquivalent(h.Max(), int64(5*time.Millisecond)) {
		t.Errorf("latency holds %d values up to %d", h.TotalCount(), h.Max())
	}
	if s.Clamped != nil {
		t.Errorf("clamped %v, want none", s.Clamped)
	}
}

func TestRecorderClampsAndSaysSo(t *testing.T) {
	s := summaryOf(-time.Nanosecond, 0, 60*time.Second, 61*time.Second)
	if s.Clamped["latency"] != 2 {
		t.Errorf("clamped %v, want 2", s.Clamped)
	}
	h, err := DecodeHistogram(s.Histograms["latency"])
	if err != nil {
		t.Fatal(err)
	}
	if h.TotalCount() != 4 {
		t.Errorf("%d values are recorded, want 4", h.TotalCount())
	}
}

func TestRecorderFromSeveralGoroutines(t *testing.T) {
	r := NewRecorder()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 500 {
				r.Add("n", 1)
				r.Exact("e", int64(i))
				r.Time("t", time.Duration(i))
			}
		})
	}
	wg.Wait()
	s := r.Summary()
	if s.Counts["n"] != 2000 || s.Exact["e"] != (Range{0, 499, 2000}) {
		t.Errorf("counts %v, exact %v", s.Counts, s.Exact)
	}
}

func TestMergeLosesNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	whole, parts := NewRecorder(), [3]*Recorder{NewRecorder(), NewRecorder(), NewRecorder()}
	for i := range 3000 {
		d := time.Duration(random.Int64N(int64(70 * time.Second)))
		if i%2 == 0 {
			d = time.Duration(random.Int64N(int64(time.Millisecond)))
		}
		for _, r := range []*Recorder{whole, parts[i%3]} {
			r.Time("latency", d)
			r.Add("requests", 1)
			r.Exact("bytes", int64(i))
		}
	}
	var merged Summary
	for _, p := range parts {
		crossed, err := json.Marshal(p.Summary()) // as it crosses the pipe
		if err != nil {
			t.Fatal(err)
		}
		var s Summary
		if err := json.Unmarshal(crossed, &s); err != nil {
			t.Fatal(err)
		}
		if err := merged.Merge(s); err != nil {
			t.Fatal(err)
		}
	}
	if want := whole.Summary(); !reflect.DeepEqual(merged, want) {
		t.Error("three merged parts differ from the whole")
	}
}

func TestMergeRefuses(t *testing.T) {
	foreign := hdrhistogram.New(1000, int64(time.Hour), 2)
	if err := foreign.RecordValue(5000); err != nil {
		t.Fatal(err)
	}
	text, err := foreign.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	ours := summaryOf(time.Millisecond)
	for name, c := range map[string]struct{ text, want string }{
		"another geometry": {string(text), "geometry is 1000..3600000000000 with 2 digits, want 1..60000000000 with 3"},
		"no base64":        {"!", "illegal base64"},
		"nothing":          {"", "cut short"},
		"no zlib":          {"AAAAAAAAAAAAAAAA", "zlib"},
		"far too long":     {strings.Repeat("A", maxEncoded+1), "more than any histogram of ours"},
	} {
		t.Run(name, func(t *testing.T) {
			s := summaryOf(time.Second)
			before := s
			err := s.Merge(Summary{Histograms: map[string]string{"latency": c.text}, Counts: map[string]int64{"n": 1}})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "merging latency: ") {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if !reflect.DeepEqual(s, before) {
				t.Error("a refused merge changed the summary")
			}
			mine := Summary{Histograms: map[string]string{"latency": c.text}}
			if err := mine.Merge(ours); err == nil {
				t.Error("merging into a broken histogram passed")
			}
		})
	}
	if _, err := EncodeHistogram(foreign); err == nil {
		t.Error("EncodeHistogram took another geometry")
	}
}

func TestPercentiles(t *testing.T) {
	h := NewHistogram()
	for i := range 1000 {
		if err := h.RecordValue(int64(i+1) * int64(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	got := Percentiles("latency", h)
	for name, want := range map[string]float64{"latency.p50": 500, "latency.p90": 900, "latency.p99": 990, "latency.p999": 999, "latency.max": 1000} {
		v := got[name]
		if v.Value < want || v.Value > want*1.001 || v.Unit != "ms" || v.Kind != Time || v.N != 1000 {
			t.Errorf("%s = %+v, want %v ms of 1000 samples within 0.1 %%", name, v, want)
		}
	}
	if got := Percentiles("send.error", h); len(got) != 3 {
		t.Errorf("send.error has %d percentiles, want its registered 3", len(got))
	}
	if got := Percentiles("latency", NewHistogram()); len(got) != 0 {
		t.Errorf("an empty histogram gave %v: no sample is never a zero", got)
	}
	if got := Percentiles("latency", nil); len(got) != 0 {
		t.Errorf("no histogram gave %v", got)
	}
}
