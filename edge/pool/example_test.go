package pool_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"sync"

	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/wire"
)

// Three requests, one connection.
func Example() {
	network, err := wire.NewModel(wire.Link{})
	if err != nil {
		fmt.Println(err)
		return
	}
	at := netip.MustParseAddrPort("127.0.0.1:8080")
	origin, err := network.Listen(at)
	if err != nil {
		fmt.Println(err)
		return
	}
	var served sync.WaitGroup
	served.Go(func() {
		conn, err := origin.Accept()
		if err != nil {
			return
		}
		for r := bufio.NewReader(conn); ; {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(req.URL.Path), req.URL.Path)
		}
	})

	p, err := pool.New(pool.Config{Reuse: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	target := &pool.Target{Address: at, Dialer: wire.Dialer{Network: network}}
	var resp pool.Response
	for _, path := range []string{"/a", "/bb", "/ccc"} {
		x, err := p.Do(context.Background(), target, &pool.Request{Method: "GET", Host: "origin.test", Path: path}, &resp)
		fmt.Printf("%d %s reused=%v %v\n", resp.Status, resp.Body, x.Reused, err)
	}
	_ = p.Close()
	served.Wait()
	s := p.Stats()
	fmt.Printf("%d requests, %d connection, closed by %v\n", s.Requests, s.Connects, s.Closed)
	// Output:
	// 200 /a reused=false <nil>
	// 200 /bb reused=true <nil>
	// 200 /ccc reused=true <nil>
	// 3 requests, 1 connection, closed by map[pool:1]
}
