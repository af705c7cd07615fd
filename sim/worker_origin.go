package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/originpull/originpull/origin"
)

// drainTimeout bounds how long an origin waits for its last connections.
const drainTimeout = 5 * time.Second

// originWorker is the built-in origin in a process of its own.
type originWorker struct {
	server  *origin.Server
	audit   *os.File
	planter planter
	served  func() error // waits for Serve and returns its error
	// sockets opens what the server listens on; nil: originSockets.
	sockets func(ctx context.Context, quic bool) (net.Listener, net.PacketConn, error)
}

func (w *originWorker) start(ctx context.Context, s *Start) (Answer, error) {
	cfg := originConfig(s)
	if s.Audit != "" {
		file, err := os.OpenFile(s.Audit, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return Answer{}, fmt.Errorf("opening the audit log: %w", err)
		}
		w.audit = file
		cfg.Audit = file
	}
	server, err := origin.New(cfg)
	if err != nil {
		return Answer{}, err
	}
	sockets := w.sockets
	if sockets == nil {
		sockets = originSockets
	}
	listener, packets, err := sockets(ctx, s.QUIC)
	if err != nil {
		return Answer{}, fmt.Errorf("listening: %w", err)
	}
	served := make(chan error, 2)
	go func() { served <- server.Serve(listener) }()
	go func() {
		if packets == nil {
			served <- nil
			return
		}
		served <- server.ServeQUIC(packets)
	}()
	w.server, w.served = server, sync.OnceValue(func() error { return errors.Join(<-served, <-served) })
	w.planter.share = s.Arm.Settings.Origin.Plant.CPU
	return Answer{Type: msgReady, Addresses: []string{listener.Addr().String()}}, w.planter.begin()
}

// also serves what comes to another listener.
func (w *originWorker) also(listener net.Listener) {
	before, served := w.served, make(chan error, 1)
	go func() { served <- w.server.Serve(listener) }()
	w.served = sync.OnceValue(func() error { return errors.Join(before(), <-served) })
}

// originSockets listens on a port of loopback: TCP, and with QUIC the UDP port
// of the same number, else nil.
func originSockets(ctx context.Context, quic bool) (net.Listener, net.PacketConn, error) {
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	if quic {
		return origin.Listen(at)
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", at.String())
	return listener, nil, err
}

func (w *originWorker) handle(ctx context.Context, c Command) (Answer, error) {
	if w.server == nil {
		return Answer{}, fmt.Errorf("%q before start", c.Type)
	}
	switch c.Type {
	case msgReload:
		if c.Reload == nil {
			return Answer{}, errors.New("a reload message without its content")
		}
		if err := w.server.Reload(c.Reload.Policy, c.Reload.Credentials); err != nil {
			return Answer{}, err
		}
		return Answer{Type: msgReloaded}, nil
	case msgPlant:
		return w.planter.handle(c.Plant)
	case msgDrain:
		ctx, cancel := context.WithTimeout(ctx, drainTimeout)
		defer cancel()
		if err := w.server.Shutdown(ctx); err != nil {
			return Answer{}, fmt.Errorf("draining: %w", err)
		}
		if err := w.served(); err != nil {
			return Answer{}, fmt.Errorf("serving: %w", err)
		}
		counts := w.server.Counts()
		return Answer{Type: msgSummary, Origin: &counts}, nil
	}
	return Answer{}, fmt.Errorf("an origin has no command %q", c.Type)
}

func (w *originWorker) close() {
	if w.server != nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // at once: whoever wanted the counts has drained before
		_ = w.server.Shutdown(ctx)
		_ = w.served()
	}
	if w.audit != nil {
		_ = w.audit.Close()
	}
}
