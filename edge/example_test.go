package edge_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/wire"
)

// Four viewers, two origin pulls, one connection.
func Example() {
	network, err := wire.NewModel(wire.Link{})
	if err != nil {
		fmt.Println(err)
		return
	}
	at := netip.MustParseAddrPort("127.0.0.1:8080")
	listener, err := network.Listen(at)
	if err != nil {
		fmt.Println(err)
		return
	}
	origin := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "page "+r.URL.Path)
	})}
	ended := make(chan error, 1)
	go func() { ended <- origin.Serve(listener) }()

	e, err := edge.New(edge.Config{
		Host:   "origin.test",
		Pool:   pool.Config{Reuse: true},
		Cache:  cache.Config{Capacity: 1 << 20},
		Target: pool.Target{Address: at, Dialer: wire.Dialer{Network: network}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, path := range []string{"/a", "/a", "/b", "/a"} {
		reply, err := e.Pull(context.Background(), edge.Viewer{Path: path})
		fmt.Printf("%s: %s (%v)\n", reply.Body, reply.Outcome, err)
	}
	s := e.Stats()
	fmt.Printf("%d hits, %d requests over %d connection\n", s.Cache.Hits, s.Pool.Requests, s.Pool.Connects)
	_ = e.Close()
	_ = origin.Close()
	fmt.Println(<-ended)
	// Output:
	// page /a: miss (<nil>)
	// page /a: hit (<nil>)
	// page /b: miss (<nil>)
	// page /a: hit (<nil>)
	// 2 hits, 2 requests over 1 connection
	// http: Server closed
}

// What one CDN documents of its edge, and what it does not.
func ExamplePresetNamed() {
	preset, _ := edge.PresetNamed("cloudfront")
	for _, path := range []string{"edge.pool.idleTimeout", "edge.retry.attempts", "edge.refuses", "edge.tls.group"} {
		fact, _ := preset.Fact(path)
		fmt.Printf("%s: %q, %s\n", path, fact.Value, fact.Confidence)
	}
	// Output:
	// edge.pool.idleTimeout: "5s", documented
	// edge.retry.attempts: "3", documented
	// edge.refuses: "[grpc, websocket]", documented
	// edge.tls.group: "", unknown
}
