package results

import (
	"math"
	"math/rand/v2"
	"testing"
)

// What Detectable names must be found by that look in 95 % of simulated
// trials of that scatter: 93 to 97 of 100 here, and far fewer at half of it.
func TestDetectableIsFound(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	scatter := func(n int, mean float64) []float64 {
		out := make([]float64, n)
		for i := range out {
			out[i] = mean + 0.03*r.NormFloat64()
		}
		return out
	}
	g := Gate{}.WithDefaults()
	for look, trials := range g.Looks {
		size := 0.0 // over many judgements, because one knows its scatter badly
		const judgements = 400
		for range judgements {
			size += g.Detectable(look, g.Look(0, []GateSample{cpuSample(scatter(30, 0))})[0], 5) / judgements
		}
		found := func(size float64) (share float64) {
			const draws = 2000
			for range draws {
				if above(scatter(trials, math.Log1p(size)), math.Log1p(DefaultMargin)) <= g.Alpha*g.Spend[look]/5 {
					share += 1.0 / draws
				}
			}
			return share
		}
		if share := found(size); share < 0.92 || share > 0.99 {
			t.Errorf("%d trials: +%.1f %% is found in %.1f %%, want about 95", trials, 100*size, 100*share)
		}
		if share := found(size / 2); share > 0.6 {
			t.Errorf("%d trials: half of it is found in %.1f %%", trials, 100*share)
		}
	}
	if d := g.Detectable(0, Judgement{}, 1); !math.IsInf(d, 1) {
		t.Errorf("without trials +%v can be found", d)
	}
}
