package sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/wire"
)

// popPrefix marks what is recorded of one point of presence, followed by its
// name and a dot.
const popPrefix = "pop."

// atPop records a viewer's pull at a point of presence that has a distance of
// its own.
func (r *pullRecorder) atPop(b results.Batch, p pulled, failure error) {
	named := r.arm.Settings.Edge.Pops.Named
	if len(named) == 0 || failure != nil {
		return
	}
	prefix := popPrefix + named[p.reply.Pop].Name + "."
	b.Time(prefix+timeLatency, p.end.Sub(p.due))
	if x := p.reply.Exchange; x != nil && x.Trace != nil && x.Trace.Stage == wire.StageHTTP {
		b.Time(prefix+timeFirstByte, x.Trace.FirstByte)
	}
}

// linkFigures are what trials of an arm on a link say of it, and of the round
// trips that its connections took.
func (r *run) linkFigures(c *collected, arm *results.Arm) error {
	links := c.links()
	if len(links) == 0 {
		return nil
	}
	link := &c.arm.Settings.Link
	arm.Labels[results.EnvMaxProcs] = hopProcs
	label := links[0].Kind + ", rtt " + link.RTT.String()
	named := c.arm.Settings.Edge.Pops.Named
	if len(named) > 0 {
		label = fmt.Sprintf("%s, %d distances", links[0].Kind, len(named))
	}
	if link.Loss > 0 {
		label += fmt.Sprintf(", loss %g %%", 100*link.Loss)
	}
	if link.Rate > 0 {
		label += ", " + link.Rate.String()
	}
	arm.Labels[results.LabelLink] = label
	if links[0].Congestion != "" {
		arm.Labels[results.LabelCongestion] = links[0].Congestion
	}
	for _, rtts := range []string{results.MetricHandshakeRTTs, results.MetricFirstByteRTTs} {
		delete(arm.Metrics, rtts) // turns
	}
	if len(named) == 0 {
		links[0].metrics(arm.Metrics, len(c.trials))
		return nil
	}
	for i, pop := range named {
		at := results.Pop{Name: pop.Name, Metrics: map[string]results.Value{}}
		for _, times := range []string{timeLatency, timeFirstByte} {
			encoded, have := c.merged.Histograms[popPrefix+pop.Name+"."+times]
			if !have {
				continue
			}
			h, err := results.DecodeHistogram(encoded)
			if err != nil {
				return fmt.Errorf("%s: histogram of %s: %w", pop.Name, times, err)
			}
			maps.Copy(at.Metrics, results.Percentiles(times, h))
		}
		links[i].metrics(at.Metrics, len(c.trials))
		arm.Pops = append(arm.Pops, at)
	}
	return nil
}

// metrics adds what a link did, and the round trips that it makes of times:
// these over the realised one. On loopback they are counted in turns; here a
// window that has to open costs a round trip without one.
func (s *LinkSummary) metrics(m map[string]results.Value, trials int) {
	for name, v := range map[string]float64{
		results.MetricLinkNominal: milliseconds(s.Nominal), results.MetricLinkRealised: milliseconds(s.Realised),
		results.MetricLinkLateP50: milliseconds(s.LateP50), results.MetricLinkLateP99: milliseconds(s.LateP99),
		results.MetricLinkDrops: float64(s.Lost + s.Overflow),
	} {
		m[name] = results.NewValue(name, v, trials)
	}
	for times, rtts := range map[string]string{timeHandshake: results.MetricHandshakeRTTs, timeFirstByte: results.MetricFirstByteRTTs} {
		if median, have := m[times+".p50"]; have && median.N > 0 && s.Nominal > 0 && s.Realised > 0 {
			v := results.NewValue(rtts, median.Value/milliseconds(s.Realised), median.N)
			v.Kind = results.Time // never compared bit for bit
			m[rtts] = v
		}
	}
}

// links sums up the links of an arm's trials, one for each of its distances:
// the mean of their realised round trips, the worst lateness.
func (c *collected) links() []LinkSummary {
	var sums []LinkSummary
	n := 0
	for i := range c.trials {
		if t := &c.trials[i]; t.err == nil && len(t.links) > 0 {
			n++
			if sums == nil {
				sums = make([]LinkSummary, len(t.links))
			}
			for j := range t.links {
				sums[j].join(&t.links[j])
			}
		}
	}
	for j := range sums {
		sums[j].Realised /= time.Duration(n)
	}
	return sums
}

// join adds another trial of the same link.
func (s *LinkSummary) join(t *LinkSummary) {
	s.Kind, s.Nominal, s.Congestion = t.Kind, t.Nominal, t.Congestion
	s.Realised += t.Realised
	s.LateP50, s.LateP99 = max(s.LateP50, t.LateP50), max(s.LateP99, t.LateP99)
	s.Packets, s.Lost, s.Overflow = s.Packets+t.Packets, s.Lost+t.Lost, s.Overflow+t.Overflow
	s.Reasons, s.Warnings = append(s.Reasons, t.Reasons...), append(s.Warnings, t.Warnings...)
}

// judgeLinks says how far the latency of an experiment's arms can be believed.
// One warning stands for all arms that have it: the machine was busy for all.
func (r *run) judgeLinks(x *Experiment, arms []collected) {
	var late, fine []string
	first := map[bool]string{}
	for i := range arms {
		for _, s := range arms[i].links() {
			name := arms[i].arm.Name
			if len(s.Reasons) > 0 && !slices.Contains(late, name) {
				late = append(late, name)
				if r.result.Validity.Links == nil {
					r.result.Validity.Links = map[string]string{}
				}
				r.result.Validity.Links[name] = s.Reasons[0]
				first[false] = cmp.Or(first[false], name+": "+s.Reasons[0])
			}
			if len(s.Warnings) > 0 && !slices.Contains(fine, name) {
				fine = append(fine, name)
				first[true] = cmp.Or(first[true], name+": "+s.Warnings[0])
			}
		}
	}
	v := &r.result.Validity
	r.again(x, arms)
	if len(late) > 0 {
		v.Valid = false
		v.Warnings = append(v.Warnings, fmt.Sprintf("%s: the link cannot be trusted in %d of %d arms, and latency of the run is not valid; the first is %s", x.Name, len(late), len(arms), first[false]))
	}
	if len(fine) > 0 {
		v.Warnings = append(v.Warnings, fmt.Sprintf("%s: a doubt in %d of %d arms; the first is %s", x.Name, len(fine), len(arms), first[true]))
	}
}

// again tells of blocks that were measured again. What they found first is
// gone: neither count nor time of it is in the result.
func (r *run) again(x *Experiment, arms []collected) {
	blocks, of := 0, 0
	for i := range arms {
		n := 0
		for j := range arms[i].trials {
			n += arms[i].trials[j].again
		}
		if n > 0 {
			blocks, of = blocks+n, of+1
		}
	}
	if blocks > 0 {
		v := &r.result.Validity
		v.Warnings = append(v.Warnings, fmt.Sprintf("%s: the link was late, and %d blocks of %d of %d arms were measured again in place of what they had found: the machine was busy with something else", x.Name, blocks, of, len(arms)))
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
