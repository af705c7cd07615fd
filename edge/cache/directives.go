package cache

import (
	"math"
	"strings"
	"time"
)

// maxDelta caps ages and lifetimes that do not fit (RFC 9111, 1.2.2: 2^31).
const maxDelta = math.MaxInt32 * time.Second

// directives is what a shared cache reads in a Cache-Control field of a
// request or a response. Unknown directives leave no trace.
type directives struct {
	noStore, noCache, private, public, mustRevalidate bool
	proxyRevalidate, mustUnderstand, onlyIfCached     bool

	// noCacheFields and privateFields are the comma-separated fields that a
	// qualified no-cache or private is about; the flags above are for the
	// unqualified ones.
	noCacheFields, privateFields string

	// Spans are absent when negative. A value that is no number counts as 0,
	// and of several values the least: stale, never fresh.
	maxAge, sMaxAge, whileRevalidate, ifError, minFresh time.Duration
	// maxStale is what a request tolerates beyond freshness; without a value,
	// maxDelta. Absent, and for a value that is no number, it is 0.
	maxStale time.Duration
	// malformed: the field does not follow the grammar, so that nothing it
	// seems to allow may be relied on.
	malformed bool
}

// unsaid are the directives of a message without any.
var unsaid = directives{maxAge: -1, sMaxAge: -1, whileRevalidate: -1, ifError: -1, minFresh: -1}

// parseCacheControl reads the values of a Cache-Control field. It never fails:
// whatever is doubtful is read the stricter way.
func parseCacheControl(values []string) directives {
	d := unsaid
	for _, value := range values {
		d.parse(value)
	}
	return d
}

// parse reads #( token [ "=" ( token / quoted-string ) ] ), RFC 9111, 5.2.
// Optional space stands around commas only, not around "=".
func (d *directives) parse(rest string) {
	for {
		rest = strings.TrimLeft(rest, " \t,") // empty elements are allowed
		if rest == "" {
			return
		}
		end := tokenLength(rest)
		name := strings.ToLower(rest[:end])
		rest = rest[end:]
		argument, present := "", false
		if strings.HasPrefix(rest, "=") {
			var ok bool
			argument, rest, ok = parseArgument(rest[1:])
			d.malformed = d.malformed || !ok
			present = true
		}
		d.apply(name, argument, present)
		rest = strings.TrimLeft(rest, " \t")
		if name == "" || rest != "" && rest[0] != ',' {
			// Go on after the next comma: a no-store behind the damage counts.
			d.malformed = true
			comma := strings.IndexByte(rest, ',')
			if comma < 0 {
				return
			}
			rest = rest[comma:]
		}
	}
}

func (d *directives) apply(name, argument string, present bool) {
	switch name {
	case "no-cache":
		qualify(&d.noCache, &d.noCacheFields, argument)
	case "private":
		qualify(&d.private, &d.privateFields, argument)
	case "max-age":
		d.maxAge = stricter(d.maxAge, argument)
	case "s-maxage":
		d.sMaxAge = stricter(d.sMaxAge, argument)
	case "stale-while-revalidate":
		d.whileRevalidate = stricter(d.whileRevalidate, argument)
	case "stale-if-error":
		d.ifError = stricter(d.ifError, argument)
	case "min-fresh":
		d.minFresh = stricter(d.minFresh, argument)
	case "max-stale":
		d.maxStale, _ = parseDelta(argument)
		if !present {
			d.maxStale = maxDelta
		}
	case "no-store": // with an argument too, to be on the safe side
		d.noStore = true
	default:
		if !present { // with an argument it would be another, unknown directive
			d.flag(name)
		}
	}
}

func (d *directives) flag(name string) {
	switch name {
	case "public":
		d.public = true
	case "must-revalidate":
		d.mustRevalidate = true
	case "proxy-revalidate":
		d.proxyRevalidate = true
	case "must-understand":
		d.mustUnderstand = true
	case "only-if-cached":
		d.onlyIfCached = true
	}
}

// qualify takes in a directive that is about the fields it lists or, without
// a list that holds together, about the whole response.
func qualify(whole *bool, fields *string, argument string) {
	listed := false
	for field := range strings.SplitSeq(argument, ",") {
		field = strings.Trim(field, " \t")
		if field == "" {
			continue
		}
		if tokenLength(field) != len(field) {
			*whole = true
			return
		}
		if *fields != "" {
			*fields += ","
		}
		*fields += field
		listed = true
	}
	*whole = *whole || !listed
}

func stricter(known time.Duration, argument string) time.Duration {
	value, ok := parseDelta(argument)
	if !ok {
		return 0
	}
	if known >= 0 {
		return min(known, value)
	}
	return value
}

// parseDelta reads delta-seconds, 1*DIGIT.
func parseDelta(text string) (time.Duration, bool) {
	var seconds int64
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		seconds = min(seconds*10+int64(text[i]-'0'), int64(maxDelta/time.Second))
	}
	return time.Duration(seconds) * time.Second, text != ""
}

// parseArgument reads a token or a quoted string at the start of text.
func parseArgument(text string) (argument, rest string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		end := tokenLength(text)
		return text[:end], text[end:], end > 0
	}
	var plain strings.Builder
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return plain.String(), text[i+1:], true
		case '\\':
			i++
			if i == len(text) {
				return "", "", false
			}
		}
		plain.WriteByte(text[i])
	}
	return "", "", false
}

func tokenLength(text string) int {
	for i := range len(text) {
		if !isTokenByte(text[i]) {
			return i
		}
	}
	return len(text)
}

// isTokenByte is tchar of RFC 9110, 5.6.2.
func isTokenByte(b byte) bool {
	switch {
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}
