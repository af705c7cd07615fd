package report

import (
	"fmt"
	"slices"

	"github.com/originpull/originpull/results"
)

// prices prints what attempts cost, a line for each strategy, stage and TLS
// version; the controls are what the same attempts cost an origin that refuses
// nobody.
func prices(p *page, rows []*results.BypassRow) {
	rows = slices.DeleteFunc(slices.Clone(rows), func(b *results.BypassRow) bool { return b.Price == nil })
	if len(rows) == 0 {
		return
	}
	p.blank()
	p.note("what an attempt costs: the origin's CPU and the bytes that the attacker sent and received, each per attempt; how many connections the origin still held of how many attempts; and the legitimate edge's pulls per second beside the attempts, over those without", plain)
	for _, t := range distinct(rows, target) {
		g := grid{titles: []string{"", "strategy", "tls", t, "CPU", "resumed", "bytes", "held", "goodput"}}
		for _, b := range rows {
			if target(b) == t {
				g.add(priceCells(b)...)
			}
		}
		g.print(p)
	}
}

func priceCells(b *results.BypassRow) []cell {
	price := b.Price
	how := outcome(b)
	if b.Mistake != "" {
		how.text = "with " + b.Mistake
	}
	goodput := nothing
	if price.Calm > 0 {
		goodput = fmt.Sprintf("%.2f", price.Busy/price.Calm)
	}
	return []cell{
		{text: b.Case},
		{text: b.Strategy},
		{text: b.TLS},
		how,
		{text: microseconds(price.CPU)},
		{text: microseconds(price.ResumedCPU)},
		{text: fmt.Sprintf("%.0f + %.0f", price.BytesSent, price.BytesReceived)},
		{text: fmt.Sprintf("%d of %d", price.Held, price.Attempts)},
		{text: goodput},
	}
}

// microseconds writes a duration in seconds; nothing for one that is not known.
func microseconds(seconds float64) string {
	if seconds == 0 {
		return nothing
	}
	return fmt.Sprintf("%.0f µs", seconds*1e6)
}
