package origin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// quicServer is HTTP/3, behind the same guard as the rest of its Server.
type quicServer struct {
	server *Server
	outer  *tls.Config
	http   *http3.Server
	conns  sync.WaitGroup // open ones, handshakes included
	once   sync.Once      // of shutdown
	empty  chan struct{}  // closed once shutdown has waited for requests

	mu      sync.Mutex
	leaving bool
	open    map[*quicConn]struct{} // accepted and not closed
}

func newQUICServer(s *Server, base *tls.Config) *quicServer {
	q := &quicServer{server: s, outer: quicTLS(base), empty: make(chan struct{}), open: map[*quicConn]struct{}{}}
	q.outer.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c, ok := hello.Context().Value(connKey{}).(*quicConn)
		if !ok {
			return nil, errors.New("a handshake without its connection")
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		return s.state.Load().quic.configFor(&c.identity, hello.ServerName), nil
	}
	q.http = &http3.Server{
		Handler:        http.HandlerFunc(serveQUIC),
		MaxHeaderBytes: maxHeader,
		Logger:         slog.New(slog.DiscardHandler),
	}
	return q
}

// quicTLS is what handshakes over QUIC differ in.
func quicTLS(base *tls.Config) *tls.Config {
	cfg := base.Clone()
	cfg.NextProtos = []string{http3.NextProtoH3}
	cfg.MinVersion = tls.VersionTLS13
	return cfg
}

// config halves the handshake's time: quic-go takes it for each silence, and
// twice it for the whole.
func (q *quicServer) config() *quic.Config {
	t := q.server.cfg.Timeouts
	return &quic.Config{
		HandshakeIdleTimeout: t.Handshake / 2,
		MaxIdleTimeout:       t.Idle,
		Allow0RTT:            q.server.cfg.Early,
	}
}

// ServeQUIC serves HTTP/3 on a UDP socket until Shutdown, then closes the
// socket and returns nil. A datagram from an address that the policy does not
// allow is dropped unanswered, on connections that have moved to it too.
func (s *Server) ServeQUIC(socket net.PacketConn) error {
	if s.quic == nil {
		return errors.Join(errors.New("origin: QUIC needs TLS: name a server certificate"), socket.Close())
	}
	gate := newPacketGate(socket, s)
	transport := &quic.Transport{Conn: gate, ConnContext: func(ctx context.Context, client *quic.ClientInfo) (context.Context, error) {
		if gate.again(peerOf(client.RemoteAddr)) {
			return nil, errBegunBefore
		}
		return s.quic.begin(ctx, client)
	}}
	listener, err := s.quic.listen(transport)
	if err == nil {
		err = s.quic.http.ServeListener(accepting{listener, s.quic})
		if errors.Is(err, http.ErrServerClosed) {
			<-s.quic.empty
			err = nil
		}
		err = errors.Join(err, listener.Close())
	}
	err = errors.Join(err, transport.Close(), socket.Close())
	s.quic.conns.Wait()
	if err != nil {
		return fmt.Errorf("origin: %w", err)
	}
	return nil
}

// listen accepts connections before their handshake is complete only where
// requests in 0-RTT are wanted.
func (q *quicServer) listen(t *quic.Transport) (http3.QUICListener, error) {
	if q.server.cfg.Early {
		return t.ListenEarly(q.outer, q.config())
	}
	return t.Listen(q.outer, q.config())
}

// shutdown asks clients to go (RFC 9114, section 5.2), waits for requests, and
// closes whoever stays without one.
func (q *quicServer) shutdown(ctx context.Context) (err error) {
	q.once.Do(func() {
		q.mu.Lock()
		q.leaving = true
		open := slices.Collect(maps.Keys(q.open))
		q.mu.Unlock()
		for _, c := range open {
			c.rest()
		}
		err = q.http.Shutdown(ctx)
		close(q.empty)
	})
	return err
}

// begin sees each connection before its handshake, after the packet gate.
func (q *quicServer) begin(ctx context.Context, client *quic.ClientInfo) (context.Context, error) {
	c := &quicConn{owner: q, identity: identity{
		peer: peerOf(client.RemoteAddr), encrypted: true, quic: true, version: tls.VersionTLS13,
	}}
	q.server.counts.accepted.Add(1)
	q.conns.Add(1)
	context.AfterFunc(ctx, func() {
		defer q.conns.Done()
		c.closed(context.Cause(ctx))
	})
	return context.WithValue(ctx, connKey{}, c), nil
}

// accepting shows a listener's connections to their quicConns.
type accepting struct {
	http3.QUICListener
	owner *quicServer
}

// Accept returns the next connection.
func (a accepting) Accept(ctx context.Context) (*quic.Conn, error) {
	conn, err := a.QUICListener.Accept(ctx)
	if err != nil {
		return nil, err
	}
	c, ok := conn.Context().Value(connKey{}).(*quicConn)
	if !ok {
		panic("origin: a QUIC connection that never began")
	}
	c.accepted(conn)
	return conn, nil
}

func (q *quicServer) remember(c *quicConn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open[c] = struct{}{}
}

func (q *quicServer) forget(c *quicConn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.open, c)
}

func (q *quicServer) isLeaving() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.leaving
}
