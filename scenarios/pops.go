package scenarios

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Pops are the points of presence: so many of one kind, or each with a
// distance of its own.
type Pops struct {
	Count int
	Named []Pop // as many as Count, or none
}

// Pop is one point of presence.
type Pop struct {
	Name string   `yaml:"name" json:"name" required:"true" pattern:"name" doc:"The name of the point of presence."`
	RTT  Duration `yaml:"rtt" json:"rtt" required:"true" min:"0s" max:"10s" doc:"Its round-trip time to the origin, in place of link.rtt."`
}

// String is the point of presence as arms show it.
func (p Pop) String() string { return p.Name + ":" + p.RTT.String() }

const (
	mostPops  = 1000
	mostNamed = 64
)

// decodeNode reads a number or a list.
func (p *Pops) decodeNode(d *decoder, n *yaml.Node, at spot) {
	if n.Kind != yaml.SequenceNode {
		before := len(d.problems)
		count := reflect.New(reflect.TypeFor[int]()).Elem()
		d.number(n, count, at)
		if len(d.problems) == before {
			*p = Pops{Count: int(count.Int())}
		}
		return
	}
	var named []Pop
	at.items = 1
	at.min, at.max = "", ""
	d.list(n, reflect.ValueOf(&named).Elem(), at)
	seen := map[string]bool{}
	for i, pop := range named {
		if seen[pop.Name] && pop.Name != "" {
			d.report(fmt.Sprintf("%s[%d]", at.path, i), quote(pop.Name)+" stands twice in this list; give each its own name")
		}
		seen[pop.Name] = true
	}
	if len(named) > mostNamed {
		d.report(at.path, fmt.Sprintf("%d points of presence with a distance each are more than %d; list fewer", len(named), mostNamed))
		return
	}
	*p = Pops{Count: len(named), Named: named}
}

// MarshalText is the points of presence as arms show them.
func (p Pops) MarshalText() ([]byte, error) {
	if len(p.Named) == 0 {
		return fmt.Append(nil, p.Count), nil
	}
	names := make([]string, len(p.Named))
	for i, pop := range p.Named {
		names[i] = pop.String()
	}
	return []byte(strings.Join(names, "+")), nil
}

// MarshalJSON writes a number or a list, as in the document.
func (p Pops) MarshalJSON() ([]byte, error) {
	if len(p.Named) == 0 {
		return json.Marshal(p.Count)
	}
	return json.Marshal(p.Named)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *Pops) UnmarshalJSON(text []byte) error {
	*p = Pops{}
	if len(text) == 0 || text[0] != '[' {
		return json.Unmarshal(text, &p.Count)
	}
	err := json.Unmarshal(text, &p.Named)
	p.Count = len(p.Named)
	return err
}

// Distances returns the round-trip time of every path to the origin: one for
// each named point of presence, or the link's alone.
func (s *Settings) Distances() []time.Duration {
	if len(s.Edge.Pops.Named) == 0 {
		return []time.Duration{time.Duration(s.Link.RTT)}
	}
	var all []time.Duration
	for _, pop := range s.Edge.Pops.Named {
		all = append(all, time.Duration(pop.RTT))
	}
	return all
}
