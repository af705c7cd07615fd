package origin

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestObjectsAreDrawnFromTheirNames(t *testing.T) {
	r := Response{
		Size: 1000, CacheControl: "max-age=60", Uncacheable: 0.09,
		Lifetimes: []Lifetime{{Share: 0.2, MaxAge: 0}, {Share: 0.5, MaxAge: time.Hour}},
		Sizes:     Sizes{Median: 2700, P90: 16000, Max: 4 << 20},
	}
	const n = 40000
	var sizes []int64
	controls := map[string]int{}
	for i := range n {
		o := r.object(strconv.Itoa(i))
		if again := r.object(strconv.Itoa(i)); again != o {
			t.Fatalf("object %d is %+v, then %+v", i, o, again)
		}
		sizes = append(sizes, o.size)
		controls[o.control]++
	}
	slices.Sort(sizes)
	// Three standard errors of a share of n, and of a quantile by its density.
	for name, want := range map[string]float64{"no-store": 0.09, "max-age=0": 0.91 * 0.2, "max-age=3600": 0.91 * 0.5, "max-age=60": 0.91 * 0.3} {
		if got := float64(controls[name]) / n; math.Abs(got-want) > 3*math.Sqrt(want*(1-want)/n) {
			t.Errorf("%.4f of the objects have %q, want %.4f", got, name, want)
		}
	}
	for q, want := range map[float64]float64{0.5: 2700, 0.9: 16000} {
		if got := float64(sizes[int(q*n)]); math.Abs(got-want)/want > 0.05 {
			t.Errorf("quantile %g is %g bytes, want %g", q, got, want)
		}
	}
	if sizes[n-1] > 4<<20 || sizes[0] < 0 {
		t.Errorf("sizes from %d to %d", sizes[0], sizes[n-1])
	}
	if len(controls) != 4 {
		t.Errorf("drawn: %v", controls)
	}
}

func TestObjectsAlikeByDefault(t *testing.T) {
	r := Response{Size: 1000, CacheControl: "max-age=60"}
	if o := r.object("x"); o != (content{1000, "max-age=60"}) {
		t.Errorf("%+v", o)
	}
}

func TestObjectsRefused(t *testing.T) {
	for want, r := range map[string]Response{
		"from 0 to 1":     {Uncacheable: 1.5},
		"whole seconds":   {Lifetimes: []Lifetime{{Share: 0.1, MaxAge: time.Millisecond}}},
		"at most 1":       {Lifetimes: []Lifetime{{Share: 0.7}, {Share: 0.7}}},
		"a p90 above it":  {Sizes: Sizes{Median: 10, P90: 10}},
		"a median of":     {Sizes: Sizes{P90: 10}},
		"not below it":    {Sizes: Sizes{Median: 10, P90: 20, Max: 5}},
		"shares not nega": {Lifetimes: []Lifetime{{Share: -0.1}}},
	} {
		if err := r.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}
