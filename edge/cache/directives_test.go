package cache

import (
	"strings"
	"testing"
	"time"
)

const absent = -1 * time.Nanosecond

func TestParseCacheControl(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   directives
	}{
		{nil, directives{maxAge: absent, sMaxAge: absent}},
		{[]string{""}, directives{maxAge: absent, sMaxAge: absent}},
		{[]string{"max-age=60"}, directives{maxAge: time.Minute, sMaxAge: absent}},
		{[]string{"MAX-AGE=60, S-MaxAge=5"}, directives{maxAge: time.Minute, sMaxAge: 5 * time.Second}},
		{[]string{`max-age="60"`}, directives{maxAge: time.Minute, sMaxAge: absent}},
		{[]string{`max-age="6\0"`}, directives{maxAge: time.Minute, sMaxAge: absent}},
		{[]string{",, public ,\t, max-age=1,"}, directives{public: true, maxAge: time.Second, sMaxAge: absent}},
		{[]string{"public", "max-age=1"}, directives{public: true, maxAge: time.Second, sMaxAge: absent}},
		{[]string{"no-store, no-cache, private, must-revalidate"}, directives{noStore: true, noCache: true, private: true, mustRevalidate: true, maxAge: absent, sMaxAge: absent}},
		{[]string{`private="set-cookie, x", no-cache="a"`}, directives{privateFields: "set-cookie,x", noCacheFields: "a", maxAge: absent, sMaxAge: absent}},
		{[]string{`private="", no-cache="a,;"`}, directives{private: true, noCacheFields: "a", noCache: true, maxAge: absent, sMaxAge: absent}},
		{[]string{`no-cache="a", no-cache, private=b`}, directives{noCacheFields: "a", noCache: true, privateFields: "b", maxAge: absent, sMaxAge: absent}},
		{[]string{"public=yes, must-revalidate=1"}, directives{maxAge: absent, sMaxAge: absent}},
		{[]string{`x="no-store, private", stale-while-revalidate=5, immutable`}, directives{whileRevalidate: 5 * time.Second, maxAge: absent, sMaxAge: absent}},
		{[]string{"xmax-age=60, max-age-x=60"}, directives{maxAge: absent, sMaxAge: absent}},

		{[]string{"stale-if-error=5, stale-if-error=3, stale-while-revalidate=7"}, directives{ifError: 3 * time.Second, whileRevalidate: 7 * time.Second, maxAge: absent, sMaxAge: absent}},
		{[]string{"proxy-revalidate, must-understand, only-if-cached"}, directives{proxyRevalidate: true, mustUnderstand: true, onlyIfCached: true, maxAge: absent, sMaxAge: absent}},
		{[]string{"max-stale, min-fresh=4"}, directives{maxStale: maxDelta, minFresh: 4 * time.Second, maxAge: absent, sMaxAge: absent}},
		{[]string{"max-stale=x"}, directives{maxAge: absent, sMaxAge: absent}},

		{[]string{"max-age=60, max-age=5"}, directives{maxAge: 5 * time.Second, sMaxAge: absent}},
		{[]string{"s-maxage=5", "s-maxage=60"}, directives{maxAge: absent, sMaxAge: 5 * time.Second}},
		{[]string{"max-age=x, max-age=5"}, directives{maxAge: 0, sMaxAge: absent}},
		{[]string{"max-age=5, max-age=x"}, directives{maxAge: 0, sMaxAge: absent}},

		{[]string{"max-age=2147483647"}, directives{maxAge: maxDelta, sMaxAge: absent}},
		{[]string{"max-age=2147483648"}, directives{maxAge: maxDelta, sMaxAge: absent}},
		{[]string{"max-age=" + strings.Repeat("9", 100)}, directives{maxAge: maxDelta, sMaxAge: absent}},
		{[]string{"max-age=00000000000000000000000001"}, directives{maxAge: time.Second, sMaxAge: absent}},

		{[]string{"max-age"}, directives{maxAge: 0, sMaxAge: absent}},
		{[]string{"max-age=-1"}, directives{maxAge: 0, sMaxAge: absent}},
		{[]string{"max-age=+1"}, directives{maxAge: 0, sMaxAge: absent, malformed: false}},
		{[]string{"max-age=1.5"}, directives{maxAge: 0, sMaxAge: absent}},
		{[]string{`max-age=""`}, directives{maxAge: 0, sMaxAge: absent}},
		{[]string{`max-age=" 1"`}, directives{maxAge: 0, sMaxAge: absent}},
		{[]string{"max-age="}, directives{maxAge: 0, sMaxAge: absent, malformed: true}},
		{[]string{"max-age= 60"}, directives{maxAge: 0, sMaxAge: absent, malformed: true}},
		{[]string{"max-age =60"}, directives{maxAge: 0, sMaxAge: absent, malformed: true}},
		{[]string{"max-age=60 60"}, directives{maxAge: time.Minute, sMaxAge: absent, malformed: true}},
		{[]string{"max-age=60; public"}, directives{maxAge: time.Minute, sMaxAge: absent, malformed: true}},
		{[]string{"max-age=60 garbage, no-store"}, directives{noStore: true, maxAge: time.Minute, sMaxAge: absent, malformed: true}},
		{[]string{"=60, max-age=1"}, directives{maxAge: time.Second, sMaxAge: absent, malformed: true}},
		{[]string{`"max-age=1"`}, directives{maxAge: absent, sMaxAge: absent, malformed: true}},
		{[]string{`x="open, max-age=1`}, directives{maxAge: absent, sMaxAge: absent, malformed: true}},
		{[]string{`x="open\`}, directives{maxAge: absent, sMaxAge: absent, malformed: true}},
		{[]string{"max-age=1\x00"}, directives{maxAge: time.Second, sMaxAge: absent, malformed: true}},
	} {
		for _, span := range []*time.Duration{&c.want.whileRevalidate, &c.want.ifError, &c.want.minFresh} {
			if *span == 0 {
				*span = absent
			}
		}
		if got := parseCacheControl(c.values); got != c.want {
			t.Errorf("%q:\n got %+v\nwant %+v", c.values, got, c.want)
		}
	}
}

func FuzzParseCacheControl(f *testing.F) {
	for _, seed := range []string{
		"", "max-age=60", `max-age="60"`, "max-age=60, max-age=5", "no-store", `private="a, b"`, `x="\`, "max-age=-1",
		"s-maxage=99999999999999999999", "public max-age=1, no-store", ",,=,\"", "max-age==1", "immutable, stale-if-error=5",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		d := parseCacheControl([]string{value})
		for _, age := range []time.Duration{d.maxAge, d.sMaxAge} {
			if age < -1 || age > maxDelta || age > 0 && age%time.Second != 0 {
				t.Fatalf("%q: age %d", value, age)
			}
		}
		// More directives can only make the reading stricter.
		with := parseCacheControl([]string{value, "max-age=1, s-maxage=1, no-store"})
		if !with.noStore || with.maxAge > time.Second || with.sMaxAge > time.Second {
			t.Fatalf("%q: a stricter value beside it is not obeyed: %+v", value, with)
		}
		if d.malformed != with.malformed || d.private != with.private || d.noCache != with.noCache {
			t.Fatalf("%q: reads %+v alone and %+v in company", value, d, with)
		}
		// A member before it changes nothing of what it says.
		if joined := parseCacheControl([]string{"x=1," + value}); joined != d {
			t.Fatalf("%q: reads %+v alone and %+v as a list member", value, d, joined)
		}
		if strings.EqualFold(strings.TrimSpace(value), "no-store") != d.noStore && !strings.Contains(strings.ToLower(value), "no-store") {
			t.Fatalf("%q: no-store %t", value, d.noStore)
		}
	})
}
