package results

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// gatePower is the chance with which what Detectable names is found.
const gatePower = 0.95

// Detectable returns the smallest worsening, as a share, that a look of the
// gate finds with a chance of 95 % when its trials scatter as those behind the
// judgement did, in a family of so many metrics. Without an interval it is
// +Inf.
func (g Gate) Detectable(look int, j Judgement, family int) float64 {
	g = g.WithDefaults()
	n := float64(j.Estimate.N)
	if !j.Estimate.HasInterval() || look >= len(g.Looks) {
		return math.Inf(1)
	}
	measured := distuv.StudentsT{Sigma: 1, Nu: freedom(j.Estimate.N)}
	half := (math.Log(j.Estimate.High) - math.Log(j.Estimate.Low)) / 2
	single := half / measured.Quantile(1-(1-g.Confidence)/2) * math.Sqrt(n)
	nu := freedom(g.Looks[look])
	critical := distuv.StudentsT{Sigma: 1, Nu: nu}.Quantile(1 - g.Alpha*g.Spend[look]/float64(max(1, family)))
	// How far the truth has to lie from the bound, in standard errors: the
	// normal approximation of the noncentral t (Abramowitz and Stegun 26.7.10).
	steps := critical*(1-1/(4*nu)) + distuv.UnitNormal.Quantile(gatePower)*math.Sqrt(1+critical*critical/(2*nu))
	return math.Exp(math.Log1p(j.Rule.Margin)+steps*single/math.Sqrt(float64(g.Looks[look]))) - 1
}

// freedom is the number of degrees of freedom that trimming leaves.
func freedom(trials int) float64 {
	return float64(trials - 2*int(gateTrim*float64(trials)) - 1)
}
