package origin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/gorilla/mux"

	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/wire"
)

// Server is the built-in origin.
type Server struct {
	cfg    Config
	audit  *Audit
	router *mux.Router
	http   *http.Server
	outer  *tls.Config // nil on a plaintext origin
	quic   *quicServer // likewise
	state  atomic.Pointer[state]
	counts counters

	reloading sync.Mutex // one Reload at a time

	draining atomic.Bool
	mu       sync.Mutex
	conns    map[*conn]struct{}
	emptied  chan struct{} // closed once draining and without connections
}

// New makes an origin. It refuses a policy that would let more callers in than
// its strategies say, with one sentence about the first reason found; a policy
// with a Mistake is spared exactly the refusal that the mistake is about.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	audit, err := NewAudit(cfg.Audit, cfg.AuditLevel)
	if err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	s := &Server{cfg: cfg, audit: audit, conns: map[*conn]struct{}{}, emptied: make(chan struct{})}
	st, base, err := s.newState(cfg.Policy, cfg.Credentials)
	if err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	s.state.Store(st)
	s.router = s.newRouter()
	if base != nil {
		s.outer = s.outerTLS(base)
		s.quic = newQUICServer(s, base)
	}
	s.http = s.newHTTP()
	return s, nil
}

func (s *Server) newState(p Policy, c pki.Credentials) (*state, *tls.Config, error) {
	var previous *guard
	if current := s.state.Load(); current != nil {
		previous = current.guard
	}
	g, err := newGuard(p, c, s.cfg.Certificate != "", previous)
	if err != nil {
		return nil, nil, err
	}
	if s.cfg.Certificate == "" {
		return newState(g, nil), nil, nil
	}
	certificate, err := c.Certificate(s.cfg.Certificate)
	if err != nil {
		return nil, nil, fmt.Errorf("server certificate: %w", err)
	}
	base := s.baseTLS(certificate)
	return newState(g, base), base, nil
}

func (s *Server) newHTTP() *http.Server {
	timeouts := s.cfg.Timeouts
	// To http.Server the connection is not encrypted: conn keeps TLS to itself,
	// and holds the peer to what ALPN chose.
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Protocols: &protocols,
		Handler:   s.handler(),
		// http.Server would answer OPTIONS * itself, before any guard.
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            timeouts.Header,
		ReadTimeout:                  timeouts.Read,
		WriteTimeout:                 timeouts.Write,
		IdleTimeout:                  timeouts.Idle,
		MaxHeaderBytes:               maxHeader,
		ErrorLog:                     log.New(io.Discard, "", 0),
		ConnState:                    s.connState,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
}

type connKey struct{}

// connState follows connections to their end. StateActive is of no use here:
// http.Server does not report it for a later request that it had in its buffer
// and could not read.
func (s *Server) connState(c net.Conn, to http.ConnState) {
	ours, ok := c.(*conn)
	if !ok {
		return
	}
	switch to {
	case http.StateIdle:
		ours.answering.Store(false)
	case http.StateClosed, http.StateHijacked:
		ours.closed()
		s.forget(ours)
	default:
	}
}

// Serve accepts connections until Shutdown, then returns nil. Several
// listeners may be served at once.
func (s *Server) Serve(l net.Listener) error {
	return s.serve(&gate{Listener: l, server: s})
}

// ServePlain is Serve without TLS, for the port that so many origins have open
// beside: the guard is the same, and where the policy wants a client
// certificate nobody is served.
func (s *Server) ServePlain(l net.Listener) error {
	return s.serve(&gate{Listener: l, server: s, plain: true})
}

func (s *Server) serve(g *gate) error {
	err := s.http.Serve(g)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("origin: %w", err)
}

// Reload replaces policy and credentials, both in full. Handshakes and
// requests that begin afterwards are decided by the new ones, on connections
// that are open already too. When it returns an error nothing has changed.
//
// Session ticket keys stay: VerifyConnection decides on resumed sessions.
func (s *Server) Reload(p Policy, c pki.Credentials) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	st, _, err := s.newState(p, c)
	if err != nil {
		return fmt.Errorf("origin reload: %w", err)
	}
	s.state.Store(st)
	return nil
}

// Counts returns the counters as they stand.
func (s *Server) Counts() Counts { return s.counts.read() }

// Shutdown stops accepting, ends connections that wait for a request, the
// first one included, and waits for the requests being served. When ctx ends
// first it cuts those off and returns the context's error. A line that the
// audit log lost is an error too.
func (s *Server) Shutdown(ctx context.Context) error {
	s.drain()
	var quicErr error
	var quic sync.WaitGroup
	if s.quic != nil {
		quic.Go(func() { quicErr = s.quic.shutdown(ctx) })
	}
	err := s.http.Shutdown(ctx)
	quic.Wait()
	if err = errors.Join(err, quicErr); err != nil {
		err = errors.Join(fmt.Errorf("origin shutdown: %w", err), s.http.Close())
	}
	<-s.emptied
	return errors.Join(err, s.audit.Err())
}

// drain wakes connections on which http.Server would wait for a first request.
func (s *Server) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Swap(true) {
		return
	}
	for c := range s.conns {
		c.wake()
	}
	if len(s.conns) == 0 {
		close(s.emptied)
	}
}

// remember returns false for a connection that came too late.
func (s *Server) remember(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.conns[c]; !known {
		return
	}
	delete(s.conns, c)
	if len(s.conns) == 0 && s.draining.Load() {
		close(s.emptied)
	}
}

// gate decides on the socket address at accept, before any byte is sent.
type gate struct {
	net.Listener
	server *Server
	plain  bool // no TLS, whatever the server has
}

// Accept returns the next connection that is let in.
func (g *gate) Accept() (net.Conn, error) {
	s := g.server
	for {
		raw, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		s.counts.accepted.Add(1)
		c := s.newConn(raw, !g.plain && s.outer != nil)
		if guard := s.guardOf(&c.identity); guard.admits != nil && !guard.preface && !guard.admits(c.peer.Addr()) {
			c.end(&s.counts.refused)
			s.refused(&c.identity, StageTCP, deny(Address, "address %s is not allowed", c.peer.Addr()))
			closeRaw(raw)
			continue
		}
		if !s.remember(c) {
			c.closed()
			closeRaw(raw)
			continue
		}
		return c, nil
	}
}

// closeRaw closes a connection that nothing was written to: the error of a
// close has nobody to tell.
func closeRaw(c net.Conn) { _ = c.Close() }

// guardOf is the current guard of a connection's port.
func (s *Server) guardOf(i *identity) *guard {
	g := s.state.Load().guard
	if g.encrypted && !i.encrypted {
		return g.overPlain
	}
	return g
}

func (s *Server) newConn(raw net.Conn, encrypted bool) *conn {
	c := &conn{server: s, socket: socket{Conn: wire.Accepted(raw)}, identity: identity{peer: peerOf(raw.RemoteAddr()), encrypted: encrypted}}
	c.socket.owner = c
	if encrypted {
		c.tls = tls.Server(&c.socket, s.outer)
	}
	return c
}
