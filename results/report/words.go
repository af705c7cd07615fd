package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/originpull/originpull/results"
)

// nothing stands where a number was not measured.
const nothing = "–"

// thousands prints a whole number in groups of three.
func thousands(v float64) string {
	digits := strconv.FormatFloat(math.Abs(math.Round(v)), 'f', 0, 64)
	var groups []string
	for len(digits) > 3 {
		groups = append([]string{digits[len(digits)-3:]}, groups...)
		digits = digits[:len(digits)-3]
	}
	text := strings.Join(append([]string{digits}, groups...), ",")
	if v <= -0.5 {
		return "-" + text
	}
	return text
}

// plural is a count with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(float64(n)) + " " + many
}

// significant prints three significant digits, no exponent.
func significant(v float64) string {
	switch size := math.Abs(v); {
	case v == 0:
		return "0"
	case size >= 99.95:
		return thousands(v)
	case size >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case size >= 0.9995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// percent never rounds to all or nothing what is neither.
func percent(share float64) string {
	switch v := share * 100; {
	case v > 99.95 && v < 100:
		return ">99.9 %"
	case v > 0 && v < 0.05:
		return "<0.1 %"
	default:
		return strconv.FormatFloat(v, 'f', 1, 64) + " %"
	}
}

// measure prints a value in its unit.
func measure(v float64, unit string) string {
	switch unit {
	case "count":
		return thousands(v)
	case "ratio":
		return percent(v)
	case "per 1000 requests":
		return significant(v)
	case "us":
		if v >= 10 {
			return thousands(v) + " us"
		}
	case "B", "rtt", "flights":
		if v != math.Trunc(v) {
			return significant(v) + " " + unit
		}
		return thousands(v) + " " + unit
	}
	return significant(v) + " " + unit
}

// show prints a metric of an arm: an exact one that was not always the same
// as a range, a missing one as nothing.
func show(a *results.Arm, metric string) string {
	v, has := a.Metrics[metric]
	if !has || v.N <= 0 {
		return nothing
	}
	if v.Kind == results.Exact && v.HasInterval() && v.Low != v.High {
		return thousands(v.Low) + "–" + measure(v.High, v.Unit)
	}
	return measure(v.Value, v.Unit)
}

// value returns a metric of an arm, or 0.
func value(a *results.Arm, metric string) float64 { return a.Metrics[metric].Value }

// seconds prints a duration for a person.
func seconds(s float64) string {
	switch {
	case s < 1:
		return strconv.FormatFloat(s*1000, 'g', 3, 64) + " ms"
	case s < 120:
		return strconv.FormatFloat(s, 'g', 3, 64) + " s"
	}
	return fmt.Sprintf("%d min %d s", int(s)/60, int(s)%60)
}

// axisNames returns the axes of an arm as its name lists them, which is the
// order of the scenario.
func axisNames(a *results.Arm) []string {
	names := slices.Sorted(maps.Keys(a.Axes))
	at := func(axis string) int {
		if i := strings.Index(a.Name, axis+"="); i >= 0 {
			return i
		}
		return len(a.Name)
	}
	slices.SortStableFunc(names, func(x, y string) int { return at(x) - at(y) })
	return names
}

// axisWords names an axis as a person would: the last part of a path.
func axisWords(axis string) string {
	switch axis {
	case "edge.tls.version":
		return "TLS"
	case "auth", "exchange", "edge.tls.group", "edge.tls.resumption", "origin.certificate.key":
		return ""
	case "origin.certificate.bytes":
		return "chain"
	case "edge.pool.reuse":
		return "pool reuse"
	case "edge.cache.capacity":
		return "cache"
	}
	return axis[strings.LastIndexByte(axis, '.')+1:]
}

// valueWords names a value of an axis as a person would.
func valueWords(axis, value string) string {
	switch {
	case axis == "auth" && value == "mtls":
		return "mTLS"
	case axis == "auth" && value == "server":
		return "server-auth"
	case axis == "origin.certificate.bytes" && value == "0B":
		return "unpadded"
	case axis == "edge.tls.resumption" && value == "true":
		return "resumed"
	case axis == "edge.tls.resumption" && value == "false":
		return "full"
	case value == "true":
		return "on"
	case value == "false", axis == "edge.cache.capacity" && value == "0":
		return "off"
	}
	return value
}

func setting(axis, value string) string {
	return strings.TrimSpace(axisWords(axis) + " " + valueWords(axis, value))
}

// armWords names an arm within its experiment.
func armWords(r *results.Result, a *results.Arm) string {
	switch a.Role {
	case results.RoleBaseline:
		return "plain TCP (baseline)"
	case results.RoleAA:
		if twin := r.Arm(a.Doubles); twin != nil {
			return armWords(r, twin) + " again (A/A)"
		}
		return "the same arm again (A/A)"
	case results.RoleArm:
	}
	if words := settings(a, ""); words != "" {
		return words + planted(a)
	}
	return a.Name + planted(a)
}

// planted says that an arm burns CPU on purpose, so that nobody takes it for a
// cost of anything.
func planted(arms ...*results.Arm) string {
	for _, a := range arms {
		if text := a.Labels[results.LabelPlanted]; text != "" {
			return " (planted " + text + ")"
		}
	}
	return ""
}

// settings lists the axes of an arm except one.
func settings(a *results.Arm, without string) string {
	var parts []string
	for _, axis := range axisNames(a) {
		if axis != without {
			parts = append(parts, setting(axis, a.Axes[axis]))
		}
	}
	return strings.Join(parts, ", ")
}

// pairWords says what is divided by what.
func pairWords(r *results.Result, p *results.Pair) string {
	a, b := r.Arm(p.A), r.Arm(p.B)
	if a == nil || b == nil {
		return p.A + " ÷ " + p.B
	}
	if p.Role == results.PairAA {
		return "the same arm twice: " + armWords(r, b)
	}
	if p.Axis == "" {
		return armWords(r, a) + " ÷ " + armWords(r, b)
	}
	text := setting(p.Axis, a.Axes[p.Axis]) + " ÷ " + valueWords(p.Axis, b.Axes[p.Axis])
	if rest := settings(a, p.Axis); rest != "" {
		text += ", " + rest
	}
	return text + planted(a, b)
}
