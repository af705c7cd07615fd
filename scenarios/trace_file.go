package scenarios

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Trace is requests of one's own, with the times at which they came.
type Trace struct {
	Times []time.Duration // since the first, never falling
	Keys  []uint32        // of their objects, counted as they first appear
}

// mostTraced bounds a trace file.
const mostTraced = 1_000_000

// longestTrace bounds the times in it.
const longestTrace = 366 * 24 * time.Hour

// IsTraceFile reports whether workload.objects.trace names a file and not an
// embedded trace, whose names have no dot or slash.
func IsTraceFile(trace string) bool { return strings.ContainsAny(trace, `./\`) }

// ParseTrace reads a trace: one request a line, the time and the key of the
// object, with a comma, a tab or spaces between. The time is a number of
// seconds, since whenever, or of RFC 3339; the key is any text without spaces.
// Further columns, empty lines, lines that begin with # and a first line whose
// first column is "time" are passed over. The error is Problems, each at its
// line of the file; there are at most ten.
func ParseTrace(file string, content []byte) (*Trace, error) {
	p := traceParser{file: file, keys: map[string]uint32{}}
	for i, line := range bytes.Split(content, []byte("\n")) {
		if len(p.problems) == mostTraceProblems {
			break
		}
		p.line(i+1, strings.TrimSpace(string(line)))
	}
	if len(p.problems) == 0 && len(p.trace.Times) < 2 {
		p.report(1, "a trace needs at least two requests; write the time and the key of an object on each line")
	}
	if len(p.problems) > 0 {
		return nil, p.problems
	}
	return &p.trace, nil
}

const mostTraceProblems = 10

type traceParser struct {
	file     string
	trace    Trace
	keys     map[string]uint32
	began    bool
	stamped  bool // times are of RFC 3339
	first    time.Duration
	problems Problems
}

func (p *traceParser) report(line int, message string) {
	p.problems = append(p.problems, Problem{File: p.file, Line: line, Field: "trace", Message: message})
}

func (p *traceParser) line(number int, line string) {
	if line == "" || line[0] == '#' {
		return
	}
	fields := strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == '\t' || r == ' ' })
	header := !p.began && len(fields) > 0 && strings.EqualFold(fields[0], "time")
	p.began = true
	switch {
	case header:
		return
	case len(fields) < 2:
		p.report(number, quote(line)+" is not a request; write its time and the key of its object, with a comma or a space between")
		return
	case !utf8.ValidString(line):
		p.report(number, "is not UTF-8")
		return
	case len(p.trace.Times) == mostTraced:
		p.report(number, fmt.Sprintf("is more than %d requests; split the file", mostTraced))
		return
	}
	at, err := p.time(fields[0])
	if err != nil {
		p.report(number, err.Error())
		return
	}
	if n := len(p.trace.Times); n == 0 {
		p.first = at
	} else if early := p.trace.Times[n-1] - (at - p.first); early > 0 {
		p.report(number, fmt.Sprintf("is %s before the request above it; sort the file by time", early))
		return
	}
	if at-p.first > longestTrace {
		p.report(number, "is more than a year after the first request; times are in seconds")
		return
	}
	key, known := p.keys[fields[1]]
	if !known {
		key = uint32(len(p.keys))
		p.keys[fields[1]] = key
	}
	p.trace.Times = append(p.trace.Times, at-p.first)
	p.trace.Keys = append(p.trace.Keys, key)
}

// time reads a time since 1970, or since whenever the file counts from.
func (p *traceParser) time(text string) (time.Duration, error) {
	bad := fmt.Errorf("%s is not a time; write seconds (12.345) or RFC 3339 (2026-01-02T15:04:05.678Z)", quote(text))
	stamped := false
	var at time.Duration
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if !(math.Abs(seconds) < float64(math.MaxInt64)/2/1e9) {
			return 0, bad
		}
		whole, fraction := math.Modf(seconds)
		at = time.Duration(whole)*time.Second + time.Duration(math.Round(fraction*1e9))
	} else if stamp, err := time.Parse(time.RFC3339Nano, text); err == nil {
		if year := stamp.Year(); year < 1900 || year > 2200 {
			return 0, bad
		}
		at, stamped = time.Duration(stamp.UnixNano()), true
	} else {
		return 0, bad
	}
	if len(p.trace.Times) == 0 {
		p.stamped = stamped
	}
	if stamped != p.stamped {
		return 0, fmt.Errorf("%s is written another way than the times above it; use one form throughout", quote(text))
	}
	return at, nil
}

// Span is the time from the first request to the last.
func (t *Trace) Span() time.Duration { return t.Times[len(t.Times)-1] }

// Pack returns the trace in a compact form: gzip of varints, of the time since
// the request before and of the key.
func (t *Trace) Pack() ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	var buffer []byte
	last := time.Duration(0)
	for i, at := range t.Times {
		buffer = binary.AppendUvarint(buffer[:0], uint64(at-last))
		buffer = binary.AppendUvarint(buffer, uint64(t.Keys[i]))
		last = at
		if _, err := z.Write(buffer); err != nil {
			return nil, fmt.Errorf("packing a trace: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("packing a trace: %w", err)
	}
	return out.Bytes(), nil
}

// UnpackTrace reads what Pack wrote. The error says that it is damaged.
func UnpackTrace(packed []byte) (*Trace, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpacking a trace: %w", err)
	}
	content, err := io.ReadAll(io.LimitReader(z, mostTraced*(binary.MaxVarintLen64+binary.MaxVarintLen32)))
	if err != nil {
		return nil, fmt.Errorf("unpacking a trace: %w", err)
	}
	var t Trace
	at := time.Duration(0)
	for len(content) > 0 {
		gap, n := binary.Uvarint(content)
		if n <= 0 || gap > uint64(longestTrace-at) {
			return nil, errors.New("unpacking a trace: a time in it is damaged")
		}
		key, m := binary.Uvarint(content[n:])
		if m <= 0 || key >= mostTraced {
			return nil, errors.New("unpacking a trace: a key in it is damaged")
		}
		at += time.Duration(gap)
		t.Times, t.Keys = append(t.Times, at), append(t.Keys, uint32(key))
		content = content[n+m:]
	}
	if len(t.Times) < 2 {
		return nil, errors.New("unpacking a trace: it holds no requests")
	}
	t.Times, t.Keys = slices.Clip(t.Times), slices.Clip(t.Keys)
	return &t, nil
}

// traceKnown refuses a trace that is neither embedded nor a file.
func traceKnown(s *Settings) string {
	if name := s.Workload.Objects.Trace; name != "" && !IsTraceFile(name) && traceLengths[name] == 0 {
		return choice(name, Traces()) + "; a file of your own is given with its path: ./" + name + ".csv"
	}
	return ""
}

// replayWrong says what is wrong with arrivals at a trace's times, or "".
func replayWrong(s *Settings) string {
	a, o := &s.Workload.Arrivals, &s.Workload.Objects
	file := IsTraceFile(o.Trace)
	switch {
	case a.Speed != 0 && (a.Model != "trace" || !file && o.Model == "trace" && o.Trace != ""):
		return "speed is of the times of a trace file; use model: trace with one (workload.objects.trace: ./mine.csv), or remove speed"
	case a.Model != "trace":
		return ""
	case o.Model != "trace":
		return "arrivals at the times of a trace ask for its objects; add workload.objects: {model: trace, trace: ./mine.csv}"
	case s.Workload.Mode == "handshakes":
		return "handshakes mode asks for no objects, and so cannot replay a trace; use mode: requests"
	case file && a.Rate != 0:
		return "a trace file has times of its own; remove the rate, and use speed to come faster or slower"
	case !file && o.Trace != "" && a.Rate == 0:
		return o.Trace + " has no times of its own; add the rate at which its requests come, by a Poisson process, for example rate: 400/s"
	}
	return ""
}
