package report

import (
	"slices"
	"strings"

	"github.com/originpull/originpull/results"
)

// links prints what the distances really were, of arms or of their points of
// presence.
func links(p *page, e group, r *results.Result) {
	g := grid{titles: []string{"The link", "round trip\nasked for", "\nrealised", "packets late\nby (p50)", "\n(p99)", "packets\ndropped"}}
	columns := []string{results.MetricLinkNominal, results.MetricLinkRealised, results.MetricLinkLateP50, results.MetricLinkLateP99, results.MetricLinkDrops}
	pops := grid{titles: []string{"Point of presence", "round trip\nasked for", "\nrealised", "first byte\n(p50)", "\nin rtt", "viewer\nwaited (p50)", "\n(p99)", "packets late\nby (p50)", "\n(p99)", "packets\ndropped"}}
	popColumns := []string{results.MetricLinkNominal, results.MetricLinkRealised, "firstbyte.p50", results.MetricFirstByteRTTs, "latency.p50", "latency.p99", results.MetricLinkLateP50, results.MetricLinkLateP99, results.MetricLinkDrops}
	for _, a := range e.arms {
		if _, has := a.Metrics[results.MetricLinkNominal]; has && a.Error == "" {
			fill(&g, r, a, columns)
		}
		for _, pop := range a.Pops {
			cells := []cell{{text: join([]string{armWords(r, a), pop.Name})}}
			for _, m := range popColumns {
				cells = append(cells, cell{text: show(&results.Arm{Metrics: pop.Metrics}, m)})
			}
			pops.add(cells...)
		}
	}
	for _, table := range []*grid{&g, &pops} {
		if len(table.rows) > 0 {
			p.blank()
			table.print(p)
		}
	}
	congestion(p, e)
	if len(g.rows)+len(pops.rows) > 0 {
		p.note("Over a distance round trips are times over the realised round trip, which was measured before the run, and CPU is not read: a link wakes up on somebody's account.", faint)
	}
}

// congestion names what TCP went by over the links.
func congestion(p *page, e group) {
	var named []string
	for _, a := range e.arms {
		if name := a.Labels[results.LabelCongestion]; name != "" && !slices.Contains(named, name) {
			named = append(named, name)
		}
	}
	if len(named) > 0 {
		p.note("TCP's congestion control: "+strings.Join(named, "; ")+".", faint)
	}
}
