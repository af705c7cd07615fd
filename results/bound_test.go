package results

import (
	"math"
	"testing"
)

// TestUpperBound holds the bound to its closed forms, and to the tables of
// Clopper and Pearson: for 1 in 10, 0.3942; for 2 in 20, 0.2826.
func TestUpperBound(t *testing.T) {
	for _, test := range []struct {
		k, n int
		want float64
	}{
		{0, 1, 0.95},
		{0, 10, 1 - math.Pow(0.05, 0.1)},
		{0, 2000, 1 - math.Pow(0.05, 1.0/2000)},
		{1, 10, 0.39416},
		{2, 20, 0.28262},
		{9, 10, 1 - (1 - math.Pow(0.95, 0.1))},
		{0, 0, 1},
		{5, 5, 1},
		{6, 5, 1},
	} {
		if got := UpperBound(test.k, test.n); math.Abs(got-test.want) > 1e-5 {
			t.Errorf("%d in %d: %.6f, want %.6f", test.k, test.n, got, test.want)
		}
	}
	if three := UpperBound(0, 2000) * 2000; math.Abs(three-3) > 0.01 {
		t.Errorf("rule of three: %f", three)
	}
}

func TestBypassed(t *testing.T) {
	rows := []*BypassRow{
		{Predicted: VerdictBlocked, Measured: VerdictBlocked},
		{Predicted: VerdictBlocked, Measured: VerdictBlocked, Attempts: 350},
		{Predicted: VerdictBlocked, Measured: VerdictBypassed},
		{Predicted: VerdictBlocked, Measured: VerdictLeaked},
		{Predicted: VerdictBypassed, Measured: VerdictBypassed},                    // by design
		{Predicted: VerdictBypassed, Measured: VerdictBypassed, Mistake: "no-pin"}, // a control
		{Predicted: VerdictBlocked, Measured: VerdictNotRun},
		{Predicted: VerdictBlocked, Measured: VerdictDenied},
		{Predicted: VerdictBlocked, Measured: VerdictBlocked, Skipped: "no such server"},
	}
	if through, attempts := Bypassed(rows); through != 2 || attempts != 353 {
		t.Errorf("%d of %d, want 2 of 353", through, attempts)
	}
}
