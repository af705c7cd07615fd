package cache

import (
	"time"

	"github.com/dunglas/httpsfv"
)

// targetedField is the field for caches of a content delivery network (RFC
// 9213, 3.1). Where it is there and in order, it stands in the place of
// Cache-Control and Expires.
const targetedField = "Cdn-Cache-Control"

// responseDirectives returns what a response says about caching, and whether
// that is the targeted field. A targeted field that is empty or no dictionary
// counts as absent (RFC 9213, 2.1).
func responseDirectives(header map[string][]string) (d directives, targeted bool) {
	if values, present := header[targetedField]; present {
		if d, ok := parseTargeted(values); ok {
			return d, true
		}
	}
	if values, present := header["Cache-Control"]; present {
		return parseCacheControl(values), false
	}
	return unsaid, false
}

// parseTargeted reads a dictionary of directives. One whose value has another
// type than it must have makes the whole field malformed, so that nothing it
// seems to allow is relied on.
func parseTargeted(values []string) (directives, bool) {
	dictionary, err := httpsfv.UnmarshalDictionary(values)
	if err != nil || len(dictionary.Names()) == 0 {
		return directives{}, false
	}
	d := unsaid
	for _, name := range dictionary.Names() {
		member, _ := dictionary.Get(name)
		item, single := member.(httpsfv.Item)
		if !single {
			continue // an inner list means nothing that is known
		}
		d.applyItem(name, item.Value)
	}
	return d, true
}

func (d *directives) applyItem(name string, value any) {
	switch name {
	case "max-age", "s-maxage", "stale-while-revalidate", "stale-if-error":
		seconds, whole := value.(int64)
		if !whole || seconds < 0 {
			d.malformed = true
			return
		}
		span := min(time.Duration(min(seconds, int64(maxDelta/time.Second)))*time.Second, maxDelta)
		switch name {
		case "max-age":
			d.maxAge = span
		case "s-maxage":
			d.sMaxAge = span
		case "stale-while-revalidate":
			d.whileRevalidate = span
		default:
			d.ifError = span
		}
	case "no-cache", "private":
		whole, fields := &d.noCache, &d.noCacheFields
		if name == "private" {
			whole, fields = &d.private, &d.privateFields
		}
		listed, _ := value.(string)
		if value != false {
			qualify(whole, fields, listed)
		}
	case "no-store":
		d.noStore = value != false
	default:
		if value == true {
			d.flag(name)
		}
	}
}
