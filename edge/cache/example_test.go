package cache_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/originpull/originpull/edge/cache"
)

// The first viewer's pull goes to the origin, the second's does not.
func Example() {
	c, err := cache.New(cache.Config{Capacity: 1 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	origin := func(context.Context, *cache.Request) (*cache.Response, error) {
		return &cache.Response{
			Status: http.StatusOK,
			Header: http.Header{"Cache-Control": {"max-age=60"}},
			Body:   []byte("hello"),
		}, nil
	}
	request := &cache.Request{Method: http.MethodGet, Host: "shop.test", Path: "/"}
	for range 2 {
		reply, err := c.Serve(context.Background(), request, origin)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s: %s\n", reply.Outcome, reply.Response.Body)
	}
	// Output:
	// miss: hello
	// hit: hello
}
