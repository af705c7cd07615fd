package scenarios

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The written forms of the units. JSON Schema uses them as they are; the
// parsers also read a leading minus, so that a negative value is reported as
// out of range and not as gibberish.
const (
	durationPattern = `^(0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$`
	byteSizePattern = `^[0-9]+(B|kB|MB|GB|KiB|MiB|GiB)?$`
	ratePattern     = `^[0-9]+(\.[0-9]+)?/(s|m|h)$`
	percentPattern  = `^[0-9]+(\.[0-9]+)?%$`
)

var (
	durationForm = regexp.MustCompile(durationPattern)
	byteSizeForm = regexp.MustCompile(byteSizePattern)
	rateForm     = regexp.MustCompile(ratePattern)
	percentForm  = regexp.MustCompile(percentPattern)
)

// Duration is a time span, written as a number with a unit: 300ms, 5s, 1m30s.
type Duration time.Duration

// String returns the shortest form that reads back as the same duration.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText writes the form that UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a number with a unit. A bare 0 needs none.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	parsed, err := time.ParseDuration(s)
	if err != nil || !durationForm.MatchString(strings.TrimPrefix(s, "-")) {
		return fmt.Errorf("%s is not a duration; write a number with a unit: 300ms, 5s or 2m", quote(s))
	}
	*d = Duration(parsed)
	return nil
}

// ByteSize is a number of bytes, written as 512, 1KiB, 64MiB or 1MB.
type ByteSize int64

// byteUnits is ordered so that String finds the largest unit first.
var byteUnits = []struct {
	suffix string
	size   int64
}{
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"B", 1},
}

// String returns the size in the largest binary unit that holds it exactly.
func (b ByteSize) String() string {
	for _, unit := range byteUnits[:3] {
		if b != 0 && int64(b)%unit.size == 0 {
			return strconv.FormatInt(int64(b)/unit.size, 10) + unit.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// MarshalText writes the form that UnmarshalText reads.
func (b ByteSize) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads a whole number with a unit; without one it means bytes.
func (b *ByteSize) UnmarshalText(text []byte) error {
	s := string(text)
	if !byteSizeForm.MatchString(strings.TrimPrefix(s, "-")) {
		return fmt.Errorf("%s is not a size; write 512B, 1KiB or 64MiB", quote(s))
	}
	number, size := s, int64(1)
	for _, unit := range byteUnits {
		if rest, found := strings.CutSuffix(s, unit.suffix); found {
			number, size = rest, unit.size
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > math.MaxInt64/size || n < math.MinInt64/size {
		return fmt.Errorf("%s is more bytes than fit in 63 bits; write a smaller size", quote(s))
	}
	*b = ByteSize(n * size)
	return nil
}

// Rate is a number of events per second, written as 500/s, 30/m or 10/h.
type Rate float64

// String returns the rate per second, for example 0.5/s for 30/m.
func (r Rate) String() string {
	return strconv.FormatFloat(float64(r), 'f', -1, 64) + "/s"
}

// MarshalText writes the form that UnmarshalText reads.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a number, a slash and one of s, m and h.
func (r *Rate) UnmarshalText(text []byte) error {
	s := string(text)
	number, unit, _ := strings.Cut(s, "/")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !rateForm.MatchString(strings.TrimPrefix(s, "-")) {
		return fmt.Errorf("%s is not a rate; write a number and a time: 500/s or 30/m", quote(s))
	}
	*r = Rate(n / map[string]float64{"s": 1, "m": 60, "h": 3600}[unit])
	return nil
}

// Percent is a share, written as 5% for 0.05.
type Percent float64

// String returns the share with its sign, for example 2.5%.
func (p Percent) String() string { return strconv.FormatFloat(float64(p)*100, 'g', 12, 64) + "%" }

// MarshalText writes the form that UnmarshalText reads.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a number and a percent sign.
func (p *Percent) UnmarshalText(text []byte) error {
	s := string(text)
	number, _ := strings.CutSuffix(s, "%")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !percentForm.MatchString(strings.TrimPrefix(s, "-")) {
		return fmt.Errorf("%s is not a share; write a number and a percent sign: 5%%", quote(s))
	}
	*p = Percent(n / 100)
	return nil
}
