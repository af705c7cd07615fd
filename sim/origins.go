package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/scenarios"
)

// parts are the arm once for each of several origins, as if that were alone;
// none where there is one origin.
func (a *Arm) parts() []Arm {
	var parts []Arm
	for i := range a.Settings.Origins {
		p := *a
		p.Part, p.Settings = a.Settings.Origins[i].Name, a.Settings.At(i)
		p.Name = a.Name + "@" + p.Part
		_, p.Below = asks(&a.Settings.Origins[i])
		p.Policy, p.Policies = origin.Policy{}, nil
		if i < len(a.Policies) {
			p.Policy = a.Policies[i]
		}
		parts = append(parts, p)
	}
	return parts
}

// each is the arm's parts, or the arm.
func (a *Arm) each() []Arm {
	if parts := a.parts(); len(parts) > 0 {
		return parts
	}
	return []Arm{*a}
}

// host is the origin's name. Each of several has its own.
func (a *Arm) host() string {
	if a.Part == "" {
		return originHost
	}
	return a.Part + "." + originHost
}

// edgeName is the name in the edge's certificate. That which all customers of a
// CDN share names no origin.
func (a *Arm) edgeName() string {
	name := edgeNames[a.Settings.Edge.Identity]
	if a.Part == "" || a.Settings.Edge.Identity == "global" {
		return name
	}
	return a.Part + "." + name
}

// servers are those of the arm's origins, in order.
func (a *Arm) servers() []string {
	var all []string
	for _, part := range a.each() {
		all = append(all, part.Settings.Origin.Server)
	}
	return all
}

// withoutTLS makes of an arm the plain-TCP exchange of the same requests.
func (a *Arm) withoutTLS() {
	a.Plaintext = true
	a.Settings.Edge.Protocol, a.Settings.Edge.TLS.Early = string(pool.H1), false
	a.Settings.Origin.Strategies = []string{}
	a.Settings.Origin.Plant, a.Settings.Edge.Plant = scenarios.Plant{}, scenarios.Plant{}
	a.Policy = origin.Policy{Host: originHost}
	a.Settings.Origins = slices.Clone(a.Settings.Origins)
	a.Policies = nil
	for i := range a.Settings.Origins {
		o := &a.Settings.Origins[i]
		o.Edge.Protocol, o.Edge.TLS.Early = string(pool.H1), false
		o.Origin.Strategies = []string{}
	}
	for _, part := range a.parts() {
		a.Policies = append(a.Policies, origin.Policy{Host: part.host()})
	}
}

// matchOf is an origin's rule in the edge's terms.
func matchOf(o *scenarios.NamedOrigin) edge.Match {
	return edge.Match{Path: o.Match.Path, Host: o.Match.Host}
}

// anyHost is whom viewers ask for where no rule says so: a name that cannot be
// anybody's (RFC 6761).
const anyHost = "viewer.invalid"

// objectPath is below what objects are where no rule says so.
const objectPath = "/o/"

// asks is what viewers ask of one of several origins: the host, and below what
// path its objects are.
func asks(o *scenarios.NamedOrigin) (host, below string) {
	host, below = anyHost, objectPath
	if parent, wild := strings.CutPrefix(o.Match.Host, "*."); wild {
		host = "any." + parent
	} else if o.Match.Host != "" {
		host = o.Match.Host
	}
	if o.Match.Path != "" {
		below = strings.TrimSuffix(o.Match.Path, "*")
	}
	return host, below
}

// origins refuses rules that give an origin nothing, and viewers whose requests
// would be another's.
func (c *compiler) origins(e *scenarios.Experiment) {
	seen := map[string]bool{}
	for _, cell := range e.Cells() {
		for j := range cell.Origins {
			o := &cell.Origins[j]
			host, below := asks(o)
			for i := range j {
				earlier, rule, problem := &cell.Origins[i], matchOf(&cell.Origins[i]), ""
				switch {
				case rule.Covers(matchOf(o)):
					problem = fmt.Sprintf("%s gets no request: %s before it takes all that it matches; change their order, or a rule", o.Name, earlier.Name)
				case rule.Takes(host, below+"0"):
					problem = fmt.Sprintf("the viewers of %s ask for %s%s0 and so on, which are requests of %s before it; change their order, or a rule", o.Name, host, below, earlier.Name)
				default:
					continue
				}
				if !seen[o.Doc] {
					c.problem(o.Doc, "%s", problem)
				}
				seen[o.Doc] = true
			}
		}
	}
}

// wanted is what one viewer asks for.
type wanted struct {
	host   string // "": the only one there is
	path   string
	origin int // of several, the one whose object it is
}

// among draws the origin that the next viewer asks, by the origins' shares. It
// is independent of the object, so that arrivals at each are a Poisson process
// where they are one at all.
func among(origins []scenarios.NamedOrigin, seed uint64) func() int {
	until := make([]float64, len(origins))
	sum := 0.0
	for i := range origins {
		sum += origins[i].Share
		until[i] = sum
	}
	random := rand.New(rand.NewPCG(seed, 0x9fb21c651e98df25))
	return func() int {
		u := random.Float64() * sum
		return min(sort.Search(len(until), func(i int) bool { return until[i] > u }), len(until)-1)
	}
}

// asker says what viewers ask for, one after another.
type asker struct {
	*objects
	pick  func() int // nil: there is one origin
	hosts []string
	below []string
}

func newAsker(o *objects, origins []scenarios.NamedOrigin, seed uint64) *asker {
	a := &asker{objects: o}
	if len(origins) == 0 {
		return a
	}
	a.pick = among(origins, seed)
	for i := range origins {
		host, below := asks(&origins[i])
		a.hosts, a.below = append(a.hosts, host), append(a.below, below)
	}
	return a
}

// ask is what the next viewer asks for.
func (a *asker) ask() wanted {
	if a.pick == nil {
		return wanted{path: a.path()}
	}
	i, path := a.pick(), a.path()
	if below := a.below[i]; below != objectPath {
		path = below + strings.TrimPrefix(path, objectPath)
	}
	return wanted{a.hosts[i], path, i}
}
