package results

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// unit is a scale on a dimension: only units of one dimension convert.
type unit struct {
	dimension string
	scale     float64 // of the dimension's smallest unit
}

var units = map[string]unit{
	"ns": {"time", 1}, "us": {"time", 1e3}, "µs": {"time", 1e3}, "ms": {"time", 1e6}, "s": {"time", 1e9}, "min": {"time", 60e9},
	"B": {"size", 1}, "KiB": {"size", 1 << 10}, "MiB": {"size", 1 << 20}, "GiB": {"size", 1 << 30},
	"%": {"share", 1}, "ratio": {"share", 100},
	"/s":                {"rate", 1},
	"rtt":               {"round trips", 1},
	"flights":           {"flights", 1},
	"count":             {"count", 1},
	"per 1000 requests": {"per 1000 requests", 1},
}

// convert turns a value of one unit into another of the same dimension.
func convert(value float64, from, to string) (float64, error) {
	if from == "" || from == to {
		return value, nil
	}
	f, fromKnown := units[from]
	t, toKnown := units[to]
	if !fromKnown {
		return 0, fmt.Errorf("unknown unit %q: use one of %s", from, strings.Join(unitNames(), ", "))
	}
	if !toKnown || f.dimension != t.dimension {
		return 0, fmt.Errorf("unit %q does not fit a value in %q", from, to)
	}
	if f.scale >= t.scale {
		return value * (f.scale / t.scale), nil
	}
	// Dividing keeps 95 % exactly 0.95; multiplying by 0.01 does not.
	return value / (t.scale / f.scale), nil
}

// sameDimension reports whether values of the two units may be compared.
func sameDimension(a, b string) bool {
	return a == b || units[a].dimension != "" && units[a].dimension == units[b].dimension
}

// unitNames returns what may be written behind a number.
func unitNames() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(units)), func(s string) bool { return strings.Contains(s, " ") })
}
