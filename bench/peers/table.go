package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
)

// part is something that --only names.
type part struct {
	name string
	run  func(ctx context.Context, l *lab, progress io.Writer) (section, error)
}

var parts = []part{
	{"keepalive", keepalive.run},
	{"server-auth", serverAuth.run},
	{"connections-1.3", connections13.run},
	{"connections-1.2", connections12.run},
	{"pace", pace},
	{"memory", memory},
}

func partNames() []string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

// goal is what a ratio of originpull to a peer should be. Zero asks nothing.
type goal struct {
	ours, peer *contender
	must, aim  float64
}

// table is one load and who is compared on it.
type table struct {
	title, unit string
	load        load
	goals       []goal
}

var keepalive = table{
	title: "Requests on kept connections, TLS 1.3, client certificate", unit: "requests",
	load: load{tls: "1.3", mtls: true, reuse: true},
	goals: []goal{
		{own, wrk, 0.90, 1.05},
		{own, fortio, 0.90, 1.05},
		{own, vegeta, 2.5, 3},
		{own, k6, 6, 7},
		{own, ab, 0, 0},
		{own, h2load, 0, 0},
	},
}

var serverAuth = table{
	title: "Requests on kept connections, TLS 1.3, no client certificate (hey has none)", unit: "requests",
	load:  load{tls: "1.3", reuse: true},
	goals: []goal{{own, hey, 2.1, 2.5}, {own, wrk, 0, 0}},
}

var connections13 = table{
	title: "A connection, a full handshake and a request each, TLS 1.3, client certificate", unit: "connections",
	load: load{tls: "1.3", mtls: true},
	goals: []goal{
		{own, wrk, 1.15, 1.3},
		{own, vegeta, 1.1, 1.2},
		{own, sTime, 2.5, 3},
		{own, ab, 0, 0},
		{ownP256, wrk, 0, 0},
		{ownCredulous, wrk, 1.15, 1.3},
		{ownCredulous, vegeta, 1.1, 1.2},
		{ownCredulous, sTime, 2.5, 3},
	},
}

var connections12 = table{
	title: "A connection, a full handshake and a request each, TLS 1.2, client certificate", unit: "connections",
	load: load{tls: "1.2", mtls: true},
	goals: []goal{
		{own, wrk, 1.4, 1.6},
		{own, vegeta, 1.1, 1.2},
		{own, sTime, 0, 0},
		{own, ab, 0, 0},
		{ownCredulous, wrk, 1.4, 1.6},
		{ownCredulous, vegeta, 1.1, 1.2},
	},
}

// contenders returns everyone that the goals name, each once.
func (t *table) contenders() []*contender {
	var all []*contender
	for _, g := range t.goals {
		for _, c := range []*contender{g.ours, g.peer} {
			if !slices.Contains(all, c) {
				all = append(all, c)
			}
		}
	}
	return all
}

// measured are the rates of one contender by round; a round in which it
// failed has none, and its error is kept.
type measured struct {
	rates   map[int]float64
	failure error
}

func (t *table) run(ctx context.Context, l *lab, progress io.Writer) (section, error) {
	all := t.contenders()
	results := map[*contender]*measured{}
	for _, c := range all {
		results[c] = &measured{rates: map[int]float64{}}
	}
	for round := range l.options.rounds {
		order := slices.Clone(all)
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, c := range order {
			if m := results[c]; isMissing(m.failure) {
				continue
			} else if r, err := c.run(ctx, l, t.load); err != nil {
				if ctx.Err() != nil {
					return section{}, ctx.Err()
				}
				m.failure = err
				_, _ = fmt.Fprintf(progress, "  round %d: %s: %v\n", round+1, c.name, err)
			} else {
				m.rates[round] = r.rate()
				_, _ = fmt.Fprintf(progress, "  round %d: %-24s %8.0f %s per CPU-second (%d)\n", round+1, c.name, r.rate(), t.unit, r.count)
			}
		}
	}
	return t.section(results, l.options.rounds), nil
}

func isMissing(err error) bool {
	var m missing
	return errors.As(err, &m)
}

func (t *table) section(results map[*contender]*measured, rounds int) section {
	s := section{title: t.title}
	s.add("", "per CPU-second, median", "rounds")
	for _, c := range t.contenders() {
		m := results[c]
		if len(m.rates) == 0 {
			s.add(c.name, "not run: "+m.failure.Error(), fmt.Sprintf("0 of %d", rounds))
			continue
		}
		s.add(c.name, fmt.Sprintf("%.0f", median(values(m.rates))), fmt.Sprintf("%d of %d", len(m.rates), rounds))
	}
	s.end()
	s.add("ratio", "median [min–max]", "must", "aim", "")
	for _, g := range t.goals {
		name := g.ours.name + " ÷ " + g.peer.name
		ratios := within(results[g.ours].rates, results[g.peer].rates)
		if len(ratios) == 0 {
			s.add(name, "not run", bound(g.must), bound(g.aim), g.verdict(0))
			continue
		}
		m := median(ratios)
		s.add(name, fmt.Sprintf("**%.2f** [%.2f–%.2f]", m, slices.Min(ratios), slices.Max(ratios)), bound(g.must), bound(g.aim), g.verdict(m))
	}
	s.end()
	return s
}

func (g goal) verdict(ratio float64) string {
	switch {
	case g.must == 0:
		return ""
	case ratio == 0:
		return "not run"
	case ratio >= g.aim:
		return "aim met"
	case ratio >= g.must:
		return "met"
	}
	return "not met"
}

func bound(b float64) string {
	if b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", b)
}
