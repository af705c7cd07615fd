package sim

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

const countedScenario = `version: 1
name: counted
origin: {audit: refused, strategies: [allowlist, mtls]}
experiments:
  - {name: h, workload: {mode: handshakes}}
  - {name: r, workload: {mode: requests}}
  - {name: open, workload: {mode: requests, arrivals: {model: poisson, rate: 50/s}}}
  - {name: far, link: {kind: model, rtt: 5ms}, workload: {mode: handshakes}}
`

// fakeValgrind runs the worker as it is, and writes that it executed a
// thousand instructions for each that it was asked for, and some at the start.
const fakeValgrind = `#!/bin/sh
while case $1 in --*) true ;; *) false ;; esac; do
  case $1 in --cachegrind-out-file=*) out=${1#*=} ;; esac
  shift
done
out=$(echo "$out" | sed "s/%p/$$/")
tee "$out.asked" | "$@"
count=$(sed -n 's/.*"seconds":0,"count":\([0-9]*\).*/\1/p' "$out.asked")
{
  echo "events: Ir"
  echo "fl=a.go"
  echo "fn=main.main"
  echo "1 70000"
  echo "12 $((1000 * count))"
  echo "fn=runtime.getitab"
  echo "7 $$"
  echo "summary: $((70000 + 1000 * count + $$))"
} >"$out"
`

func TestCountInstructions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no valgrind")
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "valgrind"), []byte(fakeValgrind), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	plan := compileText(t, countedScenario)
	with := compileText(t, countedScenario)
	worker := testConfig(t).Worker
	for i, want := range []float64{1000, 1000} {
		x := &plan.Experiments[i]
		side := Counted{Worker: worker, Plan: plan, Experiment: x, Arm: &x.Arms[0]}
		planted := Counted{Worker: worker, Plan: with, Experiment: &with.Experiments[i], Arm: &with.Experiments[i].Arms[0]}
		planted.Arm.Settings.Edge.Plant.CPU = 0.01
		counts, err := CountInstructions(t.Context(), t.TempDir(), []Counted{side, planted})
		if err != nil {
			t.Fatal(err)
		}
		if counts[0] != want || math.Abs(counts[1]-1.01*want) > 1e-9 {
			t.Errorf("%s: counted %v, want %v and 1 %% more", x.Name, counts, want)
		}
	}
}

func TestCountable(t *testing.T) {
	plan := compileText(t, countedScenario)
	for i, want := range []string{"", "", "its viewers come by the clock", "its two ends and their distance are one process"} {
		x := &plan.Experiments[i]
		err := Countable(x, &x.Arms[0])
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", x.Name, err, want)
		}
	}
	t.Setenv("PATH", t.TempDir())
	x := &plan.Experiments[0]
	_, err := CountInstructions(t.Context(), t.TempDir(), []Counted{{Plan: plan, Experiment: x, Arm: &x.Arms[0]}})
	if err == nil || !strings.Contains(err.Error(), "valgrind is not installed") {
		t.Errorf("without valgrind: %v", err)
	}
}

func TestMemory(t *testing.T) {
	m := newMemory()
	source := netip.MustParseAddr("127.0.1.1")
	near, err := m.Dial(t.Context(), source, m.address)
	if err != nil {
		t.Fatal(err)
	}
	far, err := m.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if near.LocalAddr().String() != far.RemoteAddr().String() || near.RemoteAddr().String() != "127.0.0.1:443" || !strings.HasPrefix(far.RemoteAddr().String(), "127.0.1.1:") {
		t.Errorf("addresses %v, %v", near.LocalAddr(), far.RemoteAddr())
	}
	if _, err := near.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	two := make([]byte, 2)
	for _, want := range []string{"ab", "c"} {
		if n, err := far.Read(two); err != nil || string(two[:n]) != want {
			t.Errorf("read %q, %v, want %q", two[:n], err, want)
		}
	}
	// A deadline that has passed wakes the reader; taking it back lets it read.
	if err := far.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := far.Read(two); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	if err := far.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := near.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := far.Read(two); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := far.Write(two); !errors.Is(err, net.ErrClosed) {
		t.Errorf("writing to who has left: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accepting after the end: %v", err)
	}
}

func TestSumCounts(t *testing.T) {
	for text, want := range map[string]string{
		"fn=a\n1 5\n2 6\nfn=runtime.getitab\n1 100\nfn=b\n0 7\nsummary: 118\n": "18 <nil>",
		"fn=a\n1 5\nsummary: 6\n": "0 its lines come to 5, its summary to  6",
		"fn=a\n1 5\n":             "0 it has no summary",
		"fn=a\n1 x\nsummary: 0\n": `0 the line "1 x" is no count`,
	} {
		sum, err := sumCounts(strings.NewReader(text))
		if got := fmt.Sprint(sum, " ", err); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func FuzzSumCounts(f *testing.F) {
	f.Add("fn=a\n1 5\nfn=runtime.getitab\n1 100\nsummary: 105\n")
	f.Add("summary: 0")
	f.Fuzz(func(t *testing.T, text string) {
		if sum, err := sumCounts(strings.NewReader(text)); err == nil && sum < 0 {
			t.Errorf("a sum of %v", sum)
		}
	})
}
