package cache

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// step is one request in a clause's story.
type step struct {
	wait   time.Duration // before it
	method string        // "" = GET
	path   string        // "" = /x
	ask    []string      // the viewer's header lines

	origin *Response // what the origin would answer; nil = it must not be asked
	broken bool      // the origin does not answer

	want   Outcome
	status int      // "" = 200
	body   string   // "" = not looked at
	empty  bool     // no content
	sent   []string // lines that the origin saw; with "-" in front, fields that it did not
	shows  []string // lines that the viewer sees; with "-" in front, fields that it does not
}

var errBroken = errors.New("origin broke off")

// tell plays a story in virtual time, which begins at 2000-01-01 00:00:00 UTC.
func tell(t *testing.T, cfg Config, story []step) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg.Capacity = 1 << 20
		c := newTestCache(t, cfg)
		for i, s := range story {
			time.Sleep(s.wait)
			tellStep(t, c, i+1, s)
		}
	})
}

func tellStep(t *testing.T, c *Cache, i int, s step) {
	t.Helper()
	req := get(s.ask...)
	if s.method != "" {
		req.Method = s.method
	}
	if s.path != "" {
		req.Path = s.path
	}
	asked := false
	reply, err := c.Serve(t.Context(), req, func(_ context.Context, up *Request) (*Response, error) {
		asked = true
		for _, line := range s.sent {
			seen(t, i, "origin", up.Header, line)
		}
		if s.broken {
			return nil, errBroken
		}
		if s.origin == nil {
			t.Errorf("step %d: the origin was asked", i)
			return ok(), nil
		}
		return s.origin, nil
	})
	synctest.Wait() // for what goes on in the background
	if asked != (s.origin != nil || s.broken) {
		t.Errorf("step %d: the origin was asked: %t", i, asked)
	}
	if reply.Outcome != s.want {
		t.Errorf("step %d: %s, want %s", i, reply.Outcome, s.want)
	}
	if err != nil {
		if !errors.Is(err, errBroken) || s.status != 0 {
			t.Errorf("step %d: %v", i, err)
		}
		return
	}
	if want := max(s.status, 0); reply.Response.Status != want && (want != 0 || reply.Response.Status != 200) {
		t.Errorf("step %d: status %d, want %d", i, reply.Response.Status, s.status)
	}
	if s.body != "" && string(reply.Response.Body) != s.body {
		t.Errorf("step %d: content %q, want %q", i, reply.Response.Body, s.body)
	}
	if s.empty && len(reply.Response.Body) > 0 {
		t.Errorf("step %d: content %q", i, reply.Response.Body)
	}
	h := reply.Header("edge")
	for _, line := range s.shows {
		seen(t, i, "viewer", h, line)
	}
}

func seen(t *testing.T, i int, who string, h http.Header, line string) {
	t.Helper()
	if name, absent := strings.CutPrefix(line, "-"); absent {
		if values, present := h[name]; present {
			t.Errorf("step %d: the %s sees %s: %q", i, who, name, values)
		}
		return
	}
	name, value, _ := strings.Cut(line, ": ")
	if !slices.Contains(h[http.CanonicalHeaderKey(name)], value) {
		t.Errorf("step %d: the %s sees %s: %q, want %q", i, who, name, h[http.CanonicalHeaderKey(name)], value)
	}
}

func with(r *Response, status int, body string) *Response {
	return &Response{Status: status, Header: r.Header, Body: []byte(body)}
}

const (
	second    = time.Second
	newYear   = "Sat, 01 Jan 2000 00:00:00 GMT"
	minute1   = "Sat, 01 Jan 2000 00:01:00 GMT"
	yesterday = "Fri, 31 Dec 1999 00:00:00 GMT"
)
