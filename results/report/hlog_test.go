package report

import (
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/originpull/originpull/results"
)

func TestHistogramLogRoundTrip(t *testing.T) {
	r := document(t, "quickstart")
	r.Started = time.Date(2026, 1, 2, 3, 4, 5, 600e6, time.UTC)
	text := render(t, "hlog", r, Options{})
	if !strings.Contains(text, "#[Histogram log format version 1.3]\n") || !strings.Contains(text, "#[BaseTime: 1767323045 (") {
		t.Errorf("header:\n%s", text[:min(len(text), 400)])
	}
	reader := hdrhistogram.NewHistogramLogReader(strings.NewReader(text))
	read := 0
	for i := range r.Arms {
		for name, encoded := range r.Arms[i].Histograms {
			read++
			got, err := reader.NextIntervalHistogram()
			if err != nil || got == nil {
				t.Fatalf("%s: %v, %v", r.Arms[i].Name, got, err)
			}
			want, err := results.DecodeHistogram(encoded)
			if err != nil {
				t.Fatal(err)
			}
			if !got.Equals(want) || got.TotalCount() == 0 {
				t.Errorf("%s: %d values, want %d", got.Tag(), got.TotalCount(), want.TotalCount())
			}
			if tag := strings.ReplaceAll(r.Arms[i].Name, ",", ";") + ":" + name; got.Tag() != tag {
				t.Errorf("tag %q, want %q", got.Tag(), tag)
			}
		}
	}
	if extra, err := reader.NextIntervalHistogram(); err != nil || extra != nil || read == 0 {
		t.Errorf("after %d histograms there is %v, %v", read, extra, err)
	}
}

func TestLogTags(t *testing.T) {
	for in, want := range map[string]string{"a,b:c": "a;b:c", ",": ";", "x,": "x;", "a b\nc\u2028d\u200be": "a_b_c_d_e"} {
		if got := logTag(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestHistogramLogRefusesAnEditedHistogram(t *testing.T) {
	r := document(t, "quickstart")
	r.Arms[0].Histograms = map[string]string{"firstbyte": "SElTVA=="}
	err := Render(&strings.Builder{}, "hlog", r, Options{})
	if err == nil || !strings.Contains(err.Error(), r.Arms[0].Name+": firstbyte: ") {
		t.Errorf("error %v", err)
	}
}
