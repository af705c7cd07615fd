package scenarios

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseTrace(t *testing.T) {
	for _, c := range []struct {
		text string
		want Trace
		err  string
	}{
		{"0 /a\n0.5 /b\n0.5 /a\n", Trace{[]time.Duration{0, 5e8, 5e8}, []uint32{0, 1, 0}}, ""},
		{"# mine\ntime,key,status\r\n1700000000.25,/a,200\r\n\r\n1700000001.75,/a,200", Trace{[]time.Duration{0, 15e8}, []uint32{0, 0}}, ""},
		{"2026-01-02T15:04:05.5Z\t/a\n2026-01-02T16:04:06+01:00\t/b\n", Trace{[]time.Duration{0, 5e8}, []uint32{0, 1}}, ""},
		{"-2 a\n-1 a\n", Trace{[]time.Duration{0, 1e9}, []uint32{0, 0}}, ""},
		{"", Trace{}, "t.csv:1: trace: a trace needs at least two requests"},
		{"1 a\n", Trace{}, "at least two requests"},
		{"1 a\n\n2\n", Trace{}, `t.csv:3: trace: "2" is not a request; write its time and the key`},
		{"1 a\nx b\n", Trace{}, `t.csv:2: trace: "x" is not a time; write seconds (12.345) or RFC 3339`},
		{"1 a\nNaN b\n", Trace{}, `"NaN" is not a time`},
		{"1 a\n1e300 b\n", Trace{}, `"1e300" is not a time`},
		{"1 a\n0.5 b\n", Trace{}, "t.csv:2: trace: is 500ms before the request above it; sort the file by time"},
		{"1 a\n2026-01-02T15:04:05Z b\n", Trace{}, "is written another way than the times above it"},
		{"0 a\n40000000 b\n", Trace{}, "is more than a year after the first request"},
		{"1 a\n2 \xff\n", Trace{}, "t.csv:2: trace: is not UTF-8"},
		{"1 a\ntime key\n", Trace{}, `"time" is not a time`},
		{strings.Repeat("x\n", 50), Trace{}, "t.csv:10:"},
	} {
		got, err := ParseTrace("t.csv", []byte(c.text))
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: %v, want %q", c.text, err, c.err)
			continue
		}
		if err == nil && !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%q: %+v, want %+v", c.text, *got, c.want)
		}
		if err != nil && strings.Count(err.Error(), "\n") > mostTraceProblems {
			t.Errorf("%q: %v", c.text, err)
		}
	}
}

// FuzzTrace: whatever the bytes, a trace that reads has times that never fall,
// and comes back whole from its packed form; what does not read says where.
func FuzzTrace(f *testing.F) {
	for _, text := range []string{"0 /a\n0.5,/b\n", "time key\n1700000000.25\t/a\n1700000001 /a", "2026-01-02T15:04:05Z a\n2026-01-02T15:04:06Z b", "1 a\n0 b", "-1e9 a\n1e9 b", "NaN a\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		trace, err := ParseTrace("t.csv", content)
		var problems Problems
		if err != nil {
			if !errors.As(err, &problems) || len(problems) == 0 || problems[0].Line < 1 || problems[0].Message == "" {
				t.Errorf("%v", err)
			}
			return
		}
		if len(trace.Times) != len(trace.Keys) || trace.Times[0] != 0 || trace.Span() > longestTrace {
			t.Errorf("%+v", trace)
		}
		for i := range trace.Times[1:] {
			if trace.Times[i+1] < trace.Times[i] {
				t.Fatalf("times fall: %v", trace.Times)
			}
		}
		packed, err := trace.Pack()
		if err != nil {
			t.Fatal(err)
		}
		back, err := UnpackTrace(packed)
		if err != nil || !reflect.DeepEqual(back, trace) {
			t.Errorf("%+v comes back as %+v, %v", trace, back, err)
		}
	})
}

// FuzzUnpackTrace: damaged traces are refused, never a panic.
func FuzzUnpackTrace(f *testing.F) {
	trace := Trace{Times: []time.Duration{0, 1, 1e9}, Keys: []uint32{0, 1, 0}}
	packed, err := trace.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Add(packed[:len(packed)-3])
	f.Fuzz(func(t *testing.T, packed []byte) {
		if trace, err := UnpackTrace(packed); (err == nil) != (trace != nil) || err == nil && len(trace.Times) != len(trace.Keys) {
			t.Errorf("%+v, %v", trace, err)
		}
	})
}

func TestReplayIsChecked(t *testing.T) {
	for _, c := range []struct{ workload, want string }{
		{"{arrivals: {model: trace, speed: 10}, objects: {model: trace, trace: ./mine.csv}}", ""},
		{"{arrivals: {model: trace, rate: 400/s}, objects: {model: trace, trace: web07}}", ""},
		{"{arrivals: {model: trace}, objects: {model: trace, trace: web07}}", "web07 has no times of its own; add the rate"},
		{"{arrivals: {model: trace, rate: 4/s, speed: 2}, objects: {model: trace, trace: web07}}", "speed is of the times of a trace file"},
		{"{arrivals: {model: poisson, rate: 4/s, speed: 2}}", "x.yaml:2: workload.arrivals.model: speed is of the times of a trace file"},
		{"{arrivals: {model: trace, rate: 4/s}, objects: {model: trace, trace: ./mine.csv}}", "a trace file has times of its own; remove the rate"},
		{"{arrivals: {model: trace, rate: 4/s}}", "arrivals at the times of a trace ask for its objects"},
		{"{mode: handshakes, arrivals: {model: trace}, objects: {model: trace, trace: ./mine.csv}}", "handshakes mode asks for no objects"},
		{"{arrivals: {model: trace, speed: 0}, objects: {model: trace, trace: ./mine.csv}}", "0 is less than 0.001"},
		{"{arrivals: {model: trace}, find: {slo: [\"failed == 0\"]}, objects: {model: trace, trace: ./mine.csv}}", "arrivals of the model trace have a course of their own"},
	} {
		_, err := Load(Source{File: "x.yaml", Content: []byte("version: 1\nworkload: " + c.workload + "\n")})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.workload, err, c.want)
		}
	}
}
