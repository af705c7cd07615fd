package origin

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/wire"
)

// modelled is an origin on an in-memory network, in a bubble of virtual time.
type modelled struct {
	t       *testing.T
	lab     *lab
	server  *Server
	audit   *auditBuffer
	network *wire.Model
	at      netip.AddrPort
	served  chan error
}

func startModelled(t *testing.T, cfg func(*lab) Config) *modelled {
	t.Helper()
	l := newLab(t)
	m := &modelled{t: t, lab: l, audit: &auditBuffer{}, at: netip.MustParseAddrPort("127.0.0.1:443"), served: make(chan error, 1)}
	c := cfg(l)
	c.Audit = m.audit
	var err error
	if m.server, err = New(c); err != nil {
		t.Fatal(err)
	}
	if m.network, err = wire.NewModel(wire.Link{}); err != nil {
		t.Fatal(err)
	}
	listener, err := m.network.Listen(m.at)
	if err != nil {
		t.Fatal(err)
	}
	go func() { m.served <- m.server.Serve(listener) }()
	return m
}

func (m *modelled) dial() net.Conn {
	m.t.Helper()
	c, err := m.network.Dial(m.t.Context(), edgeAddr, m.at)
	if err != nil {
		m.t.Fatal(err)
	}
	return c
}

func (m *modelled) stop(ctx context.Context) error {
	m.t.Helper()
	err := m.server.Shutdown(ctx)
	if served := <-m.served; served != nil {
		m.t.Errorf("serve: %v", served)
	}
	if c := m.server.Counts(); c.Accepted != c.Ended() {
		m.t.Errorf("counts do not reconcile: %+v", c)
	}
	return err
}

// lives sends and returns how long the server keeps the connection afterwards.
func lives(t *testing.T, c net.Conn, send string) time.Duration {
	t.Helper()
	if _, err := io.WriteString(c, send); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("after %q: %v", send, err)
	}
	return time.Since(start)
}

var testTimeouts = Timeouts{Handshake: 2 * time.Second, Header: 3 * time.Second, Read: 11 * time.Second, Write: 20 * time.Second, Idle: 40 * time.Second}

func plainConfig(l *lab) Config {
	return Config{Policy: policy(l.t), Credentials: l.credentials(), Timeouts: testTimeouts}
}

func TestTimeoutsOfPlaintext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startModelled(t, plainConfig)
		for _, test := range []struct {
			name, send string
			want       time.Duration
			entries    int
		}{
			{"silent", "", testTimeouts.Header, 0},
			{"half a header", "GET / HTTP/1.1\r\nHost: x\r\nX: ", testTimeouts.Header, 1},
			{"idle", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", testTimeouts.Idle, 1},
			{"idle, then half a header", "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT", testTimeouts.Header, 2},
		} {
			before := len(m.audit.entries(t))
			if got := lives(t, m.dial(), test.send); got != test.want {
				t.Errorf("%s: closed after %s, want %s", test.name, got, test.want)
			}
			synctest.Wait()
			if got := len(m.audit.entries(t)) - before; got != test.entries {
				t.Errorf("%s: %d audit entries, want %d", test.name, got, test.entries)
			}
		}
		if err := m.stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestTimeoutsOfHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startModelled(t, func(l *lab) Config {
			cfg := l.config(policy(t, MTLS))
			cfg.Timeouts = testTimeouts
			return cfg
		})
		for name, send := range map[string]string{"silent": "", "half a hello": "\x16\x03\x01\x02\x00\x01"} {
			if got := lives(t, m.dial(), send); got != testTimeouts.Handshake {
				t.Errorf("%s: closed after %s, want %s", name, got, testTimeouts.Handshake)
			}
		}
		// A finished handshake starts the header's time anew.
		client := tls.Client(m.dial(), clientFor(t, m.lab))
		if err := client.Handshake(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read: %v", err)
		}
		if got := time.Since(start); got != testTimeouts.Header {
			t.Errorf("no request: closed after %s, want %s", got, testTimeouts.Header)
		}
		if err := m.stop(t.Context()); err != nil {
			t.Error(err)
		}
		if got, want := withoutBytes(t, m.server.Counts()), (Counts{Accepted: 3, Full: 1, Failed: 1, NoHello: 1}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		if got := len(m.audit.entries(t)); got != 2 {
			t.Errorf("%d audit entries, want one for each handshake that timed out", got)
		}
	})
}

func clientFor(t *testing.T, l *lab) *tls.Config {
	t.Helper()
	pair, err := l.edge.TLS()
	if err != nil {
		t.Fatal(err)
	}
	roots, err := l.credentials().Pool("roots")
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{RootCAs: roots, ServerName: protectedHost, Certificates: []tls.Certificate{pair}}
}

func get(t *testing.T, c net.Conn) (*http.Response, error) {
	t.Helper()
	if _, err := io.WriteString(c, "GET /o/k HTTP/1.1\r\nHost: "+protectedHost+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response, errors.Join(err, response.Body.Close())
}

// TestCertificateExpiresOnPooledConnection: time alone ends a connection's
// standing, with nothing reloaded.
func TestCertificateExpiresOnPooledConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startModelled(t, func(l *lab) Config {
			l.edge = l.issue(pki.Request{Name: "edge", Usage: pki.ClientAuth, URIs: []string{edgeURI}, Validity: time.Minute})
			return l.config(policy(t, MTLS))
		})
		client := tls.Client(m.dial(), clientFor(t, m.lab))
		for _, want := range []int{200, 403} {
			response, err := get(t, client)
			if err != nil || response.StatusCode != want {
				t.Fatalf("%v, %v: want %d", response, err, want)
			}
			time.Sleep(70 * time.Second) // virtual
		}
		entries := m.audit.entries(t)
		if last := entries[len(entries)-1]; last.Proof != "validity" || last.Stage != StageHTTP {
			t.Errorf("%+v", last)
		}
		if err := m.stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestShutdownWaitsForRequestsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startModelled(t, func(l *lab) Config {
			cfg := plainConfig(l)
			cfg.Response = Response{Delay: 10 * time.Second, Size: 8}
			return cfg
		})
		silent := m.dial()
		status := make(chan int)
		busy := m.dial()
		go func() {
			response, err := get(t, busy)
			if err != nil {
				t.Errorf("the request being served: %v", err)
				close(status)
				return
			}
			status <- response.StatusCode
		}()
		synctest.Wait()
		start := time.Now()
		stopped := make(chan error)
		go func() { stopped <- m.stop(context.Background()) }()
		if _, err := silent.Read(make([]byte, 1)); err == nil || time.Since(start) != 0 {
			t.Errorf("a connection without request: %v after %s", err, time.Since(start))
		}
		if got := <-status; got != 200 || time.Since(start) != 10*time.Second {
			t.Errorf("status %d after %s, want 200 after 10s", got, time.Since(start))
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

// TestShutdownWaitsForALaterRequest: the same on a connection that was idle.
func TestShutdownWaitsForALaterRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startModelled(t, func(l *lab) Config {
			cfg := plainConfig(l)
			cfg.Response = Response{Delay: 10 * time.Second, Size: 8}
			return cfg
		})
		c := m.dial()
		if _, err := get(t, c); err != nil {
			t.Fatal(err)
		}
		stopped := make(chan error)
		go func() {
			time.Sleep(time.Second) // virtual
			stopped <- m.stop(context.Background())
		}()
		if _, err := get(t, c); err != nil {
			t.Errorf("the request being served: %v", err)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

func TestShutdownCutsOffWhenTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startModelled(t, func(l *lab) Config {
			cfg := plainConfig(l)
			cfg.Response = Response{Delay: 10 * time.Second}
			return cfg
		})
		c := m.dial()
		ended := make(chan error)
		go func() {
			_, err := get(t, c)
			ended <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := m.stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the context's error", err)
		}
		if err := <-ended; err == nil || time.Since(start) != time.Second {
			t.Errorf("the request ended with %v after %s", err, time.Since(start))
		}
	})
}

func TestMethodsOfObjects(t *testing.T) {
	if _, err := New(Config{Methods: []string{"TRACE"}}); err == nil || err.Error() != `origin: objects cannot take the method "TRACE": use POST, PUT, PATCH or DELETE` {
		t.Errorf("got %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		m := startModelled(t, func(l *lab) Config {
			cfg := plainConfig(l)
			cfg.Methods = []string{http.MethodPost}
			return cfg
		})
		for method, want := range map[string]int{"GET": 200, "POST": 200, "PUT": 405} {
			c := m.dial()
			if _, err := fmt.Fprintf(c, "%s /o/1 HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", method, protectedHost); err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(response.Body.Close(), c.Close()); err != nil || response.StatusCode != want {
				t.Errorf("%s: status %d instead of %d, %v", method, response.StatusCode, want, err)
			}
		}
		if err := m.stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
