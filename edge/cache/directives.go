package cache

import (
	"math"
	"strings"
	"time"
)

// maxDelta caps ages and lifetimes that do not fit (RFC 9111, 1.2.2: 2^31).
const maxDelta = math.MaxInt32 * time.Second

// directives is what a shared cache reads in a Cache-Control field. Unknown
// directives leave no trace.
type directives struct {
	noStore, noCache, private, public, mustRevalidate bool

	// maxAge and sMaxAge are absent when negative. A value that is no number
	// counts as 0, and of several values the least: stale, never fresh.
	maxAge, sMaxAge time.Duration
	// malformed: the field does not follow the grammar, so that nothing it
	// seems to allow may be relied on.
	malformed bool
}

// parseCacheControl reads the values of a Cache-Control field. It never fails:
// whatever is doubtful is read the stricter way. A no-cache or private with a
// list of fields counts for the whole response, because no single fields are
// ever withheld here.
func parseCacheControl(values []string) directives {
	d := directives{maxAge: -1, sMaxAge: -1}
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
	case "no-store":
		d.noStore = true
	case "no-cache":
		d.noCache = true
	case "private":
		d.private = true
	case "public":
		d.public = d.public || !present // public=x is another, unknown directive
	case "must-revalidate":
		d.mustRevalidate = d.mustRevalidate || !present
	case "max-age":
		d.maxAge = stricter(d.maxAge, argument)
	case "s-maxage":
		d.sMaxAge = stricter(d.sMaxAge, argument)
	}
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
