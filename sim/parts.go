package sim

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/results"
)

// partPrefix marks what is recorded of one of several origins, followed by its
// name and a dot.
const partPrefix = "at."

// part is one of several origins to a recorder.
type part struct {
	arm   Arm
	names map[string]string // under which counts and times of the arm are the origin's
}

// partNames are what is recorded of each of several origins besides poolCounts.
var partNames = []string{
	countRequests, countFailed, countBadGateway, countConnectRetries, countOrigin, countOriginBytes, countReused,
	countConnects, countHandshakeFull, countHandshakeResumed, countHandshakeFailed,
	timeLatency, timeService, timeWait,
}

func partsOf(arm *Arm) []part {
	var parts []part
	for _, a := range arm.parts() {
		p := part{arm: a, names: map[string]string{}}
		for _, name := range slices.Concat(partNames, slices.Collect(maps.Keys(poolCounts))) {
			p.names[name] = partPrefix + a.Part + "." + name
		}
		parts = append(parts, p)
	}
	return parts
}

func (p *part) name(of string) string { return p.names[of] }

// at is what the arm is towards an origin.
func (r *pullRecorder) at(origin int) *Arm {
	if len(r.parts) == 0 {
		return &r.arm
	}
	return &r.parts[origin].arm
}

// prefix marks the labels of an origin.
func (r *pullRecorder) prefix(origin int) string {
	if len(r.parts) == 0 {
		return ""
	}
	return partPrefix + r.parts[origin].arm.Part + "."
}

// routed holds the edge to the rules: a request that went to another origin than
// the one whose object was asked for makes the arm worthless.
func (r *pullRecorder) routed(p *pulled) {
	if len(r.parts) == 0 || p.reply.Origin == p.origin {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wrong == nil {
		r.wrong = fmt.Errorf("a request for an object of %s went to %s", r.parts[p.origin].arm.Part, r.parts[p.reply.Origin].arm.Part)
	}
}

// atOrigin records a viewer's pull once more, as the origin's whose object it is.
func (r *pullRecorder) atOrigin(b results.Batch, p *pulled, failure error) {
	if len(r.parts) == 0 {
		return
	}
	at := &r.parts[p.origin]
	b.Add(at.name(countRequests), 1)
	if p.reply.Status == http.StatusBadGateway {
		b.Add(at.name(countBadGateway), 1)
	}
	if failure != nil {
		b.Add(at.name(countFailed), 1)
	} else {
		b.Time(at.name(timeLatency), p.end.Sub(p.due))
		b.Time(at.name(timeService), p.end.Sub(p.sent))
	}
	for i := range p.reply.Earlier {
		if p.reply.Earlier[i].Failed == pool.StageTCP {
			b.Add(at.name(countConnectRetries), 1)
		}
		at.exchange(b, &p.reply.Earlier[i], 0)
	}
	if p.reply.Exchange != nil {
		at.exchange(b, p.reply.Exchange, len(p.reply.Body))
	}
}

// exchange records what one pull did on the hop to the origin.
func (p *part) exchange(b results.Batch, x *pool.Exchange, body int) {
	b.Time(p.name(timeWait), x.Wait)
	if x.Failed == pool.StageNone || x.Failed == pool.StageHTTP {
		b.Add(p.name(countOrigin), 1)
		b.Add(p.name(countOriginBytes), int64(body))
		if x.Reused {
			b.Add(p.name(countReused), 1)
		}
	}
	if x.Trace == nil {
		return
	}
	b.Add(p.name(countConnects), 1)
	switch {
	case p.arm.Plaintext:
	case x.Failed == pool.StageTLS:
		b.Add(p.name(countHandshakeFailed), 1)
	case x.Trace.Resumed:
		b.Add(p.name(countHandshakeResumed), 1)
	default:
		b.Add(p.name(countHandshakeFull), 1)
	}
}

// hop is one edge and one origin, and what each counted of it in one trial.
type hop struct {
	whole  string // the arm's name
	arm    *Arm   // or the part of it that the origin has
	edge   *pool.Stats
	origin *origin.Counts
}

// hops are the arm's: one, or one to each of several origins.
func (t *armTrial) hops(arm *Arm) []hop {
	if len(t.origins) == 0 {
		return []hop{{arm.Name, arm, &t.edge.Total.Pool, t.origin}}
	}
	var all []hop
	for i, part := range arm.parts() {
		all = append(all, hop{arm.Name, &part, &t.edge.Total.Origins[i], &t.origins[i]})
	}
	return all
}

// foreign is how many requests the origin saw that cannot have been its own:
// those that it refused or had no object for, and those that the edge did not
// send it. net/http's pool sends again what nobody counts.
func (h *hop) foreign() int64 {
	n := h.origin.Denied + h.origin.Missing
	if h.arm.Settings.Edge.Pool.Kind != string(pool.NetHTTP) {
		n += max(0, h.origin.Requests-h.edge.Requests)
	}
	return n
}

// partFigures are what an arm's viewers got of each of several origins, and what
// the edge did towards it.
func (r *run) partFigures(x *Experiment, c *collected, arm *results.Arm) error {
	good, total := 0, 0.0
	foreign := make([]int64, len(c.arm.Settings.Origins))
	for i := range c.trials {
		t := &c.trials[i]
		if t.err != nil || len(t.origins) == 0 {
			continue
		}
		good++
		for j, h := range t.hops(c.arm) {
			foreign[j] += h.foreign()
		}
	}
	for i, p := range c.arm.parts() {
		at := results.Origin{Name: p.Part, Labels: r.settled(&p), Metrics: map[string]results.Value{}}
		prefix := partPrefix + p.Part + "."
		for label, value := range arm.Labels {
			if own, is := strings.CutPrefix(label, prefix); is {
				at.Labels[own] = value
				delete(arm.Labels, label)
			}
		}
		if good > 0 {
			total += float64(foreign[i])
			if err := c.partMetrics(x, &p, good, at.Metrics); err != nil {
				return fmt.Errorf("%s: %w", p.Part, err)
			}
			at.Metrics[results.MetricForeign] = results.NewValue(results.MetricForeign, float64(foreign[i]), good)
		}
		arm.Origins = append(arm.Origins, at)
	}
	if len(arm.Origins) == 0 {
		return nil
	}
	joinLabels(arm)
	if good > 0 {
		arm.Metrics[results.MetricForeign] = results.NewValue(results.MetricForeign, total, good)
	}
	return nil
}

// partMetrics fills the metrics of the part p from the trials that ended well.
func (c *collected) partMetrics(x *Experiment, p *Arm, good int, m map[string]results.Value) error {
	prefix := partPrefix + p.Part + "."
	own := map[string]int64{}
	for name, n := range c.merged.Counts {
		if of, is := strings.CutPrefix(name, prefix); is {
			own[of] = n
		}
	}
	counts := countMetrics(x, own, false)
	delete(counts, "requests.dropped") // nobody was asked for it
	if rate := counts["origin.requests"] / (x.Block * float64(good)); x.Block > 0 {
		predictReuse(p, rate, counts)
	}
	for name, v := range counts {
		m[name] = results.NewValue(name, v, good)
	}
	for _, times := range []string{timeLatency, timeService, timeWait} {
		encoded, have := c.merged.Histograms[prefix+times]
		if !have {
			continue
		}
		h, err := results.DecodeHistogram(encoded)
		if err != nil {
			return fmt.Errorf("histogram of %s: %w", times, err)
		}
		maps.Copy(m, results.Percentiles(times, h))
	}
	return nil
}

// joinLabels makes an arm's labels those of its origins: each value once. Servers
// of several kinds have their versions beside their names.
func joinLabels(arm *results.Arm) {
	join := func(label string, of func(o *results.Origin) string) {
		var all []string
		for i := range arm.Origins {
			if value := of(&arm.Origins[i]); value != "" && !slices.Contains(all, value) {
				all = append(all, value)
			}
		}
		delete(arm.Labels, label)
		if len(all) > 0 {
			arm.Labels[label] = strings.Join(all, " and ")
		}
	}
	for _, label := range []string{
		results.LabelServer, results.LabelServerVersion, results.LabelTLSLibrary, results.LabelTLSVersion, results.LabelGroup, results.LabelCipher,
		results.LabelKey, results.LabelResumption, results.LabelChainBytes, results.LabelIdleTimeout, results.LabelHelloRetry, "tickets", "protocol",
	} {
		join(label, func(o *results.Origin) string { return o.Labels[label] })
	}
	if strings.Contains(arm.Labels[results.LabelServer], " and ") {
		join(results.LabelServer, func(o *results.Origin) string {
			return o.Labels[results.LabelServer] + " " + o.Labels[results.LabelServerVersion]
		})
		delete(arm.Labels, results.LabelServerVersion)
	}
}
