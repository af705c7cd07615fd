package origin_test

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
)

// A plaintext origin behind a secret header, and what its policy asks for.
func Example() {
	policy, err := origin.NewPolicy("secret.test", []string{origin.Header}, origin.Settings{SecretHeader: "X-Origin-Verify", Secret: "now"})
	if err != nil {
		panic(err)
	}
	server, err := origin.New(origin.Config{
		Policy:      policy,
		Credentials: pki.Credentials{Secrets: map[string]string{"now": "s3cret"}},
		Response:    origin.Response{Size: 1024},
	})
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()

	fmt.Println("required:", policy.Requires(origin.Path{Port: origin.Plaintext}))
	for _, secret := range []string{"guess", "s3cret"} {
		request, err := http.NewRequest(http.MethodGet, "http://"+listener.Addr().String()+"/o/1", nil)
		if err != nil {
			panic(err)
		}
		request.Header.Set("X-Origin-Verify", secret)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s: %d %q\n", secret, response.StatusCode, response.Header.Get(origin.ProofHeader))
		if err := response.Body.Close(); err != nil {
			panic(err)
		}
	}

	if err := server.Shutdown(context.Background()); err != nil {
		panic(err)
	}
	if err := <-served; err != nil {
		panic(err)
	}
	// Output:
	// required: secret
	// guess: 403 ""
	// s3cret: 200 "protected"
}
