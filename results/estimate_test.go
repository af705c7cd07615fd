package results

import (
	"math"
	"testing"
)

func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance }

// The quantiles are those of Student's t in every printed table: 97.5 % with
// 1, 7, 9 and 29 degrees of freedom, 99.5 % with 4.
func TestIntervalUsesStudentsT(t *testing.T) {
	for _, c := range []struct {
		n          int
		confidence float64
		quantile   float64
	}{{2, .95, 12.706}, {8, .95, 2.365}, {10, .95, 2.262}, {30, .95, 2.045}, {5, .99, 4.604}} {
		values := make([]float64, c.n) // half at −1, half at +1; an odd one at 0
		squares := 0.0
		for i := range c.n / 2 {
			values[2*i], values[2*i+1] = -1, 1
			squares += 2
		}
		standardError := math.Sqrt(squares/float64(c.n-1)) / math.Sqrt(float64(c.n))
		i := MeanInterval(values, c.confidence)
		if got := i.High / standardError; !near(got, c.quantile, 5e-4) || !near(i.Low, -i.High, 1e-12) || i.N != c.n || i.Mean != 0 {
			t.Errorf("n = %d: quantile %.4f of %+v, want %.3f", c.n, got, i, c.quantile)
		}
	}
}

// Student's own sleep data (1908): the differences of two drugs in ten
// patients have mean 1.58, and the 95 % interval 0.70 to 2.46.
func TestMeanIntervalOfStudentsSleepData(t *testing.T) {
	i := MeanInterval([]float64{1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4}, 0.95)
	if !near(i.Mean, 1.58, 1e-9) || !near(i.Low, 0.7001142, 1e-6) || !near(i.High, 2.4598858, 1e-6) || i.N != 10 {
		t.Errorf("got %+v, want 1.58 [0.7001142, 2.4598858]", i)
	}
}

func TestPairedRatio(t *testing.T) {
	e := PairedRatio([]float64{math.Log(2), math.Log(8)}, 0.95)
	// Mean of logs ln 4; s = ln 2·√2, so half the width is 12.7062·ln 2.
	half := 12.706204736 * math.Ln2
	if !near(e.Ratio, 4, 1e-12) || !near(math.Log(e.High/4), half, 1e-6) || !near(math.Log(4/e.Low), half, 1e-6) || e.N != 2 {
		t.Errorf("got %+v", e)
	}
	if e := PairedRatio([]float64{math.Log(3)}, 0.95); !near(e.Ratio, 3, 1e-12) || e.HasInterval() || e.Low != 0 || e.High != 0 || e.N != 1 {
		t.Errorf("one trial: %+v, want 3 without an interval", e)
	}
	if e := PairedRatio([]float64{0.5, 0.5, 0.5}, 0.95); e.Low != e.High || e.Ratio != e.Low {
		t.Errorf("equal trials: %+v, want an interval without width", e)
	}
	if e := PairedRatio([]float64{math.NaN(), math.Inf(1)}, 0.95); e != (Estimate{}) {
		t.Errorf("nothing usable: %+v, want zero", e)
	}
	if e := PairedRatio([]float64{math.NaN(), 0, 0}, 0.95); e.N != 2 {
		t.Errorf("N = %d, want 2: what is not finite does not count", e.N)
	}
	if e := PairedRatio(nil, 0.95); e != (Estimate{}) {
		t.Errorf("no trial: %+v, want zero", e)
	}
}

// Of eight trials the smallest and the largest are left out: the mean of the
// rest is 1.5, and t has five degrees of freedom.
func TestPairedRatioIsTrimmed(t *testing.T) {
	e := PairedRatio([]float64{-1e6, 0, 1, 1, 2, 2, 3, 1e9}, 0.95)
	// Winsorized: 0 0 1 1 2 2 3 3, mean 1.5, squares 4·(1.5² + 0.5²) = 10.
	half := 2.570582 * math.Sqrt(10.0/7) * math.Sqrt(7.0/(6*5))
	if !near(math.Log(e.Ratio), 1.5, 1e-12) || !near(math.Log(e.High), 1.5+half, 1e-5) || !near(math.Log(e.Low), 1.5-half, 1e-5) || e.N != 8 {
		t.Errorf("got %+v, want exp of 1.5 ± %v of 8", e, half)
	}
}

func TestTrimmedLogRatio(t *testing.T) {
	for name, c := range map[string]struct {
		a, b []float64
		want float64
		ok   bool
	}{
		"few are not trimmed": {[]float64{2, 32}, []float64{1, 1}, math.Log(8), true},
		"outliers left out":   {[]float64{2, 1e9, 8, 4, 1e-9}, []float64{1, 1, 1, 1, 1}, math.Log(4), true},
		"unusable pairs":      {[]float64{0, 6, math.NaN(), math.Inf(1)}, []float64{1, 2, 1, 1}, math.Log(3), true},
		"surplus left out":    {[]float64{5, 9999}, []float64{1}, math.Log(5), true},
		"nothing usable":      {[]float64{0, -1}, []float64{1, 1}, 0, false},
		"no blocks":           {nil, nil, 0, false},
	} {
		got, ok := TrimmedLogRatio(c.a, c.b)
		if ok != c.ok || !near(got, c.want, 1e-12) {
			t.Errorf("%s: %v, %v, want %v, %v", name, got, ok, c.want, c.ok)
		}
	}
}

func TestResolved(t *testing.T) {
	aa := Estimate{Ratio: 1.01, Low: 0.97, High: 1.02, N: 8}
	for name, c := range map[string]struct {
		e, aa Estimate
		want  bool
	}{
		"well above":           {Estimate{1.5, 1.4, 1.6, 8}, aa, true},
		"well below":           {Estimate{0.5, 0.4, 0.6, 8}, aa, true},
		"interval holds 1":     {Estimate{1.2, 0.99, 1.4, 8}, aa, false},
		"interval touches 1":   {Estimate{1.2, 1, 1.4, 8}, aa, false},
		"within the noise":     {Estimate{1.03, 1.02, 1.04, 8}, aa, false}, // ln 1.03 < |ln 0.97|
		"estimate above noise": {Estimate{1.05, 1.02, 1.08, 8}, aa, false},
		"just above noise":     {Estimate{1.05, 1.032, 1.07, 8}, aa, true}, // ln 1.032 > |ln 0.97|
		"just below noise":     {Estimate{0.95, 0.93, 0.969, 8}, aa, true},
		"no A/A":               {Estimate{1.5, 1.4, 1.6, 8}, Estimate{}, false},
		"A/A of one trial":     {Estimate{1.5, 1.4, 1.6, 8}, Estimate{Ratio: 1, N: 1}, false},
		"ratio of one trial":   {Estimate{Ratio: 1.5, N: 1}, aa, false},
		"interval without N":   {Estimate{1.5, 1.4, 1.6, 0}, aa, false},
		"noisy A/A, same arm":  {Estimate{1.5, 1.4, 1.6, 8}, Estimate{1, 0.6, 1.7, 8}, false},
	} {
		if got := Resolved(c.e, c.aa); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
