package proxy_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/edge/proxy"
)

func Example() {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "object")
	}))
	defer origin.Close()
	p, err := proxy.New(proxy.Config{Edge: edge.Config{
		Host: "origin.test", Pool: pool.Config{Reuse: true}, Cache: cache.Config{Capacity: 1 << 20},
		Target: pool.Target{Address: netip.MustParseAddrPort(origin.Listener.Addr().String())},
	}})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() { _ = p.Serve(listener) }()
	for range 2 {
		resp, err := http.Get("http://" + listener.Addr().String() + "/o")
		if err != nil {
			log.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(resp.StatusCode, string(text), resp.Header.Get("Cache-Status")[:len("originpull;hit")])
		_ = resp.Body.Close()
	}
	fmt.Println(p.Shutdown(context.Background()))
	// Output:
	// 200 object originpull;fwd
	// 200 object originpull;hit
	// <nil>
}
