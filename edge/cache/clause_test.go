package cache

import (
	"testing"
	"time"
)

// TestClauses tells what the specifications ask for, clause by clause.
func TestClauses(t *testing.T) {
	minute := ok("Cache-Control: max-age=60")
	tagged := ok("Cache-Control: max-age=60", `Etag: "1"`, "X: old")
	confirmed := &Response{Status: 304, Header: header(`Etag: "1"`, "Cache-Control: max-age=60", "X: new")}
	for _, c := range []struct {
		clause string
		cfg    Config
		story  []step
	}{
		{"RFC 9111, 2: the key is method and target URI; GET serves HEAD", Config{}, []step{
			{origin: minute, want: Miss, body: "body"},
			{method: "HEAD", want: Hit, empty: true},
			{path: "/y", origin: minute, want: Miss},
			{method: "OPTIONS", origin: ok(), want: Pass},
			{want: Hit},
		}},
		{"RFC 9111, 3: an answer to HEAD is no object", Config{}, []step{
			{method: "HEAD", origin: minute, want: Pass},
			{origin: minute, want: Miss},
		}},
		{"RFC 9111, 3: final status codes with explicit freshness, whatever they are", Config{}, []step{
			{origin: with(minute, 499, ""), want: Miss, status: 499},
			{want: Hit, status: 499},
		}},
		{"RFC 9111, 3: neither Expires nor max-age nor s-maxage, and no validator", Config{}, []step{
			{origin: ok(), want: Pass},
			{origin: ok(), want: Pass},
		}},
		{"RFC 9111, 3.1: fields of the connection are not stored", Config{}, []step{
			{origin: ok("Cache-Control: max-age=60", "Connection: A, keep-alive", "Keep-Alive: 1", "A: 1", "B: 2", "Proxy-Authenticate: x"), want: Miss, shows: []string{"-A", "-Keep-Alive", "-Connection", "B: 2"}},
			{want: Hit, shows: []string{"-A", "-Connection", "-Keep-Alive", "-Proxy-Authenticate", "B: 2"}},
		}},
		{"RFC 9111, 3.4 and RFC 9110, 14.4: a part answers what lies in it, and nothing else", Config{}, []step{
			{ask: []string{"Range: bytes=2-5"}, origin: with(ok("Cache-Control: max-age=60", "Content-Range: bytes 2-5/10"), 206, "cdef"), want: Miss, status: 206},
			{ask: []string{"Range: bytes=3-4"}, want: Hit, status: 206, body: "de", shows: []string{"Content-Range: bytes 3-4/10", "Content-Length: 2"}},
			{ask: []string{"Range: bytes=-5"}, want: Hit, status: 206, body: "f", shows: []string{"Content-Range: bytes 5-5/10"}},
			{ask: []string{"Range: bytes=1-4"}, origin: with(ok("Cache-Control: max-age=60"), 416, ""), want: Pass, status: 416},
			{origin: with(minute, 200, "abcdefghij"), want: Miss, body: "abcdefghij"},
			{ask: []string{"Range: bytes=1-4"}, want: Hit, status: 206, body: "bcde"},
		}},
		{"RFC 9111, 3.4: a part that goes on beyond its Content-Range is not stored", Config{}, []step{
			{ask: []string{"Range: bytes=2-3"}, origin: with(ok("Cache-Control: max-age=60", "Content-Range: bytes 2-3/10"), 206, "cdef"), want: Miss, status: 206},
			{ask: []string{"Range: bytes=2-3"}, origin: with(minute, 206, "cd"), want: Pass, status: 206},
		}},
		{"RFC 9111, 3.5: an answer to credentials only with public, s-maxage or must-revalidate", Config{}, []step{
			{ask: []string{"Authorization: x"}, origin: minute, want: Pass},
			{origin: ok("Cache-Control: max-age=60, public"), want: Miss},
			{ask: []string{"Authorization: x"}, want: Hit},
		}},
		{"RFC 9111, 4.1: each variant for its requests, values compared as lists", Config{}, []step{
			{ask: []string{"Accept-Encoding: gzip, br"}, origin: with(ok("Cache-Control: max-age=60", "Vary: Accept-Encoding, A"), 200, "gz"), want: Miss},
			{ask: []string{"Accept-Encoding: identity"}, origin: with(ok("Cache-Control: max-age=60", "Vary: a,accept-encoding"), 200, "id"), want: Miss, shows: []string{"Cache-Status: edge;fwd=vary-miss;fwd-status=200;ttl=60;stored"}},
			{ask: []string{"Accept-Encoding: gzip", "Accept-Encoding:  br "}, want: Hit, body: "gz"},
			{ask: []string{"Accept-Encoding: identity"}, want: Hit, body: "id"},
			{ask: []string{"Accept-Encoding: identity", "A: 1"}, origin: with(ok("Cache-Control: max-age=60", "Vary: A,Accept-Encoding"), 200, "a1"), want: Miss},
			{origin: with(ok("Cache-Control: max-age=60", "Vary: A,Accept-Encoding"), 200, "none"), want: Miss},
			{ask: []string{"Accept-Encoding: "}, origin: with(ok("Cache-Control: max-age=60", "Vary: A,Accept-Encoding"), 200, "empty"), want: Miss},
			{want: Hit, body: "none"},
		}},
		{"RFC 9111, 4.1: languages in any case and order", Config{}, []step{
			{ask: []string{"Accept-Language: en, de;q=0.5"}, origin: ok("Cache-Control: max-age=60", "Vary: Accept-Language"), want: Miss},
			{ask: []string{"Accept-Language: De; q=0.5,EN"}, want: Hit},
			{ask: []string{"Accept-Language: de, en;q=0.5"}, origin: ok(), want: Pass},
		}},
		{"RFC 9111, 4.1: no request matches *", Config{}, []step{
			{origin: ok("Cache-Control: max-age=60", "Vary: A", "Vary: , *"), want: Pass},
			{origin: minute, want: Miss},
		}},
		{"RFC 9111, 4.2.1: s-maxage before max-age before Expires", Config{}, []step{
			{origin: ok("Cache-Control: max-age=1, s-maxage=60", "Expires: "+yesterday), want: Miss},
			{wait: 59 * second, want: Hit},
			{wait: second, origin: ok("Cache-Control: max-age=30", "Expires: "+yesterday), want: Miss},
			{wait: 29 * second, want: Hit},
			{wait: second, origin: ok(), want: Pass},
		}},
		{"RFC 9111, 4.2.1: Expires counts from Date", Config{}, []step{
			{wait: time.Minute, origin: ok("Expires: "+minute1, "Date: "+newYear), want: Pass}, // and is a minute old
			{path: "/y", origin: ok("Expires: Sat, 01 Jan 2000 00:02:00 GMT"), want: Miss},
			{path: "/y", wait: 59 * second, want: Hit},
			{path: "/y", wait: second, origin: ok("Expires: 0"), want: Pass},
		}},
		{"RFC 9111, 4.2.2: no heuristic unless it is set", Config{}, []step{
			{origin: ok("Last-Modified: "+yesterday, "Date: "+newYear), want: Miss},
			{origin: ok("Last-Modified: "+yesterday, "Date: "+newYear), want: Miss, sent: []string{"If-Modified-Since: " + yesterday}},
		}},
		{"RFC 9111, 4.2.2: a tenth of the time since the modification", Config{Heuristic: 0.1}, []step{
			{origin: ok("Last-Modified: "+yesterday, "Date: "+newYear), want: Miss},
			{wait: 8639 * second, want: Hit},
			{wait: second, origin: ok(), want: Pass},
			{path: "/y", origin: with(ok("Last-Modified: "+yesterday), 403, ""), want: Pass, status: 403},
			{path: "/z", origin: with(ok("Last-Modified: "+yesterday, "Cache-Control: public"), 599, ""), want: Miss, status: 599},
			{path: "/z", want: Hit, status: 599},
		}},
		{"RFC 9111, 4.2.3: the age at arrival is the greater of Age and what Date says", Config{}, []step{
			{origin: ok("Cache-Control: max-age=60", "Age: 30", "Date: "+newYear), want: Miss},
			{wait: 10 * second, want: Hit, shows: []string{"Age: 40"}},
			{path: "/y", wait: 30 * second, origin: ok("Cache-Control: max-age=60", "Age: 5", "Date: "+newYear), want: Miss},
			{path: "/y", want: Hit, shows: []string{"Age: 40"}},
			{path: "/y", wait: 19 * second, want: Hit, shows: []string{"Age: 59"}},
			{path: "/y", wait: second, origin: ok(), want: Pass},
		}},
		{"RFC 9111, 4.2.4: nothing stale without leave", Config{}, []step{
			{origin: tagged, want: Miss},
			{wait: time.Minute, broken: true, want: Miss},
			{origin: with(ok(), 503, ""), want: Pass, status: 503},
		}},
		{"RFC 9111, 4.2.4: must-revalidate, proxy-revalidate and s-maxage forbid it", Config{StaleIfError: time.Hour}, []step{
			{path: "/1", origin: ok("Cache-Control: max-age=1, must-revalidate, stale-if-error=60, stale-while-revalidate=60"), want: Miss},
			{path: "/2", origin: ok("Cache-Control: max-age=1, proxy-revalidate, stale-if-error=60"), want: Miss},
			{path: "/3", origin: ok("Cache-Control: s-maxage=1, stale-while-revalidate=60"), want: Miss},
			{path: "/4", origin: ok("Cache-Control: max-age=1"), want: Miss},
			{path: "/1", wait: second, broken: true, want: Miss},
			{path: "/2", broken: true, want: Miss},
			{path: "/3", broken: true, want: Miss},
			{path: "/4", broken: true, want: Stale, status: 200},
		}},
		{"RFC 9111, 4.3.1: a validation has the stored validators, not the viewer's", Config{}, []step{
			{origin: ok("Cache-Control: max-age=1", `Etag: W/"1"`, "Last-Modified: "+yesterday), want: Miss},
			{
				wait: second, ask: []string{`If-None-Match: "0"`, "If-Modified-Since: " + newYear},
				origin: &Response{Status: 304, Header: header("Cache-Control: max-age=60")},
				want:   Revalidated, body: "body",
				sent: []string{`If-None-Match: W/"1"`, "If-Modified-Since: " + yesterday},
			},
			{want: Hit},
		}},
		{"RFC 9111, 4.3.2: conditions are answered from the store", Config{}, []step{
			{origin: ok("Cache-Control: max-age=60", `Etag: "1"`, "Last-Modified: "+yesterday, "Vary: A", "Content-Type: x"), want: Miss},
			{ask: []string{`If-None-Match: "0", W/"1"`}, want: Hit, status: 304, shows: []string{`Etag: "1"`, "Vary: A", "Cache-Control: max-age=60", "-Content-Type", "Age: 0"}},
			{ask: []string{"If-None-Match: *"}, want: Hit, status: 304},
			{ask: []string{`If-None-Match: "2"`, "If-Modified-Since: " + newYear}, want: Hit},
			{ask: []string{"If-Modified-Since: " + newYear}, want: Hit, status: 304},
			{ask: []string{"If-Modified-Since: " + yesterday}, want: Hit, status: 304},
			{ask: []string{"If-Modified-Since: Thu, 30 Dec 1999 00:00:00 GMT"}, want: Hit},
			{ask: []string{"If-Modified-Since: yesterday"}, want: Hit},
			{ask: []string{`If-None-Match: "1"`}, method: "HEAD", want: Hit, status: 304},
		}},
		{"RFC 9111, 4.3.2: Date stands for a Last-Modified that is missing", Config{}, []step{
			{origin: ok("Cache-Control: max-age=60", "Date: "+newYear), want: Miss},
			{ask: []string{"If-Modified-Since: " + newYear}, want: Hit, status: 304},
			{ask: []string{"If-Modified-Since: " + yesterday}, want: Hit},
		}},
		{"RFC 9110, 13.1.1: If-Match is for the origin", Config{}, []step{
			{origin: tagged, want: Miss},
			{ask: []string{`If-Match: "2"`}, origin: with(ok(), 412, ""), want: Pass, status: 412, sent: []string{`If-Match: "2"`, "-If-None-Match"}},
			{want: Hit},
		}},
		{"RFC 9111, 4.3.3: conditions of a first viewer do not keep the object out", Config{}, []step{
			{ask: []string{`If-None-Match: "1"`}, origin: tagged, want: Miss, status: 304, sent: []string{"-If-None-Match"}},
			{want: Hit, body: "body"},
		}},
		{"RFC 9111, 4.3.3: a new answer takes the place of the old", Config{}, []step{
			{origin: tagged, want: Miss},
			{wait: time.Minute, origin: with(ok("Cache-Control: max-age=60", `Etag: "2"`), 200, "new"), want: Miss, sent: []string{`If-None-Match: "1"`}, shows: []string{"Cache-Status: edge;fwd=stale;fwd-status=200;ttl=60;stored"}},
			{want: Hit, body: "new"},
		}},
		{"RFC 9111, 4.3.4: a 304 updates the fields, but not those of the content", Config{}, []step{
			{origin: &Response{Status: 200, Header: header("Cache-Control: max-age=60", `Etag: "1"`, "X: old", "Y: old", "Content-Length: 4", "Age: 50"), Body: []byte("body")}, want: Miss},
			{
				wait:   10 * second,
				origin: &Response{Status: 304, Header: header(`Etag: "1"`, "Cache-Control: max-age=100", "X: new", "Content-Length: 9")},
				want:   Revalidated, body: "body",
				shows: []string{"X: new", "Y: old", "Content-Length: 4", "Cache-Control: max-age=100", "Age: 0", "Cache-Status: edge;fwd=stale;fwd-status=304;ttl=100;stored"},
			},
			{wait: 99 * second, want: Hit, body: "body", shows: []string{"Age: 99"}},
		}},
		{"RFC 9111, 4.3.4: what a 304 withdraws is not used again", Config{}, []step{
			{origin: tagged, want: Miss},
			{wait: time.Minute, origin: &Response{Status: 304, Header: header("Cache-Control: no-store")}, want: Revalidated},
			{origin: confirmed, want: Revalidated},
		}},
		{"RFC 9111, 4.3.5: HEAD confirms, or shows that it is another", Config{}, []step{
			{origin: tagged, want: Miss},
			{wait: time.Minute, method: "HEAD", origin: &Response{Status: 200, Header: header("Cache-Control: max-age=60", `Etag: "1"`, "X: new")}, want: Pass},
			{want: Hit, body: "body", shows: []string{"X: new"}},
			{wait: time.Minute, method: "HEAD", origin: &Response{Status: 200, Header: header("Cache-Control: max-age=60", `Etag: "2"`)}, want: Pass},
			{origin: tagged, want: Miss, sent: []string{"-If-None-Match"}},
		}},
		{"RFC 9111, 4.4: an unsafe request that succeeds outdates its URI and those its answer names", Config{}, []step{
			{origin: minute, want: Miss},
			{path: "/y", origin: minute, want: Miss},
			{path: "/z?a=1", origin: minute, want: Miss},
			{path: "/w", origin: minute, want: Miss},
			{method: "POST", origin: with(ok(), 500, ""), want: Pass, status: 500},
			{want: Hit},
			{method: "M-SEARCH", origin: with(ok("Location: y", "Content-Location: //A.test/z?a=1", "Location: //b.test/w"), 201, ""), want: Pass, status: 201},
			{origin: minute, want: Miss},
			{path: "/y", origin: minute, want: Miss},
			{path: "/z?a=1", origin: minute, want: Miss},
			{path: "/w", want: Hit},
		}},
		{"RFC 9110, 9.3.3: an answer to POST that says it is GET's", Config{}, []step{
			{method: "POST", origin: with(ok("Cache-Control: max-age=60", "Content-Location: /x"), 200, "posted"), want: Pass},
			{want: Hit, body: "posted"},
			{method: "POST", origin: with(ok("Cache-Control: max-age=60", "Content-Location: /y"), 200, "other"), want: Pass},
			{origin: minute, want: Miss},
		}},
		{"RFC 9111, 5.1: the first member of Age, if it is a number", Config{}, []step{
			{origin: ok("Cache-Control: max-age=60", "Age: 10, 500", "Age: 900"), want: Miss},
			{want: Hit, shows: []string{"Age: 10"}},
			{path: "/y", origin: ok("Cache-Control: max-age=60", "Age: 1.5"), want: Miss},
			{path: "/y", want: Hit, shows: []string{"Age: 0"}},
		}},
		{"RFC 9111, 5.2.1: what a viewer says about caching is not obeyed unless that is set", Config{}, []step{
			{origin: minute, want: Miss},
			{ask: []string{"Cache-Control: no-cache, max-age=0, only-if-cached"}, want: Hit},
			{ask: []string{"Pragma: no-cache"}, want: Hit},
		}},
		{"RFC 9111, 5.2.1: where it is set", Config{ViewerControl: true}, []step{
			{ask: []string{"Cache-Control: only-if-cached"}, want: Pass, status: 504},
			{origin: tagged, want: Miss},
			{wait: 10 * second, ask: []string{"Cache-Control: max-age=10"}, want: Hit},
			{ask: []string{"Cache-Control: max-age=9"}, origin: confirmed, want: Revalidated, shows: []string{"Cache-Status: edge;fwd=request;fwd-status=304;ttl=60;stored"}},
			{wait: 10 * second, ask: []string{"Cache-Control: min-fresh=50"}, want: Hit},
			{ask: []string{"Cache-Control: min-fresh=51"}, origin: confirmed, want: Revalidated},
			{ask: []string{"Pragma: no-cache"}, origin: confirmed, want: Revalidated},
			{ask: []string{"Pragma: no-cache", "Cache-Control: max-age=5"}, want: Hit},
			{wait: 70 * second, ask: []string{"Cache-Control: max-stale=11"}, want: Stale},
			{ask: []string{"Cache-Control: max-stale=10"}, origin: confirmed, want: Revalidated},
			{path: "/y", origin: ok("Cache-Control: max-age=1, must-revalidate"), want: Miss},
			{path: "/y", wait: 2 * second, ask: []string{"Cache-Control: max-stale"}, origin: ok(), want: Pass},
		}},
		{"RFC 9111, 5.2.1.5: no-store of a request", Config{}, []step{
			{ask: []string{"Cache-Control: no-store"}, origin: minute, want: Pass},
			{origin: minute, want: Miss},
		}},
		{"RFC 9111, 5.2.2.3: must-understand instead of no-store, for a status that is known", Config{}, []step{
			{origin: ok("Cache-Control: max-age=60, no-store, must-understand"), want: Miss},
			{want: Hit},
			{path: "/y", origin: with(ok("Cache-Control: max-age=60, no-store, must-understand"), 599, ""), want: Pass, status: 599},
		}},
		{"RFC 9111, 5.2.2.4: no-cache is stored, and asked for each time", Config{}, []step{
			{origin: ok("Cache-Control: no-cache, max-age=60", `Etag: "1"`), want: Miss},
			{origin: &Response{Status: 304, Header: header("Cache-Control: no-cache, max-age=60")}, want: Revalidated, body: "body", sent: []string{`If-None-Match: "1"`}},
			{broken: true, want: Miss},
		}},
		{"RFC 9111, 5.2.2.4 and 5.2.2.7: fields listed are withheld from others", Config{}, []step{
			{origin: ok(`Cache-Control: max-age=60, no-cache="a, B", private=c`, "A: 1", "B: 2", "C: 3", "D: 4"), want: Miss, shows: []string{"A: 1", "C: 3"}},
			{want: Hit, shows: []string{"-A", "-B", "-C", "D: 4"}},
		}},
		{"RFC 5861, 3: stale while revalidating, within the window", Config{}, []step{
			{origin: ok("Cache-Control: max-age=1, stale-while-revalidate=10", `Etag: "1"`), want: Miss},
			{wait: 10 * second, origin: with(ok("Cache-Control: max-age=1, stale-while-revalidate=10"), 200, "new"), want: Stale, body: "body", sent: []string{`If-None-Match: "1"`}, shows: []string{"Age: 10", "Cache-Status: edge;hit;ttl=-9"}},
			{want: Hit, body: "new"},
			{wait: 11 * second, origin: ok(), want: Pass},
		}},
		{"RFC 5861, 4: stale if the origin fails, within the window", Config{}, []step{
			{origin: ok("Cache-Control: max-age=1, stale-if-error=10"), want: Miss},
			{wait: 5 * second, broken: true, want: Stale, status: 200},
			{method: "HEAD", broken: true, want: Stale, status: 200, empty: true},
			{origin: with(ok(), 500, ""), want: Stale, status: 200, shows: []string{"Age: 5", "Cache-Status: edge;fwd=stale;fwd-status=500;ttl=-4"}},
			{origin: with(ok(), 404, ""), want: Pass, status: 404},
			{broken: true, want: Miss}, // what the origin has withdrawn does not stand in
			{wait: markerLife, origin: ok("Cache-Control: max-age=1, stale-if-error=10"), want: Miss},
			{wait: 11 * second, broken: true, want: Miss},
		}},
		{"negative caching is for failures without a word of their own", Config{Negative: 10 * second}, []step{
			{origin: with(ok(), 404, ""), want: Miss, status: 404},
			{wait: 9 * second, want: Hit, status: 404},
			{wait: second, origin: with(ok("Cache-Control: no-store"), 404, ""), want: Pass, status: 404},
			{path: "/y", origin: with(ok(), 502, ""), want: Miss, status: 502},
			{path: "/y", want: Hit, status: 502},
			{path: "/z", origin: with(ok(), 403, ""), want: Pass, status: 403},
		}},
		{"RFC 9213, 2.2: the targeted field stands in the place of Cache-Control and Expires", Config{}, []step{
			{origin: ok("Cdn-Cache-Control: max-age=60", "Cache-Control: no-store", "Expires: "+yesterday), want: Miss},
			{want: Hit},
			{path: "/y", origin: ok("Cdn-Cache-Control: max-age=0", "Cache-Control: max-age=60", "Expires: Sat, 01 Jan 2050 00:00:00 GMT"), want: Pass},
			{path: "/z", origin: ok("Cdn-Cache-Control: private", "Cache-Control: max-age=60"), want: Pass},
			{path: "/w", origin: ok("Cdn-Cache-Control: no-store", "Cache-Control: max-age=60"), want: Pass},
			{path: "/v", origin: ok("Cdn-Cache-Control: max-age=99999999999999, foo=bar, x=(a b)"), want: Miss},
			{path: "/v", wait: 24000 * time.Hour, want: Hit},
		}},
		{"RFC 9213, 2.1: one that is no dictionary counts as absent", Config{}, []step{
			{origin: ok("Cdn-Cache-Control: max-age=60, &&", "Cache-Control: no-store"), want: Pass},
			{path: "/y", origin: ok("Cdn-Cache-Control: ", "Cache-Control: max-age=60"), want: Miss},
			{path: "/z", origin: ok("Cdn-Cache-Control: MAX-AGE=60"), want: Pass},
			{path: "/w", origin: ok(`Cdn-Cache-Control: max-age="60"`, "Cache-Control: max-age=60"), want: Pass},
		}},
		{"RFC 9211, 2: Cache-Status is added to what others said", Config{}, []step{
			{origin: ok("Cache-Control: max-age=60", "Cache-Status: origin; hit"), want: Miss, shows: []string{"Cache-Status: origin; hit", "Cache-Status: edge;fwd=uri-miss;fwd-status=200;ttl=60;stored"}},
			{wait: second, want: Hit, shows: []string{"Cache-Status: origin; hit", "Cache-Status: edge;hit;ttl=59"}},
			{method: "POST", origin: ok(), want: Pass, shows: []string{"Cache-Status: edge;fwd=method;fwd-status=200"}},
		}},
		{"RFC 9110, 14.2: parts of what is stored", Config{}, []step{
			{origin: with(tagged, 200, "0123456789"), want: Miss},
			{ask: []string{"Range: bytes=0-0"}, want: Hit, status: 206, body: "0", shows: []string{"Content-Range: bytes 0-0/10", "Content-Length: 1"}},
			{ask: []string{"Range: BYTES=8-100"}, want: Hit, status: 206, body: "89", shows: []string{"Content-Range: bytes 8-9/10"}},
			{ask: []string{"Range: bytes=7-"}, want: Hit, status: 206, body: "789"},
			{ask: []string{"Range: bytes=-20"}, want: Hit, status: 206, body: "0123456789"},
			{ask: []string{"Range: bytes=10-"}, want: Hit, status: 416, shows: []string{"Content-Range: bytes */10"}},
			{ask: []string{"Range: bytes=-0"}, want: Hit, status: 416},
			{ask: []string{"Range: bytes=5-4"}, want: Hit},
			{ask: []string{"Range: bytes=0-1,3-4"}, want: Hit, body: "0123456789"},
			{ask: []string{"Range: lines=0-1"}, want: Hit, body: "0123456789"},
			{ask: []string{"Range: bytes=0-1"}, method: "HEAD", want: Hit},
			{ask: []string{"Range: bytes=0-1", `If-None-Match: "1"`}, want: Hit, status: 304},
		}},
		{"RFC 9110, 13.1.5: If-Range by the strong comparison", Config{}, []step{
			{origin: with(ok("Cache-Control: max-age=60", `Etag: "1"`, "Last-Modified: "+yesterday, "Date: "+newYear), 200, "0123456789"), want: Miss},
			{ask: []string{"Range: bytes=0-1", `If-Range: "1"`}, want: Hit, status: 206, body: "01"},
			{ask: []string{"Range: bytes=0-1", `If-Range: "2"`}, want: Hit, body: "0123456789"},
			{ask: []string{"Range: bytes=0-1", `If-Range: W/"1"`}, want: Hit, body: "0123456789"},
			{ask: []string{"Range: bytes=0-1", "If-Range: " + yesterday}, want: Hit, status: 206, body: "01"},
			{ask: []string{"Range: bytes=0-1", "If-Range: " + newYear}, want: Hit, body: "0123456789"},
		}},
		{"a 304 about another response is no answer", Config{}, []step{
			{origin: tagged, want: Miss},
			{wait: time.Minute, origin: &Response{Status: 304, Header: header(`Etag: "9"`)}, want: Pass, status: 304},
		}},
		{"malformed: nothing that seems allowed is relied on", Config{StaleIfError: time.Hour, Heuristic: 0.1}, []step{
			{origin: ok("Cache-Control: max-age=60;public"), want: Pass},
			{origin: ok("Cache-Control: max-age=60", "Content-Length: 5"), want: Pass},
			{origin: ok("Cache-Control: max-age=60", "Content-Length: 4", "Content-Length: 4"), want: Pass},
			{origin: ok("Cache-Control: max-age=60", "Content-Length: +4"), want: Pass},
			{origin: ok("Expires: Sat, 01 Jan 2050 00:00:00 GMT", "Expires: Sat, 01 Jan 2050 00:00:00 GMT"), want: Pass},
			{origin: ok("Cache-Control: max-age=60", "Content-Length: 4"), want: Miss},
		}},
	} {
		t.Run(c.clause, func(t *testing.T) { tell(t, c.cfg, c.story) })
	}
}
