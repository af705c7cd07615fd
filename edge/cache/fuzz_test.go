package cache

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestParseDate(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	want := time.Date(1994, 11, 6, 8, 49, 37, 0, time.UTC)
	for _, good := range []string{
		"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
		"sun, 06 nOV 1994 08:49:37 gmt", "Mon, 06 Nov 1994 08:49:37 GMT",
	} {
		if got, ok := parseDate(good, now); !ok || !got.Equal(want) {
			t.Errorf("%q: %s, %t", good, got, ok)
		}
	}
	for text, year := range map[string]int{
		"Sunday, 06-Nov-75 08:49:37 GMT": 2075, "Sunday, 06-Nov-76 08:49:37 GMT": 1976, "Sunday, 06-Nov-26 08:49:37 GMT": 2026,
	} {
		if got, ok := parseDate(text, now); !ok || got.Year() != year {
			t.Errorf("%q: %s, %t", text, got, ok)
		}
	}
	for _, bad := range []string{
		"", "0", "-1", "Sun, 06 Nov 1994 8:49:37 GMT", "Sun, 06  Nov 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 +0000", "Sun, 06 Nov 94 08:49:37 GMT", "Sun 06 Nov 1994 08:49:37 GMT",
		"Sun, 06-Nov-1994 08:49:37 GMT", "Sun, 06 Nov 1994 08.49.37 GMT", "Sun, 06 Nov 1994 08:49:37", " Sun, 06 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:49:37.5 GMT",
		"Sun Nov 6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 GMT, x",
	} {
		if got, ok := parseDate(bad, now); ok {
			t.Errorf("%q is read as %s", bad, got)
		}
	}
	if _, ok := onlyDate([]string{"Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT"}, now); ok {
		t.Error("two lines are read as one date")
	}
}

func FuzzParseDate(f *testing.F) {
	for _, seed := range []string{
		"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "0", "", "Sun, 06 Nov 1994 8:49:37 gMT", "GMT",
	} {
		f.Add(seed)
	}
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		at, ok := parseDate(text, now)
		if !ok {
			return
		}
		if again, ok := parseDate(at.Format(http.TimeFormat), now); !ok || !again.Equal(at) {
			t.Fatalf("%q is %s, which is read as %s, %t", text, at, again, ok)
		}
		if known, err := http.ParseTime(strings.ToUpper(text)); err == nil && (known.Second() != at.Second() || known.Minute() != at.Minute() || known.YearDay()%365 == 200 && known.Day() != at.Day()) {
			t.Fatalf("%q is %s, and %s elsewhere", text, at, known)
		}
	})
}

func FuzzParseRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-0", "bytes=-5", "bytes=5-", "bytes=5-4", "bytes=0-1,3-4", "bytes=-", "lines=1-2", "bytes=99999999999999999999-", "bytes=-0", "bytes= 1-2 ", "BYtes=9227000000000000000-"} {
		f.Add(seed, int64(10))
	}
	f.Add("bytes=-1", int64(0))
	f.Fuzz(func(t *testing.T, text string, size int64) {
		if size < 0 {
			return
		}
		from, to, verdict := parseRange([]string{text}, size)
		if verdict == rangeInside && (from < 0 || from > to || to >= size) {
			t.Fatalf("%q of %d bytes: %d to %d", text, size, from, to)
		}
		if verdict != rangeIgnored && strings.Contains(text, ",") {
			t.Fatalf("%q: several parts are read as one", text)
		}
	})
}

func FuzzParsePart(f *testing.F) {
	for _, seed := range []string{"bytes 0-4/10", "bytes 4-9/10", "bytes */10", "bytes 0-4/*", "bytes 4-3/10", "bytes 0-10/10", "items 0-1/2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, ok := parsePart([]string{text})
		if ok && (p.first < 0 || p.first >= p.total) {
			t.Fatalf("%q: %+v", text, p)
		}
	})
}

func FuzzParseTargeted(f *testing.F) {
	for _, seed := range []string{"", "max-age=60", "max-age=60, private", `max-age="60"`, "max-age=-1", "no-cache=?0", "a=(b c);d", "max-age=60.5", "&&", "max-age=999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		d, ok := parseTargeted([]string{value})
		if !ok {
			return
		}
		for _, span := range []time.Duration{d.maxAge, d.sMaxAge, d.whileRevalidate, d.ifError} {
			if span < -1 || span > maxDelta {
				t.Fatalf("%q: %d", value, span)
			}
		}
		if with, ok := parseTargeted([]string{value, "no-store"}); ok && !with.noStore {
			t.Fatalf("%q: no-store beside it is not obeyed", value)
		}
	})
}

func FuzzVary(f *testing.F) {
	f.Add("Accept-Encoding", "gzip, br", "gzip,br")
	f.Add("Accept-Language, a", "en;q=1", "EN; q=1")
	f.Add("*", "", "")
	f.Add("0", "\x00", "0")
	f.Add("A", `"a , b"`, `"a,b"`)
	f.Fuzz(func(t *testing.T, vary, a, b string) {
		fields, _ := parseVary([]string{vary})
		one, two := http.Header{}, http.Header{}
		for _, field := range fields {
			one[field], two[field] = []string{a}, []string{b}
		}
		first, second := variantOf(fields, one), variantOf(fields, two)
		if !first.matches(one) || first.matches(two) != second.matches(one) {
			t.Fatalf("%q: %q and %q", vary, a, b)
		}
		if len(fields) > 0 && first.matches(http.Header{}) {
			t.Fatalf("%q: what is missing matches %q", vary, a)
		}
		if without := variantOf(fields, http.Header{}); len(fields) > 0 && without.matches(one) {
			t.Fatalf("%q: %q matches what is missing", vary, a)
		}
	})
}

func FuzzConditions(f *testing.F) {
	f.Add(`"1"`, `"1"`, "Sun, 06 Nov 1994 08:49:37 GMT")
	f.Add(`W/"1", "2`, `W/"1"`, "")
	f.Add(`*, ,"`, "1", "x")
	f.Fuzz(func(t *testing.T, tags, tag, date string) {
		h := header("Last-Modified: " + date)
		h["Etag"] = []string{tag}
		both := http.Header{"If-None-Match": {tags}, "If-Modified-Since": {date}}
		if got := current(h, both); got != anyTag([]string{tags}, tag) {
			t.Fatalf("If-None-Match %q against %q: %t with a date", tags, tag, got)
		}
		rangeApplies(h, http.Header{"If-Range": {tags}})
	})
}
