package wire

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Link describes the path between edge and origin. Its zero value is the
// kernel's loopback. Not every kind can honour every field; one that cannot
// refuses it and names those that can.
type Link struct {
	// Kind is one of Kinds; "" is "netstack" as soon as a round-trip time,
	// jitter, loss, rate, queue or MTU is set, and "direct" otherwise.
	// NewModel takes "" as "model".
	Kind   string
	RTT    time.Duration // round-trip time, half of it each way
	Jitter time.Duration // each packet's one-way time differs by up to this, in order within its flow
	Loss   float64       // share of packets lost, per direction
	Rate   int64         // bits per second of IP packets, per direction; 0 = unlimited
	Queue  int           // bytes that wait for the rate; 0 = what passes in one RTT, at least 64 KiB
	MTU    int           // bytes; 0 = 1500
	Seed   uint64        // of loss and jitter

	// Of a model link alone:
	InitialWindow int // bytes in flight before the first acknowledgement; 0 = 10 × MSS (RFC 6928)
	MSS           int // bytes; 0 = MTU less IPv4, TCP and timestamps
}

const (
	defaultMTU = 1500
	minMTU     = 1280 // IPv6's least (RFC 8200, section 5)
	maxMTU     = 65535
	maxRTT     = 10 * time.Second
	minRate    = 8_000         // one packet of 1500 bytes takes 1.5 s
	maxRate    = 1_000_000_000 // what netstack and tun pass at the most: 0.9 to 1.4 Gbit/s on a core at 3 GHz
	minQueue   = 64 << 10
	headers    = 20 + 20 + 12 // IPv4, TCP, timestamps
)

// LinkProblem is one thing wrong with a Link.
type LinkProblem struct {
	Field   string // as a scenario spells it, below "link"
	Problem string // one clear sentence
}

// Error returns the sentence with its field.
func (p LinkProblem) Error() string { return "link." + p.Field + ": " + p.Problem }

// linkFields are those that not every kind honours. The seed is not among
// them: it changes nothing where nothing is drawn.
var linkFields = []struct {
	name string
	set  func(Link) bool
}{
	{"rtt", func(l Link) bool { return l.RTT != 0 }},
	{"jitter", func(l Link) bool { return l.Jitter != 0 }},
	{"loss", func(l Link) bool { return l.Loss != 0 }},
	{"rate", func(l Link) bool { return l.Rate != 0 }},
	{"queue", func(l Link) bool { return l.Queue != 0 }},
	{"mtu", func(l Link) bool { return l.MTU != 0 }},
	{"initialWindow", func(l Link) bool { return l.InitialWindow != 0 }},
	{"mss", func(l Link) bool { return l.MSS != 0 }},
}

// Resolved returns l with its kind and, for a kind of packets, with MTU and
// queue written out.
func (l Link) Resolved() Link {
	if l.Kind == "" {
		l.Kind = "direct"
		if len(l.asked()) > 0 {
			l.Kind = "netstack"
		}
	}
	if k, known := kindNamed(l.Kind); !known || !k.Packets {
		return l
	}
	if l.MTU == 0 {
		l.MTU = defaultMTU
	}
	if l.Rate > 0 && l.Queue == 0 {
		l.Queue = max(minQueue, int(float64(l.Rate)/8*l.RTT.Seconds()))
	}
	return l
}

// asked names the fields that are set and that a kind must honour.
func (l Link) asked() []string {
	var names []string
	for _, f := range linkFields {
		if f.set(l) {
			names = append(names, f.name)
		}
	}
	return names
}

// Problems returns everything that is wrong with l, in the order of its
// fields; whether this machine has the kind is for Open to say.
func (l Link) Problems() []LinkProblem {
	var problems []LinkProblem
	add := func(field, format string, args ...any) {
		problems = append(problems, LinkProblem{field, fmt.Sprintf(format, args...)})
	}
	kind, known := kindNamed(l.Resolved().Kind)
	if !known {
		add("kind", "unknown kind %q: use one of %s", l.Kind, strings.Join(Kinds(), ", "))
	}
	l.outOfRange(add)
	for _, field := range l.asked() {
		if known && !slices.Contains(kind.honours, field) {
			add(field, "a %s link has none: %s", kind.Name, l.advice())
		}
	}
	return problems
}

func (l Link) outOfRange(add func(field, format string, args ...any)) {
	if l.RTT < 0 || l.RTT > maxRTT {
		add("rtt", "%s is not between 0 and %s", l.RTT, maxRTT)
	}
	if l.Jitter < 0 || l.Jitter > l.RTT/2 && l.RTT >= 0 {
		add("jitter", "%s is not between 0 and half of the rtt, %s: a packet cannot arrive before it was sent", l.Jitter, l.RTT/2)
	}
	if !(l.Loss >= 0 && l.Loss < 1) {
		add("loss", "%v is not a share from 0 to below 1", l.Loss)
	}
	if l.Rate != 0 && l.Rate < minRate {
		add("rate", "%d bit/s is less than %d: use 0 for no limit", l.Rate, minRate)
	}
	if l.Rate > maxRate {
		add("rate", "%d bit/s are more than an emulated link carries, which is %d: use 0 for no limit, or direct without a distance", l.Rate, maxRate)
	}
	mtu := l.MTU
	switch {
	case mtu == 0:
		mtu = defaultMTU
	case mtu < minMTU || mtu > maxMTU:
		add("mtu", "%d bytes are not between %d and %d", mtu, minMTU, maxMTU)
	}
	switch {
	case l.Queue != 0 && l.Rate == 0:
		add("queue", "nothing waits on a link without a rate: set a rate, or leave the queue out")
	case l.Queue != 0 && l.Queue < mtu:
		add("queue", "%d bytes hold no packet of %d", l.Queue, mtu)
	}
	if l.InitialWindow < 0 {
		add("initialWindow", "%d bytes are negative", l.InitialWindow)
	}
	if l.MSS < 0 {
		add("mss", "%d bytes are negative", l.MSS)
	}
}

// advice names the kinds that honour all that l asks for.
func (l Link) advice() string {
	asked := l.asked()
	var able []string
	for _, k := range kinds {
		if !slices.ContainsFunc(asked, func(f string) bool { return !slices.Contains(k.honours, f) }) {
			able = append(able, k.Name)
		}
	}
	if len(able) == 0 {
		return "no kind has all of " + strings.Join(asked, ", ") + " at once"
	}
	return "use " + strings.Join(able, " or ")
}

// Validate returns all of Problems as one error.
func (l Link) Validate() error {
	var errs []error
	for _, p := range l.Problems() {
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}
