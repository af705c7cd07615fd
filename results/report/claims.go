package report

import (
	"fmt"
	"strings"

	"github.com/originpull/originpull/results"
)

// claims sets what others say beside what was measured, claims of the same
// words and measure together.
func claims(p *page, r *results.Result) {
	g := grid{titles: []string{"Claim", "Measured here", ""}, left: true}
	for _, same := range claimGroups(r.Claims) {
		c := same[0]
		text := fmt.Sprintf("“%s” (%s) Holds where %s.", c.Text, c.Source, spaced.Replace(c.Expression))
		if len(same) == 1 {
			g.add(cell{text: text}, cell{text: claimed(c)}, claimVerdict(c))
			continue
		}
		g.add(cell{text: text}, cell{}, cell{})
		for _, c := range same {
			g.add(cell{text: "– " + c.Experiment}, cell{text: claimed(c)}, claimVerdict(c))
		}
	}
	g.print(p)
	p.note("In brackets the 95 % interval over trials. Not resolved: not measured, or within the noise of what the claim says. A verdict is on this machine and this run; none fails it.", faint)
}

// spaced gives an expression, which has no space it does not need, places where
// a line may end. It stays the same expression.
var spaced = strings.NewReplacer("{", " {", ",", ", ", ",  ", ", ")

// claimGroups joins the claims that differ in nothing but the experiment.
func claimGroups(all []results.Claim) [][]*results.Claim {
	var groups [][]*results.Claim
	at := map[[3]string]int{}
	for i := range all {
		c := &all[i]
		key := [3]string{c.Text, c.Source, c.Expression}
		if _, known := at[key]; !known {
			at[key] = len(groups)
			groups = append(groups, nil)
		}
		groups[at[key]] = append(groups[at[key]], c)
	}
	return groups
}

// claimed is what was measured of a claim.
func claimed(c *results.Claim) string {
	switch {
	case c.Unit == "":
		return nothing
	case c.Low != 0 || c.High != 0:
		return fmt.Sprintf("%.2f × [%.2f – %.2f]", c.Value, c.Low, c.High)
	case c.Unit == "ratio":
		return significant(c.Value)
	}
	return measure(c.Value, c.Unit)
}

func claimVerdict(c *results.Claim) cell {
	style := map[string]style{results.ClaimSupported: green, results.ClaimNotSupported: red}[c.Verdict]
	if style == plain {
		style = yellow
	}
	return cell{c.Verdict, style}
}
