package report

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/originpull/originpull/results"
)

func init() {
	register(format{
		Format: Format{Name: "hlog", Title: "HdrHistogram log 1.3 with V2 histograms in nanoseconds, tagged arm:histogram"},
		render: histogramLog,
	})
}

// histogramLog writes every histogram of every arm as one interval from the
// start to the end of the run.
//
// Note: the header's times are cut to whole seconds by the library, so the
// base is a whole second and the intervals carry the rest.
func histogramLog(out *bytes.Buffer, r *results.Result, _ Options) error {
	base := r.Started.UTC().Truncate(time.Second)
	w := hdrhistogram.NewHistogramLogWriter(out)
	if err := logHead(w, r, base); err != nil {
		return err
	}
	start := r.Started.Sub(base)
	end := start + time.Duration(r.Elapsed*float64(time.Second))
	for i := range r.Arms {
		a := &r.Arms[i]
		for _, name := range slices.Sorted(maps.Keys(a.Histograms)) {
			h, err := results.DecodeHistogram(a.Histograms[name])
			if err != nil {
				return fmt.Errorf("%s: %s: %w", a.Name, name, err)
			}
			h.SetTag(logTag(a.Name + ":" + name))
			h.SetStartTimeMs(start.Milliseconds())
			h.SetEndTimeMs(end.Milliseconds())
			if err := w.OutputIntervalHistogram(h); err != nil {
				return fmt.Errorf("%s: %s: %w", a.Name, name, err)
			}
		}
	}
	return nil
}

// logHead writes the comments that readers skip or take the base time from.
// The base time of what was never started is left out.
func logHead(w *hdrhistogram.HistogramLogWriter, r *results.Result, base time.Time) error {
	lines := []func() error{
		func() error { return w.OutputComment("[originpull " + oneLine(r.Scenario.Name) + "]") },
		w.OutputLogFormatVersion,
	}
	if base.Unix() > 0 {
		lines = append(lines,
			func() error { return w.OutputBaseTime(base.UnixMilli()) },
			func() error { return w.OutputStartTime(base.UnixMilli()) })
	}
	for _, line := range append(lines, w.OutputLegend) {
		if err := line(); err != nil {
			return fmt.Errorf("writing the log's header: %w", err)
		}
	}
	return nil
}

// logTag replaces what would end a tag: the library refuses some of it only.
func logTag(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ',':
			return ';'
		case unicode.IsSpace(r) || !unicode.IsPrint(r):
			return '_'
		}
		return r
	}, s)
}
