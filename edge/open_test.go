package edge

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/wire"
)

// visited opens and reads to the end.
func visited(t *testing.T, e *Edge, v *Visit) (Answer, string) {
	t.Helper()
	answer, err := e.Open(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Response.Stream == nil {
		return answer, string(answer.Response.Body)
	}
	text, err := io.ReadAll(answer.Response.Stream)
	if err = errors.Join(err, answer.Response.Stream.Close()); err != nil {
		t.Error(err)
	}
	return answer, string(text)
}

// TestOpen: what Pull does, with content that streams, through a tier above
// too.
func TestOpen(t *testing.T) {
	cfg := Config{Pool: pool.Config{Reuse: true}, Cache: cache.Config{Capacity: 1 << 20}, Header: [][2]string{{"X-Secret", "edge's"}}}
	for _, tiers := range []int{1, 2} {
		bubble(t, cfg, func(t *testing.T, l *lab, e *Edge) {
			if tiers == 2 {
				below, err := New(Config{Host: originName, Cache: cfg.Cache, Parent: e})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = below.Close() }() // it never fails without a pool
				e = below
			}
			for i, want := range []cache.Outcome{cache.Miss, cache.Hit} {
				answer, text := visited(t, e, &Visit{Viewer: Viewer{Path: "/fresh", Header: http.Header{"X-Secret": {"viewer's"}}}})
				if answer.Outcome != want || text != "GET /fresh" {
					t.Errorf("%d tiers, visit %d: %s, %q", tiers, i, answer.Outcome, text)
				}
			}
			answer, text := visited(t, e, &Visit{Viewer: Viewer{Path: "/fresh"}, Content: io.NopCloser(strings.NewReader("x")), Length: 1})
			if answer.Outcome != cache.Pass || answer.Forward != cache.ForwardBypass || text != "GET /fresh" {
				t.Errorf("%d tiers, with content: %+v, %q", tiers, answer, text)
			}
			if answer, text = visited(t, e, &Visit{Viewer: Viewer{Method: "HEAD", Path: "/fresh"}}); answer.Outcome != cache.Hit || text != "" {
				t.Errorf("%d tiers, HEAD: %+v, %q", tiers, answer, text)
			}
			if n := l.requests(); n != 2 || l.headers[0].Get("X-Secret") != "edge's" || len(l.headers[0]["X-Secret"]) != 1 {
				t.Errorf("%d tiers: %d requests, %v", tiers, n, l.headers)
			}
		})
	}
}

// TestOpenFails has the phase of the failure, and its status.
func TestOpenFails(t *testing.T) {
	bubble(t, Config{Behaviour: Behaviour{Status: every, Refuses: []RequestKind{WebSocket}}}, func(t *testing.T, _ *lab, e *Edge) {
		answer, err := e.Open(t.Context(), &Visit{Viewer: Viewer{Path: "/", Header: http.Header{"Upgrade": {"websocket"}}}})
		if !errors.Is(err, ErrBarred) || answer.Status != every[PhaseBarred] {
			t.Errorf("%+v, %v", answer, err)
		}
		e.Retarget(Aim{Target: pool.Target{Address: at, Dialer: wire.Dialer{Network: &away{refuse: true}}}})
		answer, err = e.Open(t.Context(), &Visit{Viewer: Viewer{Path: "/"}})
		failure, ok := errors.AsType[*Failure](err)
		if !ok || failure.Phase != PhaseRefused || answer.Status != every[PhaseRefused] {
			t.Errorf("nobody there: %+v, %v", answer, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if answer, err = e.Open(ctx, &Visit{Viewer: Viewer{Path: "/"}}); !errors.Is(err, context.Canceled) || answer.Status != 0 {
			t.Errorf("a viewer that left: %+v, %v", answer, err)
		}
	})
}
