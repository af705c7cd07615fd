package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/pki"
)

const siteName = "site.test"

// lab is a proxy on loopback before an origin on loopback.
type lab struct {
	proxy    *Proxy
	at       string       // of the proxy
	requests atomic.Int64 // at the origin
}

// newLab serves handler as the origin; change may change the proxy.
func newLab(t *testing.T, handler http.HandlerFunc, change func(*Config)) *lab {
	t.Helper()
	l := &lab{}
	at := listen(t, &http.Server{
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			l.requests.Add(1)
			handler(w, r)
		}),
	})
	l.serve(t, at, change)
	return l
}

// newScripted has an origin that writes the same bytes to every request, and
// closes.
func newScripted(t *testing.T, response string, change func(*Config)) *lab {
	t.Helper()
	l := &lab{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer func() { _ = conn.Close() }()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					l.requests.Add(1)
					_, _ = io.WriteString(conn, response)
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		served.Wait()
	})
	l.serve(t, listener.Addr().String(), change)
	return l
}

func (l *lab) serve(t *testing.T, origin string, change func(*Config)) {
	t.Helper()
	cfg := Config{Edge: edge.Config{
		Host: "origin.test", Pool: pool.Config{Reuse: true},
		Cache:  cache.Config{Capacity: 64 << 20},
		Target: pool.Target{Address: netip.MustParseAddrPort(origin)},
	}}
	if change != nil {
		change(&cfg)
	}
	var err error
	if l.proxy, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.at = listener.Addr().String()
	ended := make(chan error, 1)
	go func() { ended <- l.proxy.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(l.proxy.Shutdown(ctx), <-ended); err != nil {
			t.Error(err)
		}
	})
}

// listen serves until the test ends.
func listen(t *testing.T, s *http.Server) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-ended
	})
	return listener.Addr().String()
}

// client follows no redirect, and keeps its connections to itself.
func client(t *testing.T, cfg *tls.Config, protocol string) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: cfg, DisableCompression: true, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(protocol != protoH2)
	transport.Protocols.SetHTTP2(protocol == protoH2)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// answer is a response that has been read.
type answer struct {
	status          int
	header, trailer http.Header
	body            string
	err             error // of reading the body
}

// ask sends a request, whose header are names and values by turns.
func ask(t *testing.T, c *http.Client, r *http.Request) answer {
	t.Helper()
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if closed := resp.Body.Close(); err == nil {
		err = closed
	}
	return answer{resp.StatusCode, resp.Header, resp.Trailer, string(text), err}
}

func (l *lab) request(t *testing.T, method, path string, body io.Reader, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+l.at+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// raw sends bytes and returns all that comes back until the proxy closes.
func (l *lab) raw(t *testing.T, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", l.at)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("%q, then %v", got, err)
	}
	return string(got)
}

// authority issues what a test needs.
type authority struct {
	*pki.Authority
	roots *x509.CertPool
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	a, err := pki.New(pki.Config{})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.Roots())
	return authority{a, roots}
}

func (a authority) issue(t *testing.T, name string, usage pki.Usage) *tls.Certificate {
	t.Helper()
	issued, err := a.Issue(pki.Request{Name: name, Usage: usage, DNSNames: []string{name}})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := issued.TLS()
	if err != nil {
		t.Fatal(err)
	}
	return &pair
}
