package scenarios

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Distant reports whether there is anything between edge and origin but the
// loopback interface.
func (l *Link) Distant() bool { return l.Kind != "" && l.Kind != "direct" }

// settleLink writes the default of the kind, which depends on the rest.
func (s *Settings) settleLink() {
	l := &s.Link
	far := slices.ContainsFunc(s.Edge.Pops.Named, func(p Pop) bool { return p.RTT != 0 })
	if l.Kind != "" {
		return
	}
	l.Kind = "direct"
	if far || l.RTT != 0 || l.Jitter != 0 || l.Loss != 0 || l.Rate != 0 || l.Queue != 0 || l.MTU != 0 {
		l.Kind = "netstack"
	}
}

// settleLinks writes the kind of link of an experiment and its cells.
func (e *Experiment) settleLinks() {
	e.settleLink()
	for i := range e.cells {
		e.cells[i].settleLink()
	}
}

// distant reports whether any arm has a link with a distance: its experiment
// then reports no CPU, and its arms have long blocks.
func (e *Experiment) distant() bool {
	for i := range e.cells {
		if e.cells[i].Link.Distant() {
			return true
		}
	}
	return false
}

// WrittenBy returns the document path of the axis value that set a setting of
// the cell; false where no axis did.
func (c *Cell) WrittenBy(path string) (string, bool) {
	from, ok := c.from[path]
	return from, ok
}

// Bandwidth is a number of bits per second, written as 500kbit/s, 100Mbit/s
// or 1.5Gbit/s.
type Bandwidth int64

const bandwidthPattern = `^[0-9]+(\.[0-9]+)?[kMG]?bit/s$`

var (
	bandwidthForm  = regexp.MustCompile(bandwidthPattern)
	bandwidthUnits = []struct {
		prefix string
		bits   float64
	}{{"G", 1e9}, {"M", 1e6}, {"k", 1e3}, {"", 1}}
)

// String returns the bandwidth in the largest unit of which it is at least
// one.
func (b Bandwidth) String() string {
	for _, unit := range bandwidthUnits {
		if float64(b) >= unit.bits {
			return strconv.FormatFloat(float64(b)/unit.bits, 'f', -1, 64) + unit.prefix + "bit/s"
		}
	}
	return strconv.FormatInt(int64(b), 10) + "bit/s"
}

// MarshalText writes the form that UnmarshalText reads.
func (b Bandwidth) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads a number of bits per second.
func (b *Bandwidth) UnmarshalText(text []byte) error {
	s := string(text)
	if !bandwidthForm.MatchString(strings.TrimPrefix(s, "-")) {
		return fmt.Errorf("%s is not a bandwidth; write a number of bits per second: 500kbit/s or 100Mbit/s", quote(s))
	}
	number := strings.TrimSuffix(s, "bit/s")
	factor := 1.0
	for _, unit := range bandwidthUnits[:3] {
		if rest, found := strings.CutSuffix(number, unit.prefix); found {
			number, factor = rest, unit.bits
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || math.Abs(n*factor) > 1e18 {
		return fmt.Errorf("%s is more than any link carries; write a smaller number", quote(s))
	}
	*b = Bandwidth(math.Round(n * factor))
	return nil
}
