package pool

import (
	"strings"
	"testing"
)

// TestKnownHeaders reads responses with equal and with different headers, and
// expects what a reader that knows nothing understands.
func TestKnownHeaders(t *testing.T) {
	one := "HTTP/1.1 200 OK\r\nDate: one\r\nVary: a\r\nVary: b\r\nContent-Length: 3\r\n\r\n"
	two := "HTTP/1.1 404 Not Found\r\nDate: two\r\nContent-Length: 3\r\n\r\n"
	longer := "HTTP/1.1 200 OK\r\nDate: one\r\nVary: a\r\nVary: b\r\nContent-Length: 3\r\nX: y\r\n\r\n"
	closing := "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\n"
	early := "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
	var lane headers
	reused := &Response{}
	var kept []*Response
	for i, head := range []string{
		one, one, one, one, one, one, two, one, longer, one, early + one, early + one, early + one, early + one, one,
		closing, closing, closing, closing, closing, two, two, two, two, two, two, one,
	} {
		d := reader{source: strings.NewReader(head + "abc"), known: &lane, unknown: learnEvery - 1 - i%2}
		fresh := reader{source: strings.NewReader(head + "abc")}
		var got, want Response
		gotReusable, gotErr := d.read("GET", testBodyLimit, &got)
		wantReusable, wantErr := fresh.read("GET", testBodyLimit, &want)
		if gotErr != nil || wantErr != nil || gotReusable != wantReusable {
			t.Fatalf("%d: %v %v, %v %v", i, gotReusable, gotErr, wantReusable, wantErr)
		}
		same(t, i, &got, &want)
		kept = append(kept, &got)

		again := reader{source: strings.NewReader(head + "abc"), known: &lane, unknown: learnEvery - 1 - i%3}
		if _, err := again.read("GET", testBodyLimit, reused); err != nil {
			t.Fatal(err)
		}
		same(t, i, reused, &want)
	}
	// What others read later changed nothing of what was kept.
	for _, i := range []int{0, 3, 5} {
		if got := kept[i].Header["Vary"]; len(got) != 2 || got[0] != "a" || got[1] != "b" {
			t.Errorf("%d: %v", i, got)
		}
	}
	if lane.Load() == nil {
		t.Error("nothing was learned: the test tests nothing")
	}
}

func same(t *testing.T, i int, got, want *Response) {
	t.Helper()
	if got.Status != want.Status || string(got.Body) != string(want.Body) || len(got.Header) != len(want.Header) {
		t.Fatalf("%d: %+v instead of %+v", i, got, want)
	}
	for name, values := range want.Header {
		if strings.Join(got.Header[name], "\n") != strings.Join(values, "\n") {
			t.Fatalf("%d: %s is %v instead of %v", i, name, got.Header[name], values)
		}
	}
}

// TestIdleConnectionsHoldNoBuffer: a response that ended gave its buffer back.
func TestIdleConnectionsHoldNoBuffer(t *testing.T) {
	d := reader{source: strings.NewReader("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")}
	var resp Response
	if _, err := d.read("GET", testBodyLimit, &resp); err != nil || d.buf != nil {
		t.Errorf("%v, %d bytes held", err, len(d.buf))
	}
}

// TestLearnedHeaderIsNotOverwritten: what a response gave away is not what it
// reads the next one into.
func TestLearnedHeaderIsNotOverwritten(t *testing.T) {
	var lane headers
	var resp Response
	for i, test := range []struct {
		unknown int
		date    string
	}{{0, "none"}, {learnEvery - 1, "one"}, {0, "two"}, {0, "one"}} {
		d := reader{
			source: strings.NewReader("HTTP/1.1 200 OK\r\nDate: " + test.date + "\r\nContent-Length: 0\r\n\r\n"),
			known:  &lane, unknown: test.unknown,
		}
		if _, err := d.read("GET", testBodyLimit, &resp); err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Get("Date"); got != test.date {
			t.Errorf("%d: %s instead of %s", i, got, test.date)
		}
	}
}
