package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/originpull/originpull/edge"
)

// Proxy is a reverse proxy. It is safe for concurrent use.
type Proxy struct {
	cfg     Config
	edge    *edge.Distribution
	http    *http.Server
	outer   *tls.Config // nil = plaintext
	viewers atomic.Pointer[tls.Config]
	via     [3][]string // by the major version of the request
	counts  counts
}

// New makes a proxy. The error names everything that is wrong with cfg.
func New(cfg Config) (*Proxy, error) {
	if cfg.Name == "" {
		cfg.Name = DefaultName
	}
	var wrong []error
	if strings.ContainsFunc(cfg.Name, func(r rune) bool { return r > 0x7e || !tokens[byte(r)] }) {
		wrong = append(wrong, fmt.Errorf("the name %q is no token: use letters, digits and dashes", cfg.Name))
	}
	var err error
	if cfg.Timeouts, err = cfg.Timeouts.settled(); err != nil {
		wrong = append(wrong, err)
	}
	met, err := cfg.Viewers.tls()
	if err != nil {
		wrong = append(wrong, err)
	}
	e, err := edge.NewDistribution(edge.Layout{Edge: cfg.Edge, Routes: cfg.Routes})
	if err != nil {
		wrong = append(wrong, err)
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("proxy: %w", errors.Join(wrong...))
	}
	p := &Proxy{cfg: cfg, edge: e, via: [3][]string{{"1.0 " + cfg.Name}, {"1.1 " + cfg.Name}, {"2.0 " + cfg.Name}}}
	if met != nil {
		p.viewers.Store(met)
		p.outer = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return p.viewers.Load(), nil }}
	}
	p.http = p.server()
	return p, nil
}

func (p *Proxy) server() *http.Server {
	limits := p.cfg.Timeouts
	// To net/http connections are not encrypted: conn keeps TLS to itself, and
	// lets only those speak HTTP/2 on which ALPN chose it.
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: p, Protocols: &protocols,
		DisableGeneralOptionsHandler: true, // OPTIONS * is the origin's to answer
		ReadHeaderTimeout:            limits.Header,
		WriteTimeout:                 limits.Write,
		IdleTimeout:                  limits.Idle,
		MaxHeaderBytes:               maxHeader,
		ErrorLog:                     log.New(io.Discard, "", 0),
	}
}

// Serve accepts viewers until Shutdown, then returns nil. Several listeners may
// be served at once.
func (p *Proxy) Serve(l net.Listener) error {
	if err := p.http.Serve(&gate{Listener: l, proxy: p}); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("proxy: %w", err)
	}
	return nil
}

// Reload replaces what viewers are met with, where each origin is and what it is
// told, all in full, for handshakes and pulls that begin afterwards. There is one
// aim for each of the routes, or a single one. When it returns an error nothing has
// changed. A proxy stays with TLS, or without.
func (p *Proxy) Reload(v Viewers, aims ...edge.Aim) error {
	met, err := v.tls()
	if err != nil {
		return fmt.Errorf("proxy reload: %w", err)
	}
	if (met == nil) != (p.outer == nil) {
		return errors.New("proxy reload: viewers' TLS cannot be switched on or off: start anew")
	}
	if err := p.edge.Retarget(aims); err != nil {
		return fmt.Errorf("proxy reload: %w", err)
	}
	if met != nil {
		p.viewers.Store(met)
	}
	return nil
}

// Stats returns the edge's counts as they stand.
func (p *Proxy) Stats() edge.Stats { return p.edge.Stats() }

// Shutdown stops accepting, waits for the answers that are under way and ends
// the edge. When ctx ends first it cuts them off and returns the context's
// error.
func (p *Proxy) Shutdown(ctx context.Context) error {
	err := p.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("proxy shutdown: %w", err), p.http.Close())
	}
	return errors.Join(err, p.edge.Close())
}
