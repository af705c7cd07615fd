package scenarios

import (
	"fmt"
	"slices"
	"strings"
)

// combination is a set of settings that contradict each other. It is reported
// where the most specific of them was written.
type combination struct {
	paths []string
	wrong func(s *Settings) string // what is wrong and what to do, or ""
}

var combinations = slices.Concat(ends, poolKinds())

// ends are those of one end, the link or the workload.
var ends = []combination{
	{[]string{"workload.arrivals.rate", "workload.arrivals.model"}, func(s *Settings) string {
		if s.Workload.Arrivals.Model != "closed" || s.Workload.Arrivals.Rate == 0 {
			return ""
		}
		return "a rate needs an open model, but arrivals are closed; add model: poisson (or constant), or remove the rate"
	}},
	{[]string{"workload.arrivals.model", "workload.mode"}, func(s *Settings) string {
		if !s.Workload.Arrivals.Open() || slices.Contains([]string{"stages", "trace"}, s.Workload.Arrivals.Model) || s.Workload.Arrivals.Rate != 0 || s.Workload.Find.On() {
			return ""
		}
		return s.Workload.Arrivals.Model + " arrivals need a rate; add one to workload.arrivals, for example rate: 400/s"
	}},
	{[]string{"workload.arrivals.stages", "workload.arrivals.model", "workload.duration"}, stagesWrong},
	{[]string{"workload.arrivals.rate", "workload.arrivals.model"}, func(s *Settings) string {
		if s.Workload.Arrivals.Model != "stages" || s.Workload.Arrivals.Rate == 0 {
			return ""
		}
		return "stages have rates of their own; remove the rate, or use model: constant"
	}},
	{[]string{"workload.warmup", "workload.duration"}, func(s *Settings) string {
		if s.Workload.Warmup < s.Workload.Duration || s.Workload.Mode == "handshakes" || s.Workload.Find.On() { // whose warm-up is a few handshakes
			return ""
		}
		return fmt.Sprintf("the warm-up (%s) must be shorter than the duration (%s); shorten it or measure longer", s.Workload.Warmup, s.Workload.Duration)
	}},
	{[]string{"workload.find.from", "workload.find.to"}, fromBelowTo},
	{[]string{"workload.arrivals.model", "workload.find.slo"}, findIsOpen},
	{[]string{"workload.arrivals.rate", "workload.find.slo"}, findHasNoRate},
	{[]string{"workload.find.step", "workload.find.from"}, findStepHolds},
	{[]string{"workload.warmup", "workload.find.step"}, findWarmsUp},
	{[]string{"workload.objects.model", "workload.objects.trace"}, func(s *Settings) string {
		if s.Workload.Objects.Model != "trace" || s.Workload.Objects.Trace != "" {
			return ""
		}
		return "the trace model needs a trace; add trace: " + strings.Join(Traces(), " or ") + ", or a file of your own"
	}},
	{[]string{"workload.objects.trace"}, traceKnown},
	{[]string{"workload.arrivals.model", "workload.arrivals.rate", "workload.arrivals.speed", "workload.objects.model", "workload.objects.trace"}, replayWrong},
	{[]string{"edge.tls.group", "edge.tls.version"}, func(s *Settings) string {
		if s.Edge.TLS.Group != "x25519mlkem768" || s.Edge.TLS.Version != "1.2" {
			return ""
		}
		return hybridNeeds13 + ", but edge.tls.version is 1.2; choose x25519 or p256, or TLS 1.3 only"
	}},
	{[]string{"edge.tls.helloRetry", "edge.tls.version", "edge.tls.group"}, func(s *Settings) string {
		tls := s.Edge.TLS
		switch {
		case !tls.HelloRetry:
			return ""
		case tls.Version != "1.3":
			return "a HelloRetryRequest exists only in TLS 1.3, but edge.tls.version is " + tls.Version + "; choose 1.3, or helloRetry: false"
		case tls.Group != "p256":
			return "a HelloRetryRequest can be forced only with the group p256, because a key share for x25519 is sent first, but edge.tls.group is " + tls.Group + "; choose p256, or helloRetry: false"
		}
		return ""
	}},
	{[]string{"edge.tls.resumption", "origin.tickets"}, func(s *Settings) string {
		if !s.Edge.TLS.Resumption || s.Origin.Tickets {
			return ""
		}
		return "resumption needs session tickets, but origin.tickets is false; switch them on, or resumption off"
	}},
	{[]string{"origin.certificate.bytes", "origin.certificate.chain"}, func(s *Settings) string {
		c := s.Origin.Certificate
		if least := ByteSize(c.Chain) * leastCertificate; c.Bytes != 0 && c.Bytes < least {
			return fmt.Sprintf("a chain of %d padded to %s is too small: use at least %s (1280 bytes for each certificate), or 0 to leave it as it comes", c.Chain, c.Bytes, least)
		}
		return ""
	}},
	{[]string{"origin.certificate.bytes", "edge.tls.resumption", "origin.strategies"}, func(s *Settings) string {
		if !s.Edge.TLS.Resumption || s.Origin.Certificate.Bytes <= mostResumed || !slices.Contains(s.Origin.Strategies, "mtls") {
			return ""
		}
		return fmt.Sprintf("a session ticket carries the client's chain and cannot be larger than 64KiB, so that %s with mtls cannot be resumed; use at most %s, or resumption: false",
			s.Origin.Certificate.Bytes, ByteSize(mostResumed))
	}},
	{[]string{"origin.plant.cpu", "origin.server"}, func(s *Settings) string {
		if s.Origin.Plant.CPU == 0 || s.Origin.Server == "builtin" {
			return ""
		}
		return s.Origin.Server + " cannot be made to burn CPU on top of its own; plant only at server: builtin, or at the edge (edge.plant.cpu)"
	}},
	{[]string{"workload.pairs", "workload.trials"}, func(s *Settings) string {
		if s.Workload.Pairs == 0 || s.Workload.Pairs >= s.Workload.Trials {
			return ""
		}
		return fmt.Sprintf("%d pairs are fewer than %d trials, of which some would measure nothing; ask for more pairs or fewer trials", s.Workload.Pairs, s.Workload.Trials)
	}},
	{[]string{"workload.pairs", "workload.mode"}, func(s *Settings) string {
		if s.Workload.Pairs == 0 || s.Workload.Mode == "handshakes" {
			return ""
		}
		return "pairs of blocks exist in handshakes mode only; remove pairs, or choose mode: handshakes"
	}},
	{[]string{"workload.requests"}, requestsWrong},
	{[]string{"edge.protocol", "edge.tls.version"}, func(s *Settings) string {
		if s.Edge.Protocol != "h3" || s.Edge.TLS.Version != "1.2" {
			return ""
		}
		return "h3 runs over QUIC, which has no TLS 1.2, but edge.tls.version is 1.2; choose h1, or TLS 1.3"
	}},
	{[]string{"edge.tls.early", "edge.protocol"}, func(s *Settings) string {
		if !s.Edge.TLS.Early || s.Edge.Protocol == "h3" {
			return ""
		}
		return "0-RTT needs h3, but edge.protocol is " + s.Edge.Protocol + ": crypto/tls has none over TCP; choose h3, or remove early"
	}},
	{[]string{"edge.tls.early", "edge.tls.resumption"}, func(s *Settings) string {
		if !s.Edge.TLS.Early || s.Edge.TLS.Resumption {
			return ""
		}
		return "0-RTT is sent under an earlier session's key, but edge.tls.resumption is false; add resumption: true, or remove early"
	}},
	{[]string{"workload.controls", "workload.mode"}, func(s *Settings) string {
		if s.Workload.Controls || s.Workload.Mode != "handshakes" {
			return ""
		}
		return "CPU per handshake is net of the baseline and held against the A/A double; remove controls: false, or use mode: requests"
	}},
	{[]string{"edge.workers", "edge.servers"}, func(s *Settings) string {
		if s.Edge.Workers == 0 || s.Edge.Workers >= s.Edge.Servers {
			return ""
		}
		return fmt.Sprintf("%d workers cannot run on %d servers; give every server at least one, or 0 for one each", s.Edge.Workers, s.Edge.Servers)
	}},
	{[]string{"edge.shield.capacity", "edge.shield.enabled"}, func(s *Settings) string {
		if s.Edge.Shield.Enabled || s.Edge.Shield.Capacity == 0 {
			return ""
		}
		return "a shield's cache needs a shield; add enabled: true, or remove the capacity"
	}},
	{[]string{"origin.refusesAfter"}, refusalWrong},
	{[]string{"edge.shield.age", "edge.shield.enabled"}, func(s *Settings) string {
		if s.Edge.Shield.Enabled || s.Edge.Shield.Age {
			return ""
		}
		return "a shield that hides the age of its answers needs a shield; add enabled: true, or remove age"
	}},
	{[]string{"origin.response", "origin.server"}, objectsWrong},
	{[]string{"workload.objects.oneHit", "workload.objects.model"}, func(s *Settings) string {
		if s.Workload.Objects.Model == "zipf" || s.Workload.Objects.OneHit == 0 {
			return ""
		}
		return "objects asked for once belong to the zipf model, but the model is " + s.Workload.Objects.Model + "; choose zipf, or remove oneHit"
	}},
	{[]string{"workload.objects.hits", "workload.objects.model"}, func(s *Settings) string {
		if s.Workload.Objects.Model == "mix" || s.Workload.Objects.Hits == 0 {
			return ""
		}
		return "hits belong to the mix model, but the model is " + s.Workload.Objects.Model + "; choose mix, or remove hits"
	}},
	{[]string{"edge.pool.prewarm", "edge.pool.reuse"}, func(s *Settings) string {
		if s.Edge.Pool.Prewarm == 0 || s.Edge.Pool.Reuse || s.Workload.Mode == "handshakes" {
			return ""
		}
		return "connections made beforehand are connections kept, but edge.pool.reuse is false; use reuse: true, or prewarm: 0"
	}},
	{[]string{"edge.pool.prewarm", "edge.pool.maxConnections"}, func(s *Settings) string {
		if p := s.Edge.Pool; p.MaxConnections == 0 || p.Prewarm <= p.MaxConnections {
			return ""
		}
		return fmt.Sprintf("there is room for %d connections only; use a prewarm of at most that, or a larger maxConnections", s.Edge.Pool.MaxConnections)
	}},
	{[]string{"edge.pool.prewarm", "workload.mode"}, func(s *Settings) string {
		if s.Edge.Pool.Prewarm == 0 || s.Workload.Mode != "handshakes" {
			return ""
		}
		return "handshakes mode measures making connections, one at a time; use mode: requests, or prewarm: 0"
	}},
	{[]string{"origin.include", "origin.server"}, func(s *Settings) string {
		if s.Origin.Include == "" || s.Origin.Server != "builtin" {
			return ""
		}
		return "the built-in origin has no configuration file to include " + show(s.Origin.Include) + " in; remove it, or choose server: nginx, apache or haproxy"
	}},
	{[]string{"origin.idleTimeout", "origin.server"}, func(s *Settings) string {
		if s.Origin.IdleTimeout == 0 || s.Origin.Server == "builtin" {
			return ""
		}
		return "idle connections of " + s.Origin.Server + " are kept as long as its driver says; remove idleTimeout, or choose server: builtin"
	}},
	{[]string{"workload.method", "origin.server"}, func(s *Settings) string {
		if m := s.Workload.Method; s.Origin.Server == "builtin" || m == "GET" || m == "HEAD" {
			return ""
		}
		return fmt.Sprintf("the objects of %s are files, which take no %s; choose method: GET, or server: builtin", s.Origin.Server, s.Workload.Method)
	}},
	{[]string{"origin.header.name"}, func(s *Settings) string {
		if !slices.Contains(reservedHeaders, strings.ToLower(s.Origin.Header.Name)) {
			return ""
		}
		return show(s.Origin.Header.Name) + " has a meaning of its own in HTTP or here; choose another name, such as X-Origin-Verify"
	}},
	{[]string{"edge.tls.unasked", "edge.tls.early"}, func(s *Settings) string {
		if !s.Edge.TLS.Early || s.Edge.TLS.Unasked != "fail" {
			return ""
		}
		return "a request in 0-RTT is sent before the origin can ask for a certificate; choose unasked: continue, or remove early"
	}},
}

const (
	// leastCertificate is more than any certificate of the lab needs, with any
	// key type.
	leastCertificate = 1280
	// mostResumed leaves room in a ticket for the authorities' certificates,
	// which it carries beside the client's chain.
	mostResumed = 48 << 10
)

const hybridNeeds13 = "the group x25519mlkem768 exists only in TLS 1.3"

// reservedHeaders cannot carry a secret without breaking the request.
var reservedHeaders = []string{
	"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer",
	"transfer-encoding", "upgrade", "x-origin-proof",
}

// combinations reports what contradicts itself in an experiment.
func (d *decoder) combinations(e *Experiment) {
	if e.Bypass != nil {
		d.bypassCombinations(e)
		return
	}
	d.settleRate(e)
	cells := slices.Concat(e.cells, e.originCells())
	for _, c := range combinations {
		for i := range cells {
			cell := &cells[i]
			message := c.wrong(&cell.Settings)
			if message == "" || d.bad(d.written(e, cell, c.paths)...) {
				continue
			}
			d.report(d.mostSpecific(e, cell, c.paths), message)
			break
		}
	}
}

func (d *decoder) bypassCombinations(e *Experiment) {
	path := joinPath(e.prefix, "bypass")
	if len(e.Compare) > 0 {
		d.report(joinPath(e.prefix, "compare"), "a bypass experiment has no axes; remove compare, and list TLS versions in bypass.tls and strategies in bypass.strategies")
	}
	if e.Edge.TLS.Group == "x25519mlkem768" && slices.Contains(e.Bypass.TLS, "1.2") {
		d.report(path+".tls", hybridNeeds13+", but 1.2 is in this list; choose x25519 or p256, or TLS 1.3 only")
	}
}

// settleRate drops a rate that an experiment inherited and whose model it, a
// --set or an axis then closed, or which then searches for one: nothing else
// could take it away.
func (d *decoder) settleRate(e *Experiment) {
	drop := func(cell *Cell, s *Settings) {
		rate := d.layerOf(e, cell, "workload.arrivals.rate")
		if a := s.Workload.Arrivals; (a.Model == "closed" || a.Model == "stages" || a.Model == "trace" && IsTraceFile(s.Workload.Objects.Trace)) && rate < d.layerOf(e, cell, "workload.arrivals.model") {
			s.Workload.Arrivals.Rate = 0
		}
		if s.Workload.Find.On() && rate < d.layerOf(e, cell, "workload.find.slo") {
			s.Workload.Arrivals.Rate = 0
		}
	}
	drop(&Cell{}, &e.Settings)
	for i := range e.cells {
		drop(&e.cells[i], &e.cells[i].Settings)
	}
}

// written returns the paths at which settings of a cell may have been written.
func (d *decoder) written(e *Experiment, cell *Cell, paths []string) []string {
	var all []string
	for _, path := range paths {
		all = append(all, path, joinPath(e.prefix, path))
		if from, ok := cell.from[path]; ok {
			all = append(all, from)
		}
		// A misspelt neighbour may be what was meant.
		group := path[:strings.LastIndexByte(path, '.')]
		if strings.Count(group, ".") > 0 {
			all = append(all, group, joinPath(e.prefix, group))
		}
	}
	return all
}

func (d *decoder) layerOf(e *Experiment, cell *Cell, path string) layer {
	if _, ok := cell.from[path]; ok {
		return layerAxis
	}
	if at, ok := d.places[joinPath(e.prefix, path)]; ok {
		return at.layer
	}
	return d.places[path].layer
}

// mostSpecific returns the document path of the setting with the latest layer,
// the first of several.
func (d *decoder) mostSpecific(e *Experiment, cell *Cell, paths []string) string {
	best := slices.MaxFunc(paths, func(a, b string) int {
		return int(d.layerOf(e, cell, a)) - int(d.layerOf(e, cell, b))
	})
	return d.writtenAt(e, cell, best)
}

// writtenAt returns the document path at which a cell's setting was written,
// or where it would be.
func (d *decoder) writtenAt(e *Experiment, cell *Cell, path string) string {
	if from, ok := cell.from[path]; ok {
		return from
	}
	if _, ok := d.places[joinPath(e.prefix, path)]; !ok {
		if _, ok := d.places[path]; ok {
			return path
		}
	}
	return joinPath(e.prefix, path)
}
