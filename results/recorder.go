package results

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The one geometry of every histogram: nanoseconds from 1 ns to 60 s with
// three significant digits. Merging another geometry loses precision and
// hdrhistogram reports nothing, so nothing here accepts one.
const (
	histogramLowest  = 1
	histogramHighest = int64(60 * time.Second)
	histogramDigits  = 3
)

// maxEncoded bounds the text and maxPayload the unpacked counts of an encoded
// histogram of our geometry (27 × 1024 counts of at most 9 bytes).
const (
	maxEncoded = 1 << 19
	maxPayload = 1 << 18
)

// NewHistogram returns an empty histogram of the one geometry; its values are
// nanoseconds.
func NewHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(histogramLowest, histogramHighest, histogramDigits)
}

// EncodeHistogram returns the base64 HdrHistogram V2 (compressed) text that
// documents and summaries carry.
func EncodeHistogram(h *hdrhistogram.Histogram) (string, error) {
	if err := checkGeometry(h); err != nil {
		return "", err
	}
	text, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return "", fmt.Errorf("encoding a histogram: %w", err)
	}
	return string(text), nil
}

// DecodeHistogram reads what EncodeHistogram wrote. It refuses another
// geometry, and anything too long to be of ours before unpacking it.
func DecodeHistogram(text string) (*hdrhistogram.Histogram, error) {
	if err := checkEncoded(text); err != nil {
		return nil, fmt.Errorf("decoding a histogram: %w", err)
	}
	h, err := hdrhistogram.Decode([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("decoding a histogram: %w", err)
	}
	if err := checkGeometry(h); err != nil {
		return nil, fmt.Errorf("decoding a histogram: %w", err)
	}
	return h, nil
}

// checkEncoded unpacks at most maxPayload bytes and compares the geometry in
// the header, because hdrhistogram allocates whatever a header asks for.
func checkEncoded(text string) error {
	if len(text) > maxEncoded {
		return fmt.Errorf("%d bytes of text are more than any histogram of ours", len(text))
	}
	packed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	if len(packed) < 8 {
		return errors.New("the text is cut short")
	}
	z, err := zlib.NewReader(bytes.NewReader(packed[8:]))
	if err != nil {
		return err
	}
	content, err := io.ReadAll(io.LimitReader(z, hdrhistogram.ENCODING_HEADER_SIZE+maxPayload+1))
	if err != nil {
		return err
	}
	if len(content) < hdrhistogram.ENCODING_HEADER_SIZE || len(content) > hdrhistogram.ENCODING_HEADER_SIZE+maxPayload {
		return fmt.Errorf("%d bytes cannot be a histogram of ours", len(content))
	}
	// Header: cookie, payload length, index offset, digits (4 bytes each),
	// lowest, highest, conversion ratio (8 bytes each), big-endian.
	digits := int32(binary.BigEndian.Uint32(content[12:]))
	lowest := int64(binary.BigEndian.Uint64(content[16:]))
	highest := int64(binary.BigEndian.Uint64(content[24:]))
	return sameGeometry(lowest, highest, int64(digits))
}

func checkGeometry(h *hdrhistogram.Histogram) error {
	return sameGeometry(h.LowestTrackableValue(), h.HighestTrackableValue(), h.SignificantFigures())
}

func sameGeometry(lowest, highest, digits int64) error {
	if lowest == histogramLowest && highest == histogramHighest && digits == histogramDigits {
		return nil
	}
	return fmt.Errorf("histogram geometry is %d..%d with %d digits, want %d..%d with %d",
		lowest, highest, digits, int64(histogramLowest), histogramHighest, int64(histogramDigits))
}

// Recorder collects what one process measures. Its zero value is not usable;
// its methods may be called from several goroutines.
type Recorder struct {
	mu         sync.Mutex
	counts     map[string]int64
	exact      map[string]Range
	clamped    map[string]int64
	histograms map[string]*hdrhistogram.Histogram
}

// NewRecorder returns an empty recorder.
func NewRecorder() *Recorder {
	r := &Recorder{}
	r.Reset()
	return r
}

// Batch records several values under one lock, between Recorder.Begin and End.
type Batch struct{ r *Recorder }

// Begin locks the recorder for a batch, which must End.
func (r *Recorder) Begin() Batch {
	r.mu.Lock()
	return Batch{r}
}

// End ends the batch, which must not be used any more.
func (b Batch) End() { b.r.mu.Unlock() }

// Time is Recorder.Time within a batch.
func (b Batch) Time(name string, d time.Duration) {
	h := b.r.histograms[name]
	if h == nil {
		h = NewHistogram()
		b.r.histograms[name] = h
	}
	v := min(max(int64(d), 0), histogramHighest)
	if v != int64(d) {
		b.r.clamped[name]++
	}
	if err := h.RecordValue(v); err != nil {
		b.r.clamped[name]++ // not reachable below 2^63 samples
	}
}

// Add is Recorder.Add within a batch.
func (b Batch) Add(counter string, n int64) { b.r.counts[counter] += n }

// Exact is Recorder.Exact within a batch.
func (b Batch) Exact(name string, v int64) {
	b.r.exact[name] = b.r.exact[name].merge(Range{Min: v, Max: v, N: 1})
}

// Time records a duration in the named histogram. What lies outside 0 s to
// 60 s is recorded at that bound and counted in Summary.Clamped.
func (r *Recorder) Time(name string, d time.Duration) {
	b := r.Begin()
	defer b.End()
	b.Time(name, d)
}

// Add adds n to the named counter.
func (r *Recorder) Add(counter string, n int64) {
	b := r.Begin()
	defer b.End()
	b.Add(counter, n)
}

// Exact records a value that should be the same every time; a range wider
// than one value shows that it was not.
func (r *Recorder) Exact(name string, v int64) {
	b := r.Begin()
	defer b.End()
	b.Exact(name, v)
}

// Reset forgets everything: the end of the warm-up.
func (r *Recorder) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts = map[string]int64{}
	r.exact = map[string]Range{}
	r.clamped = map[string]int64{}
	r.histograms = map[string]*hdrhistogram.Histogram{}
}

// Summary returns what was recorded since the last Reset.
func (r *Recorder) Summary() Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Summary{Counts: maps.Clone(r.counts), Exact: maps.Clone(r.exact), Histograms: map[string]string{}}
	if len(r.clamped) > 0 {
		s.Clamped = maps.Clone(r.clamped)
	}
	for name, h := range r.histograms {
		text, err := EncodeHistogram(h)
		if err != nil {
			// A histogram of our own making always encodes; an empty text is
			// refused by whoever decodes it, so nothing is lost in silence.
			text = ""
		}
		s.Histograms[name] = text
	}
	return s
}

// Range is the smallest and largest of N exact values.
type Range struct {
	Min int64 `json:"min"`
	Max int64 `json:"max"`
	N   int64 `json:"n"`
}

func (r Range) merge(o Range) Range {
	switch {
	case r.N == 0:
		return o
	case o.N == 0:
		return r
	}
	return Range{Min: min(r.Min, o.Min), Max: max(r.Max, o.Max), N: r.N + o.N}
}

// Summary is what a recorder hands over: plain JSON, mergeable without loss.
type Summary struct {
	Counts     map[string]int64  `json:"counts"`
	Exact      map[string]Range  `json:"exact"`
	Histograms map[string]string `json:"histograms"`        // base64 HdrHistogram V2, nanoseconds
	Clamped    map[string]int64  `json:"clamped,omitempty"` // values outside 0 s to 60 s, by histogram
}

// Merge adds another summary. It refuses a histogram of another geometry and
// any merge that would drop a value; s is then unchanged.
func (s *Summary) Merge(o Summary) error {
	merged := make(map[string]string, len(o.Histograms))
	for name, text := range o.Histograms {
		h, err := DecodeHistogram(text)
		if err != nil {
			return fmt.Errorf("merging %s: %w", name, err)
		}
		if ours, ok := s.Histograms[name]; ok {
			if text, err = mergeEncoded(ours, h); err != nil {
				return fmt.Errorf("merging %s: %w", name, err)
			}
		}
		merged[name] = text
	}
	s.Histograms = added(s.Histograms, merged)
	s.Counts = summed(s.Counts, o.Counts)
	s.Clamped = summed(s.Clamped, o.Clamped)
	exact := maps.Clone(s.Exact)
	if exact == nil {
		exact = map[string]Range{}
	}
	for name, r := range o.Exact {
		exact[name] = exact[name].merge(r)
	}
	s.Exact = exact
	return nil
}

func mergeEncoded(ours string, h *hdrhistogram.Histogram) (string, error) {
	into, err := DecodeHistogram(ours)
	if err != nil {
		return "", err
	}
	if dropped := into.Merge(h); dropped != 0 {
		return "", fmt.Errorf("%d values do not fit", dropped)
	}
	return EncodeHistogram(into)
}

// added returns a with the entries of b; neither is changed.
func added(a, b map[string]string) map[string]string {
	out := make(map[string]string, len(a)+len(b))
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

// summed returns the sum by name; nil when both are empty.
func summed(a, b map[string]int64) map[string]int64 {
	if len(a)+len(b) == 0 {
		return a
	}
	out := make(map[string]int64, len(a)+len(b))
	maps.Copy(out, a)
	for name, n := range b {
		out[name] += n
	}
	return out
}

// Percentiles turns a histogram of nanoseconds into the registered metrics
// prefix.p50, .p90, .p99, .p999 and .max, in the metrics' own unit. An empty
// histogram gives none: no sample is never a zero.
func Percentiles(prefix string, h *hdrhistogram.Histogram) map[string]Value {
	out := map[string]Value{}
	if h == nil || h.TotalCount() == 0 {
		return out
	}
	for suffix, p := range map[string]float64{"p50": 50, "p90": 90, "p99": 99, "p999": 99.9, "max": 100} {
		m, ok := MetricNamed(prefix + "." + suffix)
		if !ok {
			continue
		}
		ms := float64(h.ValueAtPercentile(p)) / float64(time.Millisecond)
		out[m.Name] = NewValue(m.Name, ms, int(h.TotalCount()))
	}
	return out
}
